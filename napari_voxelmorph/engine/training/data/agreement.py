"""Do the scans of a cohort go together?  Sizes, axes and labels compared, in words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from napari_voxelmorph.engine.training.data.subject import Subject
from napari_voxelmorph.engine.training.data.survey import Finding

#: One scan this many times as wide as the others: a unit is wrong; and just worth a word.
_SANE_SIZES, _UNLIKE = 30.0, 2.0


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
    usual = float(np.median([findings[n].across for n in good]))
    for n in good:
        ratio = findings[n].across / usual
        if not 1 / _SANE_SIZES < ratio < _SANE_SIZES:
            out[n] = (
                f"{subjects[n].name} is left out: its content is {findings[n].across:.3g} mm "
                f"across, the others' about {usual:.3g} mm; is the spacing in its header right?"
            )
    return out


def oddities(subjects: Sequence[Subject], findings: Sequence[Finding]) -> list[str]:
    """Sentences about scans that are used, and about which the user should know."""
    notes = [note for finding in findings for note in finding.notes]
    usual = float(np.median([f.across for f in findings]))
    odd = [
        s.name
        for s, f in zip(subjects, findings, strict=True)
        if not 1 / _UNLIKE < f.across / usual < _UNLIKE
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
