"""An approximate result between two knots: for looking at while λ moves, and nothing else."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_voxelmorph.engine.errors import InputError
from napari_voxelmorph.engine.geometry import kernels
from napari_voxelmorph.engine.geometry.field import block_of, pad_3d
from napari_voxelmorph.engine.lambda_sweep.knots import Blend
from napari_voxelmorph.engine.result import Points, Registration


@dataclass(frozen=True, eq=False, kw_only=True)
class Preview(Registration):
    """A result whose displacement is interpolated, block by block, when it is asked for.

    Its `field` is None: what is saved or measured comes from an exact result.

    Parameters
    ----------
    blend : Blend
    """

    blend: Blend

    def displacement_block(
        self, index: tuple[Any, ...] | None, inverse: bool = False
    ) -> NDArray[np.float32]:
        """See `Registration.displacement_block`; there is no inverse."""
        if inverse:
            return self._whole.displacement_block(index, inverse)
        start, step, shape = block_of(index, self.fixed.shape)
        data, scale, offset = self.blend.around(start, step, shape)
        out = np.empty((3, *pad_3d(shape, 1)), np.float32)
        place = (np.array(pad_3d(start, 0.0)), np.array(pad_3d(step, 1.0)))
        kernels.sample_field(data, scale, offset, *place, out, 0, out.shape[1])
        return out[3 - self.ndim :].reshape(self.ndim, *shape)

    def _deformation(
        self,
        inverse: bool,
        start: NDArray[np.float64],
        step: NDArray[np.float64],
        shape: tuple[int, ...],
    ) -> tuple[NDArray[np.float32], NDArray[np.float64], NDArray[np.float64]]:
        if inverse:
            raise InputError("A preview cannot be inverted; wait for the exact result.")
        return self.blend.around(start, step, shape)

    @cached_property
    def _whole(self) -> Registration:
        return Registration(self.fixed, self.moving, self.affine, self.blend.field(self.ndim))

    def fixed_to_moving(self, points: Points) -> Points:
        """See `Registration.fixed_to_moving`."""
        return self._whole.fixed_to_moving(points)

    def moving_to_fixed(self, points: Points) -> Points:
        """See `Registration.moving_to_fixed`."""
        return self._whole.moving_to_fixed(points)


def preview(base: Registration, blend: Blend) -> Preview:
    """The pair of `base` as it looks, nearly, with the displacement of `blend`."""
    return Preview(base.fixed, base.moving, base.affine, None, base.config, blend=blend)
