"""Every scan of a cohort onto the grid, kept on disk: what was done before is not redone."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from napari_voxelmorph.engine.errors import VoxelMorphError
from napari_voxelmorph.engine.networks.space import Place, Space
from napari_voxelmorph.engine.training.data.alignment import placing
from napari_voxelmorph.engine.training.data.config import DataConfig
from napari_voxelmorph.engine.training.data.conforming import conform_scan
from napari_voxelmorph.engine.training.data.fingerprint import key_of, source_key
from napari_voxelmorph.engine.training.data.prepared import Item
from napari_voxelmorph.engine.training.data.progress import Clock, PreparationStep, in_turn
from napari_voxelmorph.engine.training.data.reading import Scan, read_scan
from napari_voxelmorph.engine.training.data.store import Store
from napari_voxelmorph.engine.training.data.subject import Subject
from napari_voxelmorph.engine.training.data.survey import Finding

Steps = Generator[PreparationStep, None, Any]


@dataclass(frozen=True, eq=False)
class Frame:
    """What all scans are brought to: the reference, and where the grid lies in it."""

    scan: Scan
    key: str
    space: Space
    where: Place


def items_of(
    subjects: Sequence[Subject],
    findings: Sequence[Finding],
    frame: Frame,
    config: DataConfig,
    store: Store,
) -> Generator[PreparationStep, None, tuple[list[Item | None], list[str]]]:
    """Every scan's item, None where it failed, and why."""
    items: dict[int, Item | None] = {}
    notes: dict[int, str] = {}
    clock = Clock("Aligning the scans" if config.affine else "Preparing", len(subjects))
    for n in in_turn(len(subjects)):
        step = clock.step(len(items), subjects[n].name)
        yield step
        try:
            work = item_of(subjects[n], findings[n], frame, config.affine, store)
            items[n] = yield from _repeating(step, work)
        except VoxelMorphError as error:
            if isinstance(error, OSError):
                raise
            notes[n] = f"{subjects[n].name} is left out: {error}"
            items[n] = None
    return [items[n] for n in range(len(subjects))], [notes[n] for n in sorted(notes)]


def _repeating(step: PreparationStep, work: Generator[Any, None, Item]) -> Steps:
    """While one scan is worked on, its step is told again, so that a watcher can stop it."""
    try:
        while True:
            try:
                next(work)
            except StopIteration as finished:
                return finished.value
            yield step
    finally:
        work.close()


def item_of(
    subject: Subject, finding: Finding, frame: Frame, affine: bool, store: Store
) -> Generator[Any, None, Item]:
    key = source_key(subject)
    name = key_of("conformed", key, frame.key, frame.space.to_json(), affine)
    values = store.values(name)
    shape = frame.where.shape
    whole = values is not None and store.array(name, "image", shape) is not None
    if whole and values is not None and values["ids"]:
        whole = store.array(name, "labels", shape) is not None
    if not whole or values is None:
        scan = read_scan(subject)
        itself = key == frame.key
        world = np.eye(scan.image.ndim + 1)
        if not itself:
            world = yield from placing(scan.image, key, frame.scan.image, frame.key, affine, store)
        made = conform_scan(scan, frame.scan.image, frame.where, frame.space, world)
        points = [] if made.landmarks is None else made.landmarks.tolist()
        values = {
            "ids": list(made.ids),
            "landmarks": dict(zip(made.landmark_names, points, strict=False)),
        }
        arrays: dict[str, Any] = {"image": made.image}
        if made.labels is not None:
            arrays["labels"] = made.labels
        store.keep(name, values, arrays)
    return Item(
        subject.name,
        name,
        subject.split,
        subject.group,
        finding.digest,
        tuple(values["ids"]),
        {k: np.array(v, np.float64) for k, v in values["landmarks"].items()},
    )
