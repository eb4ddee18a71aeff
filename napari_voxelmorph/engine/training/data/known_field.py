"""A transform that is known from elsewhere, as the displacement that the network is to find."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_voxelmorph.engine.errors import InputError
from napari_voxelmorph.engine.files.session import load_session
from napari_voxelmorph.engine.files.transforms.dense import plane_voxels, transformed
from napari_voxelmorph.engine.files.transforms.registry import load_transform
from napari_voxelmorph.engine.geometry.volume import Matrix, Volume
from napari_voxelmorph.engine.networks.space import Place
from napari_voxelmorph.engine.training.data.subject import Points

Float16 = NDArray[np.float16]


def known_displacement(
    path: Path, atlas: Volume, image: Volume, where: Place, world: Matrix
) -> Float16:
    """What remains of a transform after the pre-alignment.

    Parameters
    ----------
    path : Path
        A transform file of any known format, or a folder that `register` wrote: from points of
        the atlas to points of the scan (by which the scan is resampled onto the atlas).
    atlas, image : Volume
    where : Place
        The model's grid in the atlas.
    world : ndarray (D + 1, D + 1)
        Atlas world to the scan's world by the pre-alignment, mm.

    Returns
    -------
    ndarray (D, *S), float16
        Voxels of the model's grid: the conformed scan at x + u(x) is where x is in the atlas.

    Raises
    ------
    InputError, FileFormatError
        When it cannot be read, or is of another dimension.
    """
    move = _map_of(path, atlas, image)
    grid = np.asarray(atlas.affine @ where.matrix(), np.float64)
    back = np.asarray(np.linalg.inv(world @ grid), np.float64)
    u = np.empty((image.ndim, *where.shape), np.float16)
    for start in range(where.shape[0]):  # plane by plane: the positions are float64
        plane = plane_voxels(start, where.shape)
        step = transformed(back, move(transformed(grid, plane))) - plane
        if not np.isfinite(step).all():
            raise InputError(f"The transform “{path.name}” holds NaN or infinite numbers.")
        u[:, start] = step.T.reshape(u[:, start].shape)
    return u


def _map_of(path: Path, atlas: Volume, image: Volume) -> Callable[[Points], Points]:
    if path.is_dir():
        inner = path / "session"
        found = load_session(inner if inner.is_dir() else path)
        ndim, move = found.ndim, found.fixed_to_moving
    else:
        chain = load_transform(path, fixed=atlas, moving=image)
        ndim, move = chain.ndim, chain.__call__
    if ndim != image.ndim:
        raise InputError(
            f"The transform “{path.name}” is {ndim}-D and “{image.name}” is {image.ndim}-D."
        )
    return move
