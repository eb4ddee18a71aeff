"""Every scan of a cohort onto the grid, kept on disk: what was done before is not redone."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from concurrent.futures import Future
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from napari_voxelmorph.engine.errors import VoxelMorphError
from napari_voxelmorph.engine.networks.space import Place, Space
from napari_voxelmorph.engine.parallel import thread_count
from napari_voxelmorph.engine.training.data.alignment import placing
from napari_voxelmorph.engine.training.data.config import DataConfig
from napari_voxelmorph.engine.training.data.conforming import conform_scan
from napari_voxelmorph.engine.training.data.fingerprint import key_of, source_key
from napari_voxelmorph.engine.training.data.known_field import known_displacement
from napari_voxelmorph.engine.training.data.prepared import Item
from napari_voxelmorph.engine.training.data.progress import Clock, PreparationStep, in_turn
from napari_voxelmorph.engine.training.data.reading import Scan, read_scan
from napari_voxelmorph.engine.training.data.side_by_side import side_by_side
from napari_voxelmorph.engine.training.data.store import Store
from napari_voxelmorph.engine.training.data.subject import Subject
from napari_voxelmorph.engine.training.data.survey import Finding

#: Scans that are prepared at the same time.  Two thirds of an alignment use all cores already
#: (benchmarks/NOTES.md), and each takes memory.
_AT_ONCE = 2


@dataclass(frozen=True, eq=False)
class Frame:
    """What all scans are brought to: the reference, and where the grid lies in it.

    Parameters
    ----------
    has_atlas : bool
        The reference is the atlas, from which known transforms lead to the scans.
    """

    scan: Scan
    key: str
    space: Space
    where: Place
    has_atlas: bool = False


def items_of(
    subjects: Sequence[Subject],
    findings: Sequence[Finding],
    frame: Frame,
    config: DataConfig,
    store: Store,
) -> Generator[PreparationStep, None, tuple[list[Item | None], list[str]]]:
    """Every scan's item, None where it failed, and why; some at the same time."""
    items: dict[int, Item | None] = {}
    notes: dict[int, str] = {}
    clock = Clock("Aligning the scans" if config.affine else "Preparing", len(subjects))

    def work(n: int) -> Generator[Any, None, Item]:
        return item_of(subjects[n], findings[n], frame, config.affine, store)

    order = list(in_turn(len(subjects)))
    works = ((n, partial(work, n)) for n in order)
    with closing(side_by_side(works, min(_AT_ONCE, thread_count()))) as ends:
        step = clock.step(0, subjects[order[0]].name)
        yield step
        for end in ends:
            if end is not None:
                n, future = end
                items[n], notes[n] = _result(subjects[n], future)
                if len(items) == len(subjects):
                    break
                now = next(n for n in order if n not in items)
                step = clock.step(len(items), subjects[now].name)
            yield step
    return [items[n] for n in sorted(items)], [notes[n] for n in sorted(notes) if notes[n]]


def _result(subject: Subject, future: Future[Item]) -> tuple[Item | None, str]:
    """The item, or why there is none; a disk that is full is nothing to go on with."""
    try:
        return future.result(), ""
    except VoxelMorphError as error:
        if isinstance(error, OSError):
            raise
        return None, f"{subject.name} is left out: {error}"


def item_of(
    subject: Subject, finding: Finding, frame: Frame, affine: bool, store: Store
) -> Generator[Any, None, Item]:
    key = source_key(subject)
    name = key_of("conformed", key, frame.key, frame.space.to_json(), affine)
    if subject.transform is not None:  # is made use of with an atlas only
        name = key_of(name, frame.has_atlas)
    values = store.values(name)
    shape = frame.where.shape
    if values is None or not _is_whole(values, name, shape, store):
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
        if subject.transform is not None and frame.has_atlas:
            arrays["displacement"] = known_displacement(
                subject.transform, frame.scan.image, scan.image, frame.where, world
            )
            values["supervised"] = True
        store.keep(name, values, arrays)
    return Item(
        subject.name,
        name,
        subject.split,
        subject.group,
        finding.digest,
        tuple(values["ids"]),
        {k: np.array(v, np.float64) for k, v in values["landmarks"].items()},
        bool(values.get("supervised")),
    )


def _is_whole(values: dict[str, Any], name: str, shape: tuple[int, ...], store: Store) -> bool:
    wanted = {"image": shape}
    if values["ids"]:
        wanted["labels"] = shape
    if values.get("supervised"):
        wanted["displacement"] = (len(shape), *shape)
    return all(store.array(name, what, size) is not None for what, size in wanted.items())
