"""From the files of a cohort to scans on one grid: look, align, conform, keep."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Generator
from pathlib import Path
from typing import Any

import numpy as np

from napari_voxelmorph.engine.networks.space import Space, place
from napari_voxelmorph.engine.training.data.agreement import common_ids, oddities
from napari_voxelmorph.engine.training.data.config import DEFAULT, DataConfig
from napari_voxelmorph.engine.training.data.fingerprint import source_key
from napari_voxelmorph.engine.training.data.inspection import inspect_cohort, without
from napari_voxelmorph.engine.training.data.items import Frame, item_of, items_of
from napari_voxelmorph.engine.training.data.prepared import Item, Prepared
from napari_voxelmorph.engine.training.data.progress import PreparationStep
from napari_voxelmorph.engine.training.data.reading import read_scan
from napari_voxelmorph.engine.training.data.store import Store
from napari_voxelmorph.engine.training.data.subject import Cohort, need_subjects
from napari_voxelmorph.engine.training.data.survey import Finding


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
    found = yield from inspect_cohort(cohort, store, config, seed=seed, space=space)
    scan = read_scan(found.reference)
    where = place(found.space, scan.image)
    key = source_key(found.reference)
    frame = Frame(scan, key, found.space, where, has_atlas=found.atlas is not None)
    items, failed = yield from items_of(found.cohort.subjects, found.findings, frame, config, store)
    atlas = None
    if found.atlas is not None:
        atlas = yield from item_of(found.atlas, found.finding, frame, False, store)
    found = without(found, failed, [n for n, item in enumerate(items) if item])
    cohort, findings = found.cohort, found.findings
    need_subjects(cohort, 1 if atlas else 2)
    ids, differ = common_ids(*found.all_segmented())
    good = tuple(item for item in items if item)
    story = _description(cohort, good, config, seed, ids)
    trained_on = zip(cohort.subjects, findings, strict=True)
    story["profile"] = _profile([f for s, f in trained_on if s.split == "train"])
    notes = (*cohort.notes, *oddities(cohort.subjects, findings), *differ)
    return Prepared(good, atlas, frame.space, ids, notes, story, store)


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
    for private in ("atlas", "atlas_labels", "atlas_landmarks", "memory"):
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
