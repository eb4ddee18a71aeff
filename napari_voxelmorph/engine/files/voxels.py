# mypy: allow-untyped-calls
"""Voxels of NIfTI, Analyze and MGH files, slab by slab: held once, and stopped quickly.

These files hold the first axis fastest (Fortran order) and the engine wants the last one
fastest.  Turned slab by slab, the image is never in memory twice, and a large one takes a
quarter of the time, because a slab fits into the caches.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from nibabel.openers import ImageOpener
from nibabel.spatialimages import SpatialImage
from numpy.typing import NDArray

from napari_voxelmorph.engine.files.coarse import Factors, coarse_blocks, coarse_shape
from napari_voxelmorph.engine.files.reading import damaged, is_gzip

#: One slab: a cache line of slices, but not more than this.
_SLAB_SLICES, _SLAB_BYTES = 32, 2**25
_PART_BYTES = 2**20


@dataclass(frozen=True)
class Stored:
    """How the voxels lie in a file.

    Parameters
    ----------
    file : Path
        Where they are (of a pair of files the second).
    shape : (X, Y, Z) or (X, Y) or (X,)
    count : int
        Images of this shape, one behind the other.
    """

    file: Path
    shape: tuple[int, ...]
    count: int
    dtype: np.dtype[Any]
    offset: int
    slope: float
    inter: float

    @classmethod
    def of(cls, image: SpatialImage, path: Path) -> Stored:
        """What the header of an open image says."""
        source: Any = image.dataobj
        holder = image.file_map.get("image")
        name = None if holder is None else holder.filename
        shape = tuple(int(n) for n in image.shape)
        return cls(
            path if name is None else Path(name),
            shape[:3],
            math.prod(shape[3:]),
            image.get_data_dtype(),
            int(getattr(source, "offset", 0)),
            float(getattr(source, "slope", 1.0)),
            float(getattr(source, "inter", 0.0)),
        )

    @property
    def scaled(self) -> bool:
        """Whether the file says that its numbers are to be scaled."""
        return (self.slope, self.inter) != (1.0, 0.0)

    @property
    def result(self) -> np.dtype[Any]:
        """Type in memory: as stored; scaled float32, or float64 where float32 would lose."""
        if self.scaled:
            return np.dtype(np.float32 if self.dtype.itemsize <= 2 else np.float64)
        wide = self.dtype.kind == "f" and self.dtype.itemsize > 8
        return np.dtype(np.float64) if wide else self.dtype.newbyteorder("=")

    @property
    def end(self) -> int:
        """Bytes that the (unpacked) file must have."""
        return self.offset + math.prod(self.shape) * self.count * self.dtype.itemsize

    def result_of(self, factors: Factors, labels: bool) -> np.dtype[Any]:
        """As `result`, when every block of voxels becomes one."""
        if labels or max(factors) == 1:
            return self.result
        return np.dtype(np.float64 if self.result.itemsize > 4 else np.float32)


def read_voxels(
    stored: Stored, which: range, factors: Factors, labels: bool, path: Path, what: str
) -> Generator[float, None, NDArray[Any]]:
    """Read images `which` of a file; call it inside `reading`.

    Parameters
    ----------
    factors : tuple of int
        Voxels per block; all 1 for the image as it is.
    labels : bool
        How a block becomes one voxel: the commonest id, or the mean.

    Yields
    ------
    float
        The share that is read.

    Returns
    -------
    ndarray (len(which), *shape // factors), C-contiguous, native byte order
    """
    shape = coarse_shape(stored.shape, factors)
    out = np.empty((len(which), *shape), stored.result_of(factors, labels))
    coarse = max(factors) > 1
    thick = _thickness(stored, factors[-1])
    done, slabs = 0, -(-stored.shape[-1] // thick) * len(which)
    with ImageOpener(str(stored.file)) as stream:
        size = math.prod(stored.shape) * stored.dtype.itemsize
        yield from _skip(stream, stored, stored.offset + which.start * size)
        for image in out:
            for first in range(0, stored.shape[-1], thick):
                slab = _read_slab(stream, stored, min(thick, stored.shape[-1] - first), path, what)
                place = slice(first // factors[-1], (first + slab.shape[-1]) // factors[-1])
                if coarse:
                    # The slab is contiguous the other way round.
                    slab = coarse_blocks(slab.T, factors[::-1], labels).T
                for rows in _parts(slab):
                    image[rows, ..., place] = slab[rows]
                    yield done / slabs
                done += 1
                yield done / slabs
    return out


def needed_bytes(stored: Stored, count: int, factors: Factors, labels: bool) -> int:
    """Memory that reading `count` images takes at its peak, known from the header alone."""
    voxels = math.prod(coarse_shape(stored.shape, factors)) * count
    slices = min(_thickness(stored, factors[-1]), stored.shape[-1])
    # A slab as it came, cut into blocks, and where it is scaled as float64 and again.
    each = 3 * stored.dtype.itemsize + (16 if stored.scaled else 0)
    slab = math.prod(stored.shape[:-1]) * slices * each
    return voxels * stored.result_of(factors, labels).itemsize + slab


def _thickness(stored: Stored, block: int) -> int:
    """Slices per slab, whole blocks."""
    one = math.prod(stored.shape[:-1]) * stored.dtype.itemsize
    slices = max(1, min(_SLAB_SLICES, _SLAB_BYTES // max(one, 1)))
    return -(-slices // block) * block


def _read_slab(stream: Any, stored: Stored, slices: int, path: Path, what: str) -> NDArray[Any]:
    """The next slices, as `Stored.result`; the first axis is the fastest."""
    shape = (*stored.shape[:-1], slices)
    wanted = math.prod(shape) * stored.dtype.itemsize
    raw = stream.read(wanted)
    if len(raw) < wanted:
        reason = f"its header promises {stored.end:,} bytes and it ends before"
        raise damaged(path, what, reason)
    slab = np.frombuffer(raw, stored.dtype).reshape(shape, order="F")
    if not stored.scaled:
        return slab.astype(stored.result, copy=False)
    scaled = slab.astype(np.float64)
    scaled *= stored.slope
    scaled += stored.inter
    return scaled.astype(stored.result, copy=False)


def _parts(slab: NDArray[Any]) -> Iterator[slice]:
    """Rows of a slab: the first time the system gives all the memory, which takes a while."""
    rows = max(1, _PART_BYTES * len(slab) // max(1, slab.nbytes))
    for first in range(0, len(slab), rows):
        yield slice(first, first + rows)


def _skip(stream: Any, stored: Stored, count: int) -> Iterator[float]:
    """Go to a place in the file; a packed one must be unpacked up to there."""
    if not is_gzip(stored.file):
        stream.seek(count)
        return
    while count > 0:
        count -= len(stream.read(min(count, _PART_BYTES))) or count
        yield 0.0
