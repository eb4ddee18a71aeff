"""Affine and rigid alignment of two volumes, from any start, without training.

Several resolutions, coarse to fine.  On the coarsest one many positions and rotations are
scored, the best few are climbed from, and the winner is refined: rigid first, then affine.
"""

from __future__ import annotations

from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from napari_voxelmorph.engine.errors import InputError
from napari_voxelmorph.engine.geometry.volume import Volume, check_affine
from napari_voxelmorph.engine.optimization.alignment import (
    AffineStep,
    Alignment,
    Kind,
    Measure,
    Steps,
    cut,
)
from napari_voxelmorph.engine.optimization.rigid_motion import nearest_rotation
from napari_voxelmorph.engine.optimization.sampling import Level, embed, pyramid

__all__ = ["AffineStep", "align"]

Float64 = NDArray[np.float64]
Start = Literal["auto", "header", "centers"]

#: Voxel sizes (mm) of the levels for content of 200 mm, fine to coarse.
SIZES = {3: [2.0, 4.0, 8.0], 2: [1.0, 2.0, 4.0]}


def align(
    fixed: Volume,
    moving: Volume,
    *,
    kind: Kind = "affine",
    similarity: Measure = "mi",
    start: str | Float64 = "auto",
    fixed_mask: NDArray[Any] | Volume | None = None,
    moving_mask: NDArray[Any] | Volume | None = None,
) -> Steps:
    """Find the affine (or rigid) map that takes the fixed image's places to the moving image's.

    Parameters
    ----------
    fixed, moving : Volume
        Both 2-D or both 3-D, on any grids.
    kind : "affine" or "rigid"
        Rigid: rotation and translation only.
    similarity : "mi" or "lncc"
        Mutual information suits any two contrasts; local correlation suits equal ones.
    start : "auto", "header", "centers" or ndarray (D + 1, D + 1)
        "auto" tries the positions of the headers, of the image centres and of the centres
        of the content, with rotations, and keeps the best.  A matrix is fixed world to
        moving world.  All but "auto" keep the position given and try rotations near by.
    fixed_mask, moving_mask : array or Volume, optional
        On the grid of the image; only what is not zero counts.

    Yields
    ------
    AffineStep
        After every iteration.  Closing the generator stops at once.

    Returns
    -------
    ndarray (D + 1, D + 1)
        Fixed world to moving world, RAS mm (as ``StopIteration.value``).

    Raises
    ------
    InputError
        On unlike numbers of axes, NaN or constant images, masks of another grid or empty,
        a start without overlap, an unknown option.

    Notes
    -----
    Runs on the CPU: one alignment takes about a second, so there is little for a GPU to gain.
    Nothing is random from one run to the next.
    """
    _check(fixed, moving, kind, similarity, start)
    ndim = fixed.ndim
    base = start if isinstance(start, str) else embed(np.array(start, dtype=np.float64))
    if kind == "rigid" and isinstance(base, np.ndarray):
        base = nearest_rotation(base, np.concatenate([np.zeros(3 - ndim), fixed.center]))
    sizes = _sizes(fixed, moving)
    waiting = AffineStep(cut(_first(base), ndim), None, 0.0, "Preparing")
    yield waiting
    levels: list[list[Level]] = []
    for volume, mask in ((fixed, fixed_mask), (moving, moving_mask)):
        levels.append([])
        for level in pyramid(volume, _as_mask(mask, volume), sizes):
            levels[-1].append(level)
            yield waiting
    job = Alignment(levels[0], levels[1], ndim, kind, similarity, sizes)
    best = yield from job.search(base)
    for number in reversed(range(len(sizes))):
        best = yield from job.refine(best, number)
    return cut(best, ndim)


def _check(fixed: Volume, moving: Volume, kind: str, similarity: str, start: str | Float64) -> None:
    if fixed.ndim != moving.ndim:
        raise InputError(
            f"“{fixed.name}” is {fixed.ndim}-D and “{moving.name}” is {moving.ndim}-D. "
            "Align two images with the same number of axes."
        )
    if kind not in get_args(Kind):
        raise InputError(f"align: kind must be one of {get_args(Kind)}, got {kind!r}.")
    if similarity not in get_args(Measure):
        raise InputError(
            f"align: similarity must be one of {get_args(Measure)}, got {similarity!r}."
        )
    if isinstance(start, str):
        if start not in get_args(Start):
            raise InputError(
                f"align: start must be one of {get_args(Start)} or a matrix, got {start!r}."
            )
    else:
        check_affine(np.asarray(start, dtype=np.float64), fixed.ndim, "start")


def _sizes(fixed: Volume, moving: Volume) -> list[float]:
    extent = min(np.max(np.multiply(v.shape, v.spacing)) for v in (fixed, moving))
    finest = max(min(fixed.spacing), min(moving.spacing))
    sizes = [size * extent / 200.0 for size in SIZES[fixed.ndim]]
    return [size for size in sizes if size > 0.75 * finest] or sizes[-1:]


def _as_mask(mask: NDArray[Any] | Volume | None, image: Volume) -> NDArray[np.bool_] | None:
    if mask is None:
        return None
    if isinstance(mask, Volume):
        if mask.ndim == image.ndim and not np.allclose(mask.affine, image.affine, atol=1e-3):
            raise InputError(
                f"The mask “{mask.name}” lies elsewhere than its image “{image.name}” (their "
                "affine matrices differ). A mask must lie on the grid of its image."
            )
        mask = mask.data
    return np.asarray(np.asarray(mask) != 0)


def _first(start: str | Float64) -> Float64:
    return start if isinstance(start, np.ndarray) else np.eye(4)
