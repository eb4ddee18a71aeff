"""A cohort before anything is done to it: what can be used, how it is divided, and on what grid.

The window shows what is found here, and `prepare` goes on from it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

from napari_voxelmorph.engine.errors import InputError
from napari_voxelmorph.engine.networks.space import Space
from napari_voxelmorph.engine.training.data.config import DEFAULT, DataConfig
from napari_voxelmorph.engine.training.data.grid import choose_space
from napari_voxelmorph.engine.training.data.progress import PreparationStep
from napari_voxelmorph.engine.training.data.selection import reference_of, usable
from napari_voxelmorph.engine.training.data.splits import divide, once_each
from napari_voxelmorph.engine.training.data.store import Store
from napari_voxelmorph.engine.training.data.subject import Cohort, Subject, need_subjects
from napari_voxelmorph.engine.training.data.survey import Finding, survey


@dataclass(frozen=True, eq=False)
class Inspected:
    """What `inspect_cohort` found.

    Parameters
    ----------
    cohort : Cohort
        The scans that can be used, each with its split; the notes say what was left out.
    findings : list of Finding
        Of these scans.
    atlas : Subject or None
    reference : Subject
        The atlas, or the training scan of the most usual size: the grid lies around it.
    finding : Finding
        Of the reference.
    space : Space
        With its shape.
    """

    cohort: Cohort
    findings: list[Finding]
    atlas: Subject | None
    reference: Subject
    finding: Finding
    space: Space

    def all_segmented(self) -> tuple[list[Subject], list[Finding]]:
        """The scans, and the atlas where it has a segmentation."""
        subjects, findings = list(self.cohort.subjects), list(self.findings)
        if self.atlas is not None and self.finding.ids:
            return [*subjects, self.atlas], [*findings, self.finding]
        return subjects, findings


def inspect_cohort(
    cohort: Cohort,
    store: Store,
    config: DataConfig = DEFAULT,
    *,
    seed: int = 0,
    space: Space | None = None,
) -> Generator[PreparationStep, None, Inspected]:
    """Read every scan once (or what an earlier look has kept), and see what fits together.

    Parameters
    ----------
    seed : int
        Of the division into splits, where the cohort does not say.
    space : Space, optional
        Of the model that is trained further; default: one that suits the cohort.

    Yields
    ------
    PreparationStep
        Before every scan.

    Raises
    ------
    InputError
        As `prepare`.
    """
    atlas = _atlas_of(config)
    least = 1 if atlas else 2
    cohort = need_subjects(once_each(cohort), least)
    findings = yield from survey([*cohort.subjects, *([atlas] if atlas else [])], store)
    # Only what can be used is divided: a damaged scan must not be all that is held out.
    cohort, findings, of_atlas = usable(cohort, atlas, findings)
    cohort = divide(
        need_subjects(cohort, least), config.validation_fraction, config.test_fraction, seed
    )
    reference, finding = reference_of(cohort, findings, atlas, of_atlas)
    if space is not None and space.shape is not None and len(space.shape) != len(finding.shape):
        raise InputError(
            f"The model to start from registers {len(space.shape)}-D images, and the scans are "
            f"{len(finding.shape)}-D. Choose another model, or none."
        )
    chosen = choose_space(findings, finding, config.spacing, config.multiple, config.affine, space)
    return Inspected(cohort, findings, atlas, reference, finding, chosen)


def without(found: Inspected, failed: list[str], places: list[int]) -> Inspected:
    """Leave only the scans at `places`; `failed` says why the others could not be prepared."""
    cohort = dataclasses.replace(
        found.cohort,
        subjects=tuple(found.cohort.subjects[n] for n in places),
        notes=(*found.cohort.notes, *failed),
    )
    return dataclasses.replace(found, cohort=cohort, findings=[found.findings[n] for n in places])


def _atlas_of(config: DataConfig) -> Subject | None:
    if not config.atlas:
        return None
    files = [config.atlas, config.atlas_labels, config.atlas_landmarks]
    image, labels, landmarks = (Path(name) if name else None for name in files)
    assert image is not None
    for path in (image, labels, landmarks):
        if path is not None and not path.exists():
            raise InputError(f"The atlas: there is no file “{path}”.")
    return Subject("atlas", image, labels, landmarks)
