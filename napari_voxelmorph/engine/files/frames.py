"""Where the voxels of a `Volume` lie for ITK, ANTs, Slicer and elastix (LPS millimetres).

ITK counts left, posterior and superior as positive, NIfTI and we right, anterior and
superior.  A picture (PNG, TIFF, a bare 2-D array) has no patient in it: ITK puts its columns
on x and its rows on y, so that is where the exported transforms put them too.
"""

from __future__ import annotations

import numpy as np

from napari_voxelmorph.engine.geometry.volume import Matrix, Volume

#: Header value of an image that has a patient frame although it does not say where left is.
SCANNER = "scanner"
_SWAP = np.array([[0.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 0.0, 1.0]])


def flip_lps(ndim: int) -> Matrix:
    """The matrix between RAS and LPS, which is its own inverse: the first two axes change sign."""
    return np.diag([-1.0, -1.0, *([1.0] * (ndim - 1))])


def is_picture(volume: Volume) -> bool:
    """Whether the image is a plain picture of rows and columns."""
    return volume.ndim == 2 and not volume.oriented and volume.header.get("frame") != SCANNER


def world_to_itk(volume: Volume) -> Matrix:
    """Matrix (D + 1, D + 1) from the world of `volume` to ITK's physical space."""
    return _SWAP.copy() if is_picture(volume) else flip_lps(volume.ndim)


def itk_affine(volume: Volume) -> Matrix:
    """Matrix (D + 1, D + 1) from voxels of `volume`, array order, to ITK's physical space."""
    return np.asarray(world_to_itk(volume) @ volume.affine)


def sheared(affine: Matrix) -> float:
    """Largest cosine between two voxel axes: 0 for a grid of right angles."""
    columns = affine[:-1, :-1] / np.linalg.norm(affine[:-1, :-1], axis=0)
    return float(np.abs(columns.T @ columns - np.eye(len(columns))).max())
