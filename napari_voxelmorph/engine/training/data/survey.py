"""A first look at every scan of a cohort: grid, content, labels, and what is wrong."""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from napari_voxelmorph.engine.errors import VoxelMorphError
from napari_voxelmorph.engine.networks.space import content
from napari_voxelmorph.engine.training.data.fingerprint import digest, key_of, source_key
from napari_voxelmorph.engine.training.data.progress import Clock, PreparationStep
from napari_voxelmorph.engine.training.data.reading import read_scan
from napari_voxelmorph.engine.training.data.store import Store
from napari_voxelmorph.engine.training.data.subject import Subject

#: One scan this many times as wide as the others: a unit is wrong.
_SANE_SIZES, _UNLIKE = 30.0, 2.0


@dataclass(frozen=True)
class Finding:
    """What is known of a scan after reading it once.

    Parameters
    ----------
    shape, spacing, orientation
        Of its grid (voxels, mm, letters or "").
    low, high : tuple of int
        First and last voxel of the content along each axis.
    ids : tuple of int
        Labels of its segmentation, without 0.
    landmarks : tuple of str
        Their names.
    digest : str
        Of the image's content.
    notes : tuple of str
    problem : str
        Why it cannot be used; "" when it can.
    """

    shape: tuple[int, ...] = ()
    spacing: tuple[float, ...] = ()
    orientation: str = ""
    low: tuple[int, ...] = ()
    high: tuple[int, ...] = ()
    ids: tuple[int, ...] = ()
    landmarks: tuple[str, ...] = ()
    digest: str = ""
    notes: tuple[str, ...] = ()
    problem: str = ""

    @property
    def extent(self) -> tuple[float, ...]:
        """Width of the content along each axis, mm."""
        parts = zip(self.low, self.high, self.spacing, strict=True)
        return tuple((high + 1 - low) * step for low, high, step in parts)


def survey(
    subjects: Sequence[Subject], store: Store
) -> Generator[PreparationStep, None, list[Finding]]:
    """Read every subject once (or what an earlier look has kept), one step each."""
    findings = []
    clock = Clock("Reading the scans", len(subjects))
    for n, subject in enumerate(subjects):
        yield clock.step(n, subject.name)
        findings.append(_look(subject, store))
    return findings


def _look(subject: Subject, store: Store) -> Finding:
    try:
        key = key_of("survey", source_key(subject))
        kept = _from_values(store.values(key))
        if kept is not None:
            return kept
        finding = _read(subject)
    except VoxelMorphError as error:
        return Finding(problem=str(error))
    except OSError as error:
        return Finding(problem=f"It cannot be opened: {error.strerror or error}.")
    store.keep(key, asdict(finding))
    return finding


def _read(subject: Subject) -> Finding:
    scan = read_scan(subject)
    low, high = content(scan.image)
    ids: tuple[int, ...] = ()
    if scan.labels is not None:
        ids = tuple(int(i) for i in np.unique(scan.labels.data) if i != 0)
    return Finding(
        scan.image.shape,
        scan.image.spacing,
        scan.image.orientation,
        tuple(int(n) for n in low),
        tuple(int(n) for n in high),
        ids,
        tuple(scan.landmark_names),
        digest(subject.image),
        tuple(scan.notes),
    )


def _from_values(values: dict[str, Any] | None) -> Finding | None:
    try:
        whole: dict[str, Any] = {
            k: tuple(v) if isinstance(v, list) else v for k, v in (values or {}).items()
        }
        return Finding(**whole) if whole else None
    except TypeError:
        return None


def misfits(subjects: Sequence[Subject], findings: Sequence[Finding]) -> dict[int, str]:
    """Which scans cannot be used beside the others: place in the list -> sentence."""
    out = {
        n: f"{s.name} is left out: {f.problem}"
        for n, (s, f) in enumerate(zip(subjects, findings, strict=True))
        if f.problem
    }
    good = [n for n in range(len(findings)) if n not in out]
    if not good:
        return out
    count = Counter(len(findings[n].shape) for n in good)
    ndim = max(count, key=lambda d: (count[d], d))
    for n in good:
        own = len(findings[n].shape)
        if own != ndim:
            out[n] = (
                f"{subjects[n].name} is left out: it is {own}-D, and {count[ndim]} of {len(good)} "
                f"scans are {ndim}-D."
            )
    good = [n for n in good if n not in out]
    usual = float(np.median([_across(findings[n]) for n in good]))
    for n in good:
        ratio = _across(findings[n]) / usual
        if not 1 / _SANE_SIZES < ratio < _SANE_SIZES:
            out[n] = (
                f"{subjects[n].name} is left out: its content is {_across(findings[n]):.3g} mm "
                f"across, the others' about {usual:.3g} mm; is the spacing in its header right?"
            )
    return out


def oddities(subjects: Sequence[Subject], findings: Sequence[Finding]) -> list[str]:
    """Sentences about scans that are used, and about which the user should know."""
    notes = [note for finding in findings for note in finding.notes]
    usual = float(np.median([_across(f) for f in findings]))
    odd = [
        s.name
        for s, f in zip(subjects, findings, strict=True)
        if not 1 / _UNLIKE < _across(f) / usual < _UNLIKE
    ]
    if odd:
        notes.append(
            f"Of unusual size (content less than half or more than twice {usual:.3g} mm across): "
            f"{listed(odd)}."
        )
    return notes


def common_ids(
    subjects: Sequence[Subject], findings: Sequence[Finding]
) -> tuple[tuple[int, ...], list[str]]:
    """Labels that at least half of the segmentations have, and words on where they differ."""
    labelled = [(s.name, set(f.ids)) for s, f in zip(subjects, findings, strict=True) if f.ids]
    count = Counter(i for _, ids in labelled for i in ids)
    common = sorted(i for i, n in count.items() if 2 * n >= len(labelled))
    notes = []
    rare = sorted(set(count) - set(common))
    if rare:
        notes.append(
            f"Labels that fewer than half of the segmentations have are not scored: {listed(rare)}."
        )
    partial = [name for name, ids in labelled if not ids >= set(common)]
    if partial:
        notes.append(
            f"{len(partial)} of {len(labelled)} segmentations lack some labels ({listed(partial)}); "
            "pairs are scored on the labels that both have."
        )
    return tuple(common), notes


def listed(words: Sequence[object], most: int = 5) -> str:
    """The first few, and how many more."""
    some = ", ".join(str(w) for w in words[:most])
    return f"{some} and {len(words) - most} more" if len(words) > most else some


def _across(finding: Finding) -> float:
    return float(np.linalg.norm(finding.extent))
