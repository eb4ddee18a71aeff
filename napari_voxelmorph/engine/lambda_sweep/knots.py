"""Fields at some λ, kept small, so that every λ between them can be shown at once."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_voxelmorph.engine.geometry import kernels
from napari_voxelmorph.engine.geometry.field import Field, pad_3d
from napari_voxelmorph.engine.geometry.volume import Volume
from napari_voxelmorph.engine.parallel import run_slabs

Array = NDArray[np.float32]
#: In a volume, finer fields than this many voxels per cell are kept at half resolution.
_FINE = 1.5
#: Image voxels of a small volume, whose field may stay fine.
_SMALL = 500_000
#: Slices of knots that are kept as they are needed again while λ moves: numbers in each, and
#: how many.
_LARGE_PART, _MOST_PARTS = 600_000, 6


@dataclass(frozen=True)
class Scores:
    """How good the field of a knot is, measured on every second voxel of a volume.

    Parameters
    ----------
    similarity : float
        Mean squared local correlation within the content, 0 to 1.
    ndv : float
        Folded volume, percent of the content.
    dice : mapping
        Label -> overlap, where both images have a segmentation.
    """

    similarity: float
    ndv: float
    dice: Mapping[int, float] = field(default_factory=dict)

    @property
    def mean_dice(self) -> float:
        """Mean over the labels that both segmentations hold; NaN when there is none."""
        values = [v for v in self.dice.values() if np.isfinite(v)]
        return float(np.mean(values)) if values else float("nan")


@dataclass(frozen=True, eq=False)
class PreviewGrid:
    """Where the displacements of all knots lie: fixed voxel ``offset + scale · g`` (3-D padded).

    Parameters
    ----------
    scale, offset : (3,) float64
    shape : (3,) int
    """

    scale: NDArray[np.float64]
    offset: NDArray[np.float64]
    shape: tuple[int, int, int]

    @classmethod
    def of(cls, field: Field, fixed: Volume) -> PreviewGrid:
        """The field's own grid; half as fine for a volume whose field has the image's voxels."""
        scale, offset = (
            np.array(pad_3d(values, lead), np.float64)
            for values, lead in ((field.scale, 1.0), (field.offset, 0.0))
        )
        shape = np.array(pad_3d(field.data.shape[1:], 1))
        if fixed.ndim == 3 and fixed.data.size > _SMALL:
            factors = np.where((scale < _FINE) & (shape > 1), 2, 1)
            offset, scale = offset + scale * (factors - 1) / 2, scale * factors
            shape = -(-shape // factors)
        a, b, c = (int(n) for n in shape)
        return cls(scale, offset, (a, b, c))

    def displacement(self, field: Field) -> NDArray[np.float16]:
        """Displacement of a field at this grid's points, fixed voxels, (3, *shape)."""
        ndim = field.ndim
        own = field.forward
        same = own.shape[1:] == self.shape and (
            np.array_equal(field.scale, self.scale[3 - ndim :])
            and np.array_equal(field.offset, self.offset[3 - ndim :])
        )
        if same:
            return own.astype(np.float16)
        out = np.empty((3, *self.shape), np.float32)
        place = [
            np.array(pad_3d(values, lead), np.float64)
            for values, lead in ((field.scale, 1.0), (field.offset, 0.0))
        ]
        run_slabs(kernels.sample_field, self.shape[0], own, *place, self.offset, self.scale, out)
        return out.astype(np.float16)

    @property
    def nbytes(self) -> int:
        """Bytes of one knot."""
        return int(3 * np.prod(self.shape) * 2)


@dataclass(frozen=True, eq=False)
class Knot:
    """The field of one λ.

    Parameters
    ----------
    value : float
        λ.
    position : float
        Where it lies on the slider, 0 to 1.
    displacement : (3, *Sg) float16
        Fixed voxels, on a `PreviewGrid`.
    scores : Scores or None
        None until it has been measured.
    """

    value: float
    position: float
    displacement: NDArray[np.float16]
    scores: Scores | None = None


