"""From the files of a cohort to scans on one grid: look, align, conform, keep."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Generator
from pathlib import Path
from typing import Any

import numpy as np

from napari_voxelmorph.engine.errors import InputError
from napari_voxelmorph.engine.networks.space import Space, place
from napari_voxelmorph.engine.training.data.agreement import common_ids, oddities
from napari_voxelmorph.engine.training.data.config import DEFAULT, DataConfig
from napari_voxelmorph.engine.training.data.fingerprint import source_key
from napari_voxelmorph.engine.training.data.grid import choose_space
from napari_voxelmorph.engine.training.data.items import Frame, item_of, items_of
from napari_voxelmorph.engine.training.data.prepared import Item, Prepared
from napari_voxelmorph.engine.training.data.progress import PreparationStep
from napari_voxelmorph.engine.training.data.reading import read_scan
from napari_voxelmorph.engine.training.data.selection import reference_of, usable
from napari_voxelmorph.engine.training.data.splits import divide
from napari_voxelmorph.engine.training.data.store import Store
from napari_voxelmorph.engine.training.data.subject import Cohort, Subject, need_subjects
from napari_voxelmorph.engine.training.data.survey import Finding, survey


def prepare(
    cohort: Cohort,
    folder: Path,
    config: DataConfig = DEFAULT,
    *,
    seed: int = 0,
    space: Space | None = None,
) -> Generator[PreparationStep, None, Prepared]:
    """Bring a cohort onto one grid.  What was done before, with the same settings, is not redone.

    Parameters
    ----------
    cohort : Cohort
    folder : Path
        For the prepared scans; several runs may share it.
    config : DataConfig
    seed : int
        Of the division into splits, where the cohort does not say.
    space : Space, optional
        Of the model that is trained further; default: one that suits the cohort.

    Yields
    ------
    PreparationStep
        Before every scan, and while one is aligned.  Closing the generator stops at once.

    Raises
    ------
    InputError
        When fewer than two scans (one, with an atlas) can be used, when a scan is in two
        splits, or the atlas cannot be used.
    OutputError
        When the folder cannot be written to.
    """
    store = Store(folder)
    atlas = _atlas_of(config)
    cohort = divide(
        need_subjects(cohort, 1 if atlas else 2),
        config.validation_fraction,
        config.test_fraction,
        seed,
    )
    subjects = [*cohort.subjects, *([atlas] if atlas else [])]
    findings = yield from survey(subjects, store)
    cohort, findings, atlas_finding = usable(cohort, atlas, findings)
    reference, finding = reference_of(cohort, findings, atlas, atlas_finding)
    frame = _frame(reference, finding, findings, config, space)
    items, notes = yield from items_of(cohort.subjects, findings, frame, config, store)
    atlas_item = None
    if atlas is not None:
        atlas_item = yield from item_of(atlas, finding, frame, False, store)
    cohort = dataclasses.replace(cohort, notes=(*cohort.notes, *notes))
    used = [n for n, item in enumerate(items) if item]
    scans, known = [cohort.subjects[n] for n in used], [findings[n] for n in used]
    need_subjects(dataclasses.replace(cohort, subjects=tuple(scans)), 1 if atlas else 2)
    odd = oddities(scans, known)
    if atlas is not None and finding.ids:
        scans, known = [*scans, atlas], [*known, finding]
    ids, differ = common_ids(scans, known)
    good = tuple(item for item in items if item)
    story = _description(cohort, good, config, seed, ids)
    story["profile"] = _profile(
        [f for s, f in zip(scans, known, strict=True) if s.split == "train"]
    )
    notes = [*cohort.notes, *odd, *differ]
    return Prepared(good, atlas_item, frame.space, ids, tuple(notes), story, store)


def _atlas_of(config: DataConfig) -> Subject | None:
    if not config.atlas:
        return None
    labels = Path(config.atlas_labels) if config.atlas_labels else None
    for path in (Path(config.atlas), labels):
        if path is not None and not path.exists():
            raise InputError(f"The atlas: there is no file “{path}”.")
    return Subject("atlas", Path(config.atlas), labels)


def _frame(
    reference: Subject,
    finding: Finding,
    findings: list[Finding],
    config: DataConfig,
    space: Space | None,
) -> Frame:
    if space is not None and space.shape is not None and len(space.shape) != len(finding.shape):
        raise InputError(
            f"The model to start from registers {len(space.shape)}-D images, and the scans are "
            f"{len(finding.shape)}-D. Choose another model, or none."
        )
    chosen = choose_space(findings, finding, config.spacing, config.multiple, config.affine, space)
    scan = read_scan(reference)
    return Frame(scan, source_key(reference), chosen, place(chosen, scan.image))


def _description(
    cohort: Cohort,
    items: tuple[Item, ...],
    config: DataConfig,
    seed: int,
    ids: tuple[int, ...],
) -> dict[str, Any]:
    """For the card.  Scans are named by their content: a model that is passed on tells no names."""
    splits = {
        split: sorted(item.digest for item in items if item.split == split)
        for split in ("train", "validation", "test")
    }
    settings = dataclasses.asdict(config)
    for private in ("atlas", "atlas_labels", "memory"):
        settings.pop(private)
    return {
        "cohort": cohort.name,
        "scans": len(items),
        "labelled": sum(bool(item.ids) for item in items),
        "counts": dict(Counter(item.split for item in items)),
        "pairs": "each scan to the atlas" if config.atlas else "scan to scan",
        "labels": list(ids),
        "settings": settings,
        "seed": seed,
        "splits": splits,
    }


def _profile(findings: list[Finding]) -> list[float]:
    """Mean over the scans that are trained on, for `ModelCard.profile`."""
    return [round(float(p), 4) for p in np.mean([f.profile for f in findings], axis=0)]
