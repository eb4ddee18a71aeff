"""How a displacement changes volumes, and whether it folds.

`jacobian_determinant` takes central differences, for maps.  Central differences miss folds
(a voxel can be thrown outside its neighbours unseen), so `folding` also measures digital
diffeomorphisms (Liu et al., IJCV 2024): ten tetrahedra around each voxel, made of one-sided
differences, must all keep a positive volume.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from napari_voxelmorph.engine.geometry.jacobian_kernels import folding_slab
from napari_voxelmorph.engine.parallel import run_slabs

Array = NDArray[np.float32]


@dataclass(frozen=True)
class Folding:
    """Measures of folding, each in percent of the voxels looked at.

    central : voxels whose central-difference determinant is not positive, whole grid
        (the papers' "non-positive Jacobian").
    ndp : the same within the mask and without the outermost voxels.
    ndv : folded volume, ½ · Σ max(0, -det) / 6 over the ten tetrahedra, within the mask.
    """

    central: float
    ndp: float
    ndv: float


def jacobian_determinant(displacement: Tensor) -> Tensor:
    """Determinant of ``I + ∇u`` by central differences (one-sided at the edge).

    Parameters
    ----------
    displacement : Tensor (B, D, *S), voxels.

    Returns
    -------
    Tensor (B, *S)
    """
    ndim = displacement.shape[1]
    rows = []
    for c in range(ndim):
        row = []
        for axis in range(ndim):
            component = displacement[:, c]
            if component.shape[1 + axis] > 1:
                slope = torch.gradient(component, dim=1 + axis)[0]
            else:
                slope = torch.zeros_like(component)
            row.append(slope + float(c == axis))
        rows.append(torch.stack(row, -1))
    determinant: Tensor = torch.linalg.det(torch.stack(rows, -2))
    return determinant


def folding(displacement: Array, mask: NDArray[np.bool_] | None = None) -> Folding:
    """Measure folding of one (D, *S) displacement in voxels.

    In 2-D there are four one-sided triangles instead of ten tetrahedra.
    """
    field = displacement
    two_d = field.shape[0] == 2
    if two_d:
        field = np.concatenate([np.zeros_like(field[:1]), field])[:, None]
    field = np.ascontiguousarray(field, np.float32)
    inside = (
        np.ones(field.shape[1:], np.uint8)
        if mask is None
        else (np.ascontiguousarray(mask.reshape(field.shape[1:]), np.uint8))
    )
    parts = np.array(run_slabs(folding_slab, field.shape[1], field, inside, two_d)).sum(axis=0)
    folded_all, looked_all, folded, looked, volume = (float(p) for p in parts)
    return Folding(
        100 * folded_all / max(1.0, looked_all),
        100 * folded / max(1.0, looked),
        100 * volume / max(1.0, looked),
    )
