"""Which scans of a cohort can be used beside each other, and which of them is the reference."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from napari_voxelmorph.engine.errors import InputError
from napari_voxelmorph.engine.training.data.agreement import misfits
from napari_voxelmorph.engine.training.data.grid import typical
from napari_voxelmorph.engine.training.data.subject import Cohort, Subject
from napari_voxelmorph.engine.training.data.survey import Finding


def usable(
    cohort: Cohort, atlas: Subject | None, findings: list[Finding]
) -> tuple[Cohort, list[Finding], Finding | None]:
    """The scans that can be used beside each other, and the atlas'."""
    atlas_finding = None
    if atlas is not None:
        atlas_finding = findings.pop()
        if atlas_finding.problem:
            raise InputError(f"The atlas cannot be used. {atlas_finding.problem}")
    out = misfits(cohort.subjects, findings)
    if atlas_finding is not None:
        ndim = len(atlas_finding.shape)
        for n, (subject, finding) in enumerate(zip(cohort.subjects, findings, strict=True)):
            if n not in out and len(finding.shape) != ndim:
                out[n] = (
                    f"{subject.name} is left out: it is {len(finding.shape)}-D, the atlas {ndim}-D."
                )
    _refuse_copies(cohort.subjects, findings, out)
    kept = [n for n in range(len(findings)) if n not in out]
    cohort = dataclasses.replace(
        cohort,
        subjects=tuple(cohort.subjects[n] for n in kept),
        notes=(*cohort.notes, *(out[n] for n in sorted(out))),
    )
    return cohort, [findings[n] for n in kept], atlas_finding


def _refuse_copies(
    subjects: Sequence[Subject], findings: Sequence[Finding], out: dict[int, str]
) -> None:
    """Copies of one scan under two names: used once, and refused in two splits."""
    first: dict[str, int] = {}
    # Of copies, the one whose split is given is used.
    for n in sorted(range(len(findings)), key=lambda n: not subjects[n].split):
        finding = findings[n]
        if n in out:
            continue
        other = first.setdefault(finding.digest, n)
        if other == n:
            continue
        names = f"“{subjects[other].name}” and “{subjects[n].name}”"
        if subjects[n].split and subjects[other].split != subjects[n].split:
            raise InputError(
                f"{names} are the same scan, and in two splits ({subjects[other].split} and "
                f"{subjects[n].split}): the scores would not be of unseen scans. Leave one out, or "
                "give both one split."
            )
        out[n] = f"{subjects[n].name} is left out: it is the same scan as {subjects[other].name}."


def reference_of(
    cohort: Cohort, findings: list[Finding], atlas: Subject | None, atlas_finding: Finding | None
) -> tuple[Subject, Finding]:
    """The atlas, or the training scan of the most usual size."""
    if atlas is not None and atlas_finding is not None:
        return atlas, atlas_finding
    train = [n for n, s in enumerate(cohort.subjects) if s.split == "train"]
    chosen = train[typical([findings[n] for n in train])]
    return cohort.subjects[chosen], findings[chosen]
