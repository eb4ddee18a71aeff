"""How good a field is, quickly: for the curves over λ, not for reports."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from napari_voxelmorph.engine.evaluation.metrics import dice
from napari_voxelmorph.engine.evaluation.quality import local_correlation
from napari_voxelmorph.engine.geometry.field import Field
from napari_voxelmorph.engine.geometry.jacobian import folding
from napari_voxelmorph.engine.geometry.volume import Volume
from napari_voxelmorph.engine.lambda_sweep.knots import Knot, Scores
from napari_voxelmorph.engine.optimization.work_grid import foreground
from napari_voxelmorph.engine.result import Registration

#: Voxels of a volume above which every second one is looked at.
_MANY = 300_000
Block = tuple[slice, ...]


class Ruler:
    """Measures fields of one pair.

    Parameters
    ----------
    base : Registration
        The pair and its pre-alignment.
    labels : (moving, fixed), optional
        Segmentations; the fixed one on the fixed image's grid.
    block : tuple of slices, optional
        Only this part of the fixed grid.
    """

    def __init__(
        self,
        base: Registration,
        labels: tuple[Volume, Volume] | None = None,
        block: Block | None = None,
    ) -> None:
        self._base, self._labels = base, labels
        whole = tuple(slice(0, n, 1) for n in base.fixed.shape)
        block = whole if block is None else block
        count = np.prod([s.stop - s.start for s in block])
        step = 2 if base.ndim == 3 and count > _MANY else 1
        self._step = step
        self._block = tuple(slice(s.start, s.stop, step) for s in block)
        fixed = np.asarray(base.fixed.data, np.float32)
        content = foreground(fixed.reshape((1,) * (3 - fixed.ndim) + fixed.shape))
        self.inside: NDArray[np.bool_] = content.reshape(fixed.shape)[self._block]
        self._fixed = np.ascontiguousarray(fixed[self._block])

    def scores(self, field: Field | None, result: Registration | None = None) -> Scores:
        """Of a field, or of a result of the same pair (a preview, where it is about a box)."""
        if result is None:
            result = replace(self._base, field=field)
        moved = result.warp(result.moving, "linear", index=self._block)
        overlap: dict[int, float] = {}
        if self._labels is not None:
            moving, fixed = self._labels
            warped = result.warp(moving, "nearest", index=self._block)
            found = dice(fixed.data[self._block], warped)
            overlap = {label: score for label, score in found.items() if np.isfinite(score)}
        u = result.displacement_block(self._block) / np.float32(self._step)
        folded = folding(np.ascontiguousarray(u), self.inside).ndv if self.inside.any() else 0.0
        return Scores(local_correlation(self._fixed, moved, self.inside), folded, overlap)

    def measured(self, knot: Knot, field: Field) -> Knot:
        """The knot with its scores."""
        return replace(knot, scores=self.scores(field))