@dataclass(frozen=True, eq=False)
class Blend:
    """The displacement between two knots: ``(1 - weight) · below + weight · above``."""

    grid: PreviewGrid
    below: Knot
    above: Knot
    weight: float
    _parts: dict[Any, tuple[Array, Array]] = field(default_factory=dict, repr=False)

    def around(
        self,
        start: NDArray[np.float64],
        step: NDArray[np.float64],
        shape: tuple[int, ...],
    ) -> tuple[Array, NDArray[np.float64], NDArray[np.float64]]:
        """What sampling a block needs: displacement (3, *part), its scale and offset.

        Parameters
        ----------
        start, step : (D,) float64
            Fixed voxels ``start + step · index``.
        shape : tuple of int
        """
        first, stride = np.array(pad_3d(start, 0.0)), np.array(pad_3d(step, 1.0))
        last = first + stride * (np.array(pad_3d(shape, 1)) - 1)
        most = np.array(self.grid.shape) - 1
        low = np.clip(np.floor((first - self.grid.offset) / self.grid.scale), 0, most)
        high = np.clip(np.ceil((last - self.grid.offset) / self.grid.scale), 0, most)
        # One cell more on either side: the neighbours that slopes need are in the same part.
        low, high = np.maximum(low - 1, 0).astype(int), np.minimum(high + 1, most).astype(int)
        below, rise = self._part(tuple(map(int, low)), tuple(map(int, high)))
        data = below + np.float32(self.weight) * rise if self.weight else below
        return data, self.grid.scale, self.grid.offset + self.grid.scale * low

    def _part(self, low: tuple[int, ...], high: tuple[int, ...]) -> tuple[Array, Array]:
        """Displacement below, and what it rises by to above; kept while λ stays between them."""
        key = (self.below.position, self.above.position, low, high)
        found = self._parts.get(key)
        if found is None:
            part = (slice(None), *(slice(a, b + 1) for a, b in zip(low, high, strict=True)))
            below = self.below.displacement[part].astype(np.float32)
            rise = self.above.displacement[part].astype(np.float32) - below
            found = below, rise
            if len(self._parts) >= _MOST_PARTS:
                self._parts.clear()
            if below.size < _LARGE_PART:
                self._parts[key] = found
        return found

    def field(self, ndim: int) -> Field:
        """The whole of it as a `Field` of kind displacement."""
        data = self.around(np.zeros(3), np.ones(3), tuple(_reach(self.grid)))[0]
        per_cell = (1 / self.grid.scale).astype(np.float32)
        cells = data * per_cell.reshape(3, 1, 1, 1)
        scale, offset = self.grid.scale[3 - ndim :], self.grid.offset[3 - ndim :]
        return Field(cells if ndim == 3 else cells[1:, 0], scale, offset, "displacement")


def _reach(grid: PreviewGrid) -> list[int]:
    """A block of fixed voxels from 0 that holds the whole grid."""
    return [int(n) for n in np.ceil(grid.offset + grid.scale * np.array(grid.shape)) + 1]


@dataclass(frozen=True, eq=False)
class Knots:
    """The knots so far, rising; never changed, only replaced.

    Parameters
    ----------
    grid : PreviewGrid
    knots : tuple of Knot
    worst : float
        Largest expected error of the preview between knots, fixed voxels (99th percentile);
        NaN while nothing is known.
    note : str
        What is to be said of them.
    """

    grid: PreviewGrid
    knots: tuple[Knot, ...]
    worst: float = float("nan")
    note: str = ""
    _parts: dict[Any, tuple[Array, Array]] = field(default_factory=dict, repr=False)

    def blend(self, position: float) -> Blend:
        """The displacement at a position of the slider; beyond the last knot, that one."""
        places = [k.position for k in self.knots]
        i = bisect_right(places, position)
        if i == 0 or i == len(places):
            end = self.knots[0 if i == 0 else -1]
            return Blend(self.grid, end, end, 0.0, self._parts)
        below, above = self.knots[i - 1], self.knots[i]
        weight = (position - below.position) / (above.position - below.position)
        return Blend(self.grid, below, above, float(weight), self._parts)

    def beside(self, position: float, direction: int) -> Knot | None:
        """The next knot above (1) or below (-1) a position."""
        room = 1e-6
        if direction > 0:
            return next((k for k in self.knots if k.position > position + room), None)
        return next((k for k in reversed(self.knots) if k.position < position - room), None)
