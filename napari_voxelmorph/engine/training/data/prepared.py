"""A cohort that is ready to be drawn from: everything on one grid, read when it is needed."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_voxelmorph.engine.errors import FileFormatError
from napari_voxelmorph.engine.networks.space import Space
from napari_voxelmorph.engine.training.data.store import Store
from napari_voxelmorph.engine.training.data.subject import Points, Split


@dataclass(frozen=True, eq=False)
class Item:
    """A prepared scan.

    Parameters
    ----------
    name : str
    key : str
        In the store.
    split : "train", "validation", "test" or "" (the atlas)
    group : str
    digest : str
        Of the image's content.
    ids : tuple of int
        Labels that its numbers 1, 2, ... stand for; empty: no segmentation.
    landmarks : mapping of str to ndarray (D,)
        Voxels of the model's grid.
    supervised : bool
        The displacement from the atlas is known.
    """

    name: str
    key: str
    split: Split
    group: str
    digest: str
    ids: tuple[int, ...]
    landmarks: Mapping[str, Points]
    supervised: bool = False


@dataclass(frozen=True, eq=False)
class Ready:
    """A scan in memory.

    Parameters
    ----------
    image : ndarray S, float32
    labels : ndarray S, int16, or None
        Places in the cohort's labels plus one.
    displacement : ndarray (D, *S), float16, or None
        From the atlas, where it is known.
    """

    image: NDArray[np.float32]
    labels: NDArray[np.int16] | None
    displacement: NDArray[np.float16] | None = None

    @property
    def nbytes(self) -> int:
        parts = (self.image, self.labels, self.displacement)
        return sum(part.nbytes for part in parts if part is not None)


@dataclass(frozen=True, eq=False)
class Prepared:
    """What `prepare` leaves.

    Parameters
    ----------
    items : tuple of Item
    atlas : Item or None
        The fixed image of every pair; None: scans are paired with each other.
    space : Space
        With its shape.
    labels : tuple of int
        Ids that are trained and scored on.
    notes : tuple of str
        For the user: what was left out, and what is odd.
    description : mapping
        JSON values for the model's card; no names of files or people.
    store : Store
    """

    items: tuple[Item, ...]
    atlas: Item | None
    space: Space
    labels: tuple[int, ...]
    notes: tuple[str, ...]
    description: Mapping[str, Any]
    store: Store

    def of(self, split: Split) -> tuple[Item, ...]:
        """The scans of one split."""
        return tuple(item for item in self.items if item.split == split)


class Memory:
    """Keeps the prepared scans that were used last, up to so many bytes; several threads may ask."""

    def __init__(self, prepared: Prepared, limit: int) -> None:
        self._prepared, self._limit = prepared, limit
        self._kept: OrderedDict[str, Ready] = OrderedDict()
        self._bytes = 0
        self._lock = threading.Lock()

    @property
    def nbytes(self) -> int:
        """Held now."""
        return self._bytes

    def get(self, item: Item) -> Ready:
        """A scan; do not change its arrays.

        Raises
        ------
        FileFormatError
            When its prepared file is gone.
        """
        with self._lock:
            kept = self._kept.get(item.key)
            if kept is not None:
                self._kept.move_to_end(item.key)
                return kept
        ready = self._read(item)
        with self._lock:
            if item.key not in self._kept and ready.nbytes <= self._limit:
                self._kept[item.key] = ready
                self._bytes += ready.nbytes
            while self._bytes > self._limit:
                _, old = self._kept.popitem(last=False)
                self._bytes -= old.nbytes
        return ready

    def _read(self, item: Item) -> Ready:
        store, shape = self._prepared.store, self._prepared.space.shape
        assert shape is not None
        image = store.array(item.key, "image", shape)
        numbers = store.array(item.key, "labels", shape) if item.ids else None
        known = None
        if item.supervised:
            known = store.array(item.key, "displacement", (len(shape), *shape))
        if image is None or (item.ids and numbers is None) or (item.supervised and known is None):
            raise FileFormatError(
                f"The prepared scan “{item.name}” is gone from “{store.folder}”. Start again: it "
                "will be prepared anew."
            )
        labels = None
        if numbers is not None:
            place = {label: n + 1 for n, label in enumerate(self._prepared.labels)}
            table = np.array([0, *(place.get(i, 0) for i in item.ids)], np.int16)
            labels = table[np.asarray(numbers)]
        displacement = None if known is None else np.array(known, np.float16)
        return Ready(np.asarray(image, np.float32), labels, displacement)
