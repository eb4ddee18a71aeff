"""A first look at every scan of a cohort: grid, content, labels, and what is wrong."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from napari_voxelmorph.engine.errors import VoxelMorphError
from napari_voxelmorph.engine.model_checks import profile
from napari_voxelmorph.engine.networks.space import Space, content
from napari_voxelmorph.engine.training.data.fingerprint import digest, key_of, source_key
from napari_voxelmorph.engine.training.data.progress import Clock, PreparationStep, in_turn
from napari_voxelmorph.engine.training.data.reading import read_scan
from napari_voxelmorph.engine.training.data.store import Store
from napari_voxelmorph.engine.training.data.subject import Subject


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
    profile : tuple of float
        How its intensities are spread, see `model_checks.profile`.
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
    profile: tuple[float, ...] = ()
    notes: tuple[str, ...] = ()
    problem: str = ""

    @property
    def across(self) -> float:
        """Diagonal of the content, mm."""
        return float(np.linalg.norm(self.extent))

    @property
    def extent(self) -> tuple[float, ...]:
        """Width of the content along each axis, mm."""
        parts = zip(self.low, self.high, self.spacing, strict=True)
        return tuple((high + 1 - low) * step for low, high, step in parts)


def survey(
    subjects: Sequence[Subject], store: Store
) -> Generator[PreparationStep, None, list[Finding]]:
    """Read every subject once (or what an earlier look has kept), one step each."""
    findings: dict[int, Finding] = {}
    clock = Clock("Reading the scans", len(subjects))
    for n in in_turn(len(subjects)):
        yield clock.step(len(findings), subjects[n].name)
        findings[n] = _look(subjects[n], store)
    return [findings[n] for n in range(len(subjects))]


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
        tuple(round(float(p), 4) for p in profile(scan.image, Space())),
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
