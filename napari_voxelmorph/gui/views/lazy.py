"""Arrays that compute only the slice that napari asks for.

A warped volume takes a quarter of a second, a warped slice a millisecond; so every overlay
is a duck array whose ``__getitem__`` asks the engine for one block.  All overlays of a pair
read one immutable `Scene`; showing another result is one assignment (`Stage.scene = ...`),
which is safe while napari slices in another thread.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from napari_voxelmorph.engine.geometry.volume import Volume
from napari_voxelmorph.gui.views.display_grid import DisplayGrid, Slices
from napari_voxelmorph.gui.views.spreads import Spreads

if TYPE_CHECKING:
    from napari_voxelmorph.engine.result import Registration

Array = NDArray[Any]
Compute = Callable[["Scene", Slices], Array]
#: Whole volumes above this many voxels are shown at half resolution while a result is live.
_MOST_LIVE = 250_000
#: Displacements of slices are kept for the next overlay; those of volumes are not.
_MOST_KEPT = 2_000_000


@dataclass(frozen=True, eq=False)
class Scene:
    """What every slice is computed from; never changed, only replaced.

    Parameters
    ----------
    registration : Registration
    grid : DisplayGrid
        Of the fixed image.
    moving_labels : Volume, optional
        On any grid of the moving world.
    fixed_range, moving_range : (low, high)
        Intensities shown as black and white.
    grid_spacing, checker_size : float
        Millimetres.
    swipe : float
        Share of the screen (from its left edge) that shows the fixed image.
    swipe_axis : int
        The displayed axis that runs along the screen.
    swipe_from : "start" or "end"
        The end of that axis that lies at the left of the screen.
    nearest_labels : bool
        Carry the segmentation by nearest neighbour instead of by the largest share.
    spreads : Spreads
        How uncertain each result is.
    unsure_above : float
        Limit (mm) of what counts as uncertain.
    hide_unsure : bool
        Leave the moved image dark above that limit.
    coarse : bool
        A passing state: whole volumes may be computed at half resolution.
    """

    registration: Registration
    grid: DisplayGrid
    moving_labels: Volume | None = None
    fixed_range: tuple[float, float] = (0.0, 1.0)
    moving_range: tuple[float, float] = (0.0, 1.0)
    grid_spacing: float = 8.0
    checker_size: float = 20.0
    swipe: float = 0.5
    swipe_axis: int = -1
    swipe_from: Literal["start", "end"] = "start"
    nearest_labels: bool = False
    spreads: Spreads = field(default_factory=Spreads, repr=False)
    unsure_above: float = 1.0
    hide_unsure: bool = False
    coarse: bool = False
    _blocks: dict[Any, Array] = field(default_factory=dict, repr=False)

    @property
    def spacing(self) -> tuple[float, ...]:
        """Voxel size (mm) of the fixed image, array order."""
        return self.registration.fixed.spacing

    def displacement(self, index: Slices) -> Array:
        """Displacement of a block, fixed voxels; overlays of one slice share it."""
        key = (id(self.registration), tuple((s.start, s.stop, s.step) for s in index))
        found = self._blocks.get(key)
        if found is None:
            found = self.registration.displacement_block(index)
            if len(self._blocks) > 3:
                self._blocks.clear()
            if found.size < _MOST_KEPT:
                self._blocks[key] = found
        return found


@dataclass
class Stage:
    """Holds the scene that is on now."""

    scene: Scene


class LazyArray:
    """A duck array in displayed order; indexing it computes that block and no more.

    Takes integers, slices (also with steps, also backwards) and Ellipsis.
    """

    def __init__(self, stage: Stage, compute: Compute, dtype: Any = np.float32) -> None:
        self.stage = stage
        self.compute = compute
        self.dtype = np.dtype(dtype)
        self.shape = stage.scene.grid.display_shape
        self.ndim = len(self.shape)
        self.size = int(np.prod(self.shape))
        self.nbytes = 0

    def __len__(self) -> int:
        return self.shape[0]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        whole = self[...]
        return whole if dtype is None else whole.astype(dtype, copy=False)

    def __getitem__(self, key: Any) -> Array:
        scene = self.stage.scene  # read once: the scene may be replaced meanwhile
        ranges, turned, dropped = _parse(key, self.shape)
        if any(len(r) == 0 for r in ranges):
            block = np.zeros(tuple(len(r) for r in ranges), self.dtype)
        elif scene.coarse and np.prod([len(r) for r in ranges]) > _MOST_LIVE:
            block = self._half_resolution(scene, ranges)
        else:
            block = self._compute(scene, ranges)
        picks = zip(dropped, turned, strict=True)
        return block[tuple(0 if drop else slice(None, None, step) for drop, step in picks)]

    def _compute(self, scene: Scene, ranges: tuple[range, ...]) -> Array:
        block = self.compute(scene, scene.grid.block(ranges))
        return scene.grid.to_display(block).astype(self.dtype, copy=False)

    def _half_resolution(self, scene: Scene, ranges: tuple[range, ...]) -> Array:
        thin = self._compute(scene, tuple(range(r.start, r.stop, 2 * r.step) for r in ranges))
        for axis, r in enumerate(ranges):
            thin = np.repeat(thin, 2, axis=axis).take(range(len(r)), axis=axis)
        return thin


def _parse(
    key: Any, shape: tuple[int, ...]
) -> tuple[tuple[range, ...], tuple[int, ...], tuple[bool, ...]]:
    """Ascending ranges, the direction (1 or -1) of each axis, and which axes an integer drops."""
    keys = list(key) if isinstance(key, tuple) else [key]
    if Ellipsis in [k for k in keys if k is Ellipsis]:
        at = next(i for i, k in enumerate(keys) if k is Ellipsis)
        keys[at : at + 1] = [slice(None)] * (len(shape) - len(keys) + 1)
    keys += [slice(None)] * (len(shape) - len(keys))
    if len(keys) != len(shape):
        raise IndexError(f"{len(keys)} indices for an array with {len(shape)} axes")
    ranges, turned, dropped = [], [], []
    for k, n in zip(keys, shape, strict=True):
        if isinstance(k, slice):
            r = range(n)[k]
            turned.append(1 if r.step > 0 else -1)
            ranges.append(r if r.step > 0 else r[::-1])
            dropped.append(False)
        else:
            i = range(n)[int(k)]
            ranges.append(range(i, i + 1))
            turned.append(1)
            dropped.append(True)
    return tuple(ranges), tuple(turned), tuple(dropped)


def prepare(registration: Registration, moving_labels: Volume | None = None) -> None:
    """Do the work that is done once per result (integrate, convert); for a worker thread.

    After it, the first slice on the window's thread is as quick as every other.
    """
    corner = (slice(0, 1),) * registration.ndim
    registration.displacement_block(corner)
    registration.warp(registration.moving, index=corner)
    if moving_labels is not None:
        registration.warp(moving_labels, index=corner)
