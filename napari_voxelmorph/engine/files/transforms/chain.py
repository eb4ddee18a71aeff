"""What every reader of a transform gives: matrices and displacements, one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates

from napari_voxelmorph.engine.errors import InputError
from napari_voxelmorph.engine.files.transforms.dense import registration_from, transformed
from napari_voxelmorph.engine.geometry.volume import Matrix, Volume
from napari_voxelmorph.engine.result import Registration

Points = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Shift:
    """Displacements on a grid, in the coordinates of its world.

    Parameters
    ----------
    vectors : ndarray (D, *S) float32
        Where a point goes, minus the point; RAS mm.
    grid : Volume
        Where the vectors lie; its voxels say nothing.
    """

    vectors: NDArray[np.float32]
    grid: Volume

    def __call__(self, points: Points) -> Points:
        """Points (N, D) where they go; beyond the grid with the displacement of its edge."""
        voxels = transformed(np.asarray(np.linalg.inv(self.grid.affine)), points).T
        # Header matrices are float32 in most files: a voxel's centre must stay one.
        whole = voxels.round()
        voxels = np.where(np.abs(voxels - whole) < 1e-4, whole, voxels)
        step = [
            map_coordinates(v, voxels, np.float64, order=1, mode="nearest") for v in self.vectors
        ]
        return np.asarray(points + np.stack(step, axis=1))


@dataclass(frozen=True, eq=False)
class Chain:
    """A transform as read from a file: fixed points to moving points, RAS mm.

    Parameters
    ----------
    steps : sequence of ndarray (D + 1, D + 1) or Shift
        In the order in which they act on a point of the fixed world.
    name : str
        Of the file, for messages.
    fixed, moving : Volume, optional
        The grids that the file itself describes.
    """

    steps: Sequence[Matrix | Shift]
    name: str
    fixed: Volume | None = None
    moving: Volume | None = None

    def __post_init__(self) -> None:
        if len({len(s) - 1 if isinstance(s, np.ndarray) else s.grid.ndim for s in self.steps}) != 1:
            raise InputError(f"“{self.name}” holds no transform, or 2-D and 3-D ones together.")

    @property
    def ndim(self) -> int:
        """Number of spatial axes, 2 or 3."""
        step = self.steps[0]
        return len(step) - 1 if isinstance(step, np.ndarray) else step.grid.ndim

    @property
    def grid(self) -> Volume | None:
        """The fixed grid as far as the file tells it."""
        grids = [s.grid for s in self.steps if isinstance(s, Shift)]
        return self.fixed or (grids[0] if grids else None)

    def then(self, other: Chain) -> Chain:
        """This transform and after it another one, whose fixed world is this one's moving world."""
        name = f"{self.name} + {other.name}"
        return Chain([*self.steps, *other.steps], name, self.grid or other.grid, other.moving)

    def __call__(self, points: Points) -> Points:
        """Points (N, D) of the fixed world where they lie in the moving world."""
        for step in self.steps:
            points = transformed(step, points) if isinstance(step, np.ndarray) else step(points)
        return points

    def registration(
        self, moving: Volume | None = None, fixed: Volume | None = None
    ) -> Registration:
        """The transform as a `Registration`, so that everything that takes one can use it.

        Parameters
        ----------
        moving, fixed : Volume, optional
            Images on the grids that are wanted; default: the grids that the file tells.

        Raises
        ------
        InputError
            When the file does not tell the fixed grid, or the images differ in dimension.
        """
        fixed = fixed or self.grid
        if fixed is None:
            raise InputError(
                f"“{self.name}” does not say on which grid the fixed image lies. Name the fixed image "
                "as well (--fixed, or --onto for another grid)."
            )
        moving = moving or self.moving or fixed
        for volume in (fixed, moving):
            if volume.ndim != self.ndim:
                raise InputError(
                    f"The transform “{self.name}” is {self.ndim}-D and “{volume.name}” is "
                    f"{volume.ndim}-D. Choose the images that it was made for."
                )
        affine = np.eye(self.ndim + 1)
        for step in self.steps:
            if not isinstance(step, np.ndarray):
                return registration_from(self, fixed, moving)
            affine = step @ affine
        return Registration(fixed, moving, affine)


def empty_grid(shape: Sequence[int], affine: Matrix, name: str, oriented: bool = True) -> Volume:
    """A grid without an image: zeros that take no memory."""
    voxels = np.broadcast_to(np.uint8(0), tuple(int(n) for n in shape))
    return Volume(voxels, affine, name=name, oriented=oriented)
