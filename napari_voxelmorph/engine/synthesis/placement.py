"""Where a label map comes to lie on the grid: random affine map and random diffeomorphism."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_voxelmorph.engine.geometry.integration import integrate_array
from napari_voxelmorph.engine.parallel import run_slabs
from napari_voxelmorph.engine.synthesis.noise import Array, coarse_shape, smooth_noise
from napari_voxelmorph.engine.synthesis.row_kernels import upsample

Matrix = NDArray[np.float64]

#: Image voxels per node of a deformation's grid.
FIELD_SPACING = 4


@dataclass(frozen=True)
class Spread:
    """Largest size of a random placement; draws are uniform up to it.

    Parameters
    ----------
    rotation : float
        Degrees about each axis.
    shift : float
        Voxels along each axis.
    scale, shear : float
        Of one: 0.1 is 10 %.
    velocity : float
        SD of the velocity (voxels) along each axis.
    """

    rotation: float
    shift: float
    scale: float
    shear: float
    velocity: float

    def times(self, factor: float) -> Spread:
        """All sizes multiplied by `factor`."""
        return Spread(
            self.rotation * factor,
            self.shift * factor,
            self.scale * factor,
            self.shear * factor,
            self.velocity * factor,
        )


def random_affine(ndim: int, spread: Spread, rng: np.random.Generator) -> Matrix:
    """Turn · shear · scale, then shift, (4, 4) about the origin; 2-D leaves the first axis alone.

    The draws of both senses are equally likely (a scale and its inverse), so that a pair's
    relation has no preferred direction.
    """
    matrix = np.eye(4)
    planes = [(1, 2)] if ndim == 2 else [(0, 1), (0, 2), (1, 2)]
    for a, b in planes:
        angle = np.deg2rad(rng.uniform(-spread.rotation, spread.rotation))
        turn = np.eye(4)
        turn[a, a] = turn[b, b] = np.cos(angle)
        turn[a, b], turn[b, a] = -np.sin(angle), np.sin(angle)
        shear = np.eye(4)
        shear[a, b] = rng.uniform(-spread.shear, spread.shear)
        matrix = matrix @ turn @ shear
    scale = np.exp(rng.uniform(-1, 1, 3) * np.log1p(spread.scale))
    shift = rng.uniform(-spread.shift, spread.shift, 3)
    if ndim == 2:
        scale[0], shift[0] = 1, 0
    matrix = matrix @ np.diag([*scale, 1.0])
    matrix[:3, 3] = shift
    return matrix


def random_velocity(shape: tuple[int, ...], amplitude: float, rng: np.random.Generator) -> Array:
    """A stationary velocity (3, *nodes), image voxels, on the grid of `FIELD_SPACING`.

    Three octaves of features (2/5, 1/5 and 1/10 of the image, and at least 8 voxels wide) with
    random shares; the SD is at most `amplitude`.
    """
    nodes = coarse_shape(shape, FIELD_SPACING)
    largest = max(shape) / FIELD_SPACING
    shares = rng.dirichlet((1.0, 1.0, 1.0))
    velocity = np.zeros((3, *nodes), np.float32)
    for share, part in zip(shares, (2.5, 5.0, 10.0), strict=True):
        width = max(largest / part, 2.0)
        # Short features are not as deep as wide ones: their slope is what tears tissue.
        size = share * amplitude * np.sqrt(width / (largest / 2.5))
        for axis in range(3):
            if shape[axis] > 1:
                velocity[axis] += np.float32(size) * smooth_noise(nodes, width, rng)
    return velocity


def flow(velocity: Array) -> Array:
    """Displacement (3, *nodes), image voxels, of a velocity by scaling and squaring."""
    own = velocity / np.float32(FIELD_SPACING)
    if own.shape[1] == 1:
        flat = integrate_array(np.ascontiguousarray(own[1:, 0]))
        moved = np.concatenate([np.zeros_like(flat[:1]), flat])[:, None]
    else:
        moved = integrate_array(np.ascontiguousarray(own))
    return np.ascontiguousarray(moved * np.float32(FIELD_SPACING), np.float32)


@dataclass(frozen=True, eq=False)
class Placement:
    """Grid voxel x shows map voxel ``matrix · (x + displacement(x))``.

    Parameters
    ----------
    matrix : ndarray (4, 4)
    velocity : ndarray (3, *nodes) float32
        Grid voxels, on the grid of `FIELD_SPACING`.
    displacement : ndarray (3, *nodes) float32
        Its flow.
    """

    matrix: Matrix
    velocity: Array
    displacement: Array


def between(fixed: Placement, moving: Placement, shape: tuple[int, ...]) -> Array:
    """Displacement (3, *shape), grid voxels, that pulls the moving image onto the fixed one.

    Both must show the same map.  Fixed voxel x shows the map where moving voxel y does:
    ``y = z + w(z)``, ``z = A_m⁻¹ A_f (x + u_f(x))``, with w the flow of the negated velocity.
    """
    s = FIELD_SPACING
    nodes = fixed.displacement.shape[1:]
    at = np.indices(nodes, dtype=np.float64) * s
    there = (at + fixed.displacement).reshape(3, -1)
    across = np.linalg.inv(moving.matrix) @ fixed.matrix
    z = (across[:3, :3] @ there + across[:3, 3:]).reshape(3, *nodes)
    back = flow(-moving.velocity)
    w = [ndimage.map_coordinates(c, z / s, order=1, mode="nearest") for c in back]
    known = (z + np.stack(w) - at).astype(np.float32)
    out = np.empty((3, *shape), np.float32)
    for c in range(3):
        run_slabs(upsample, shape[0], np.ascontiguousarray(known[c]), float(s), out[c])
    return out


def grid_to_map(
    shape: tuple[int, ...], map_shape: tuple[int, ...], ratio: float, affine: Matrix
) -> Matrix:
    """Grid voxel to map voxel, (4, 4): middle on middle, `ratio` map voxels per grid voxel.

    `affine` acts about the middle of the grid, in its voxels.
    """
    middle = np.eye(4)
    middle[:3, 3] = -(np.array(shape) - 1) / 2
    out = np.diag([ratio, ratio, ratio, 1.0])
    out[:3, 3] = (np.array(map_shape) - 1) / 2
    return np.asarray(out @ affine @ middle)
