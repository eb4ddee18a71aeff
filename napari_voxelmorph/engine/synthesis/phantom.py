"""A pair of brain scans that the project makes itself, with the true answer.

Two "people" share one anatomy: the second is the first after a smooth diffeomorphic
deformation and an affine change of pose and size, scanned on another grid (oblique,
anisotropic, other axis order, own world origin).  Every intensity, label and landmark
comes from the same formulas, so the truth is exact, and nothing has to be downloaded.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_voxelmorph.engine.errors import InputError
from napari_voxelmorph.engine.geometry.volume import Volume
from napari_voxelmorph.engine.synthesis.anatomy import paint_head
from napari_voxelmorph.engine.synthesis.deformation import Diffeomorphism, random_diffeomorphism
from napari_voxelmorph.engine.synthesis.scan_plan import Plan, plans
from napari_voxelmorph.engine.synthesis.scanner import bias_field, blur, digitize, rician_noise
from napari_voxelmorph.engine.synthesis.tissues import BRAIN_IDS, LABEL_NAMES, Contrast

#: Places (mm, head coordinates) that an anatomist would mark, by name.
LANDMARKS: dict[str, tuple[float, float, float]] = {
    "genu of the callosum": (0, 30, 6),
    "splenium of the callosum": (0, -38, 12),
    "left frontal horn": (-10, 28, 6),
    "right frontal horn": (10, 28, 6),
    "left putamen": (-27, 3, 4),
    "right putamen": (27, 3, 4),
    "left thalamus": (-11, -18, 8),
    "right thalamus": (11, -18, 8),
    "left atrium": (-23, -40, 12),
    "right atrium": (23, -40, 12),
    "left insula": (-39, 4, 6),
    "right insula": (39, 4, 6),
    "pons": (0, -25, -32),
    "fourth ventricle": (0, -46, -33),
    "left hippocampus": (-29, -22, -15),
    "right hippocampus": (29, -22, -15),
    "left eye": (-32, 60, -31),
    "right eye": (32, 60, -31),
    "left amygdala": (-24, -5, -19),
    "right amygdala": (24, -5, -19),
}


@dataclass(frozen=True, eq=False)
class Truth:
    """The exact correspondence of a pair: ``moving = affine · deform(fixed)``, world mm.

    Parameters
    ----------
    affine : ndarray (D + 1, D + 1)
        Fixed world to moving world (after the deformation), as `Registration.affine`.
    """

    affine: NDArray[np.float64]
    deformation: Diffeomorphism
    to_head: NDArray[np.float64]

    def fixed_to_moving(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """World positions (N, D) in the fixed scan to those of the same tissue in the moving."""
        head = _apply(self.to_head, np.asarray(points, dtype=np.float64))
        bent = _apply(np.linalg.inv(self.to_head), self.deformation.forward(head))
        return _apply(self.affine, bent)

    def moving_to_fixed(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        """World positions (N, D) in the moving scan to those of the same tissue in the fixed."""
        bent = _apply(
            self.to_head @ np.linalg.inv(self.affine), np.asarray(points, dtype=np.float64)
        )
        return _apply(np.linalg.inv(self.to_head), self.deformation.backward(bent))

    def displacement(self, fixed: Volume) -> NDArray[np.float32]:
        """True deformation on the grid of `fixed`: (D, *S), voxels, pull-back, affine left out."""
        voxels = np.indices(fixed.shape).reshape(fixed.ndim, -1).T.astype(np.float64)
        world = _apply(fixed.affine, voxels)
        bent = _apply(np.linalg.inv(self.affine), self.fixed_to_moving(world))
        inverse = np.linalg.inv(fixed.affine)
        step = _apply(inverse, bent) - _apply(inverse, world)
        return step.T.reshape(fixed.ndim, *fixed.shape).astype(np.float32)


@dataclass(frozen=True, eq=False)
class PhantomPair:
    """Two scans of phantom heads, with labels, landmarks (N, D; world mm) and the truth."""

    moving: Volume
    fixed: Volume
    moving_labels: Volume
    fixed_labels: Volume
    moving_landmarks: NDArray[np.float64]
    fixed_landmarks: NDArray[np.float64]
    landmark_names: tuple[str, ...]
    label_names: dict[int, str]
    brain_ids: tuple[int, ...]
    truth: Truth


def make_pair(
    ndim: int = 3,
    seed: int = 0,
    *,
    spacing: float | None = None,
    contrasts: tuple[Contrast, Contrast] = ("T1", "T1"),
    deformation: float = 9.0,
    noise: float = 0.025,
    bias: float = 0.15,
) -> PhantomPair:
    """Make a pair of brain scans.

    Parameters
    ----------
    ndim : 2 or 3
        2: an axial slice through the basal ganglia, rows to the back, columns to the left.
    seed : int
        The person, the deformation and the noise; the same seed gives the same arrays.
    spacing : float, optional
        Voxel size of the fixed scan in mm.  Default 2 mm in 3-D (96x112x96 voxels) and
        1 mm in 2-D (224x192); 1 mm in 3-D gives full size (192x224x192).
    contrasts : ("T1" or "T2", "T1" or "T2")
        Of the moving and of the fixed scan.
    deformation : float
        Largest local displacement in mm, on top of the affine.
    noise, bias : float
        Noise (white matter is about 0.8) and relative unevenness of the coil.

    Raises
    ------
    InputError
        On any other `ndim` or contrast, or a spacing outside 0.5 to 8 mm.
    """
    spacing = (2.0 if ndim == 3 else 1.0) if spacing is None else float(spacing)
    _check(ndim, spacing, contrasts)
    rng = np.random.default_rng([seed, ndim])
    fixed_plan, moving_plan, affine = plans(ndim, spacing, rng)
    low, high = fixed_plan.bounds()
    bend = random_diffeomorphism(low - 12, high + 12, deformation, rng)
    truth = Truth(affine, bend, fixed_plan.to_head)
    fixed, fixed_labels = _scan(fixed_plan, None, contrasts[1], seed, noise, bias, rng)
    moving, moving_labels = _scan(moving_plan, truth, contrasts[0], seed, noise, bias, rng)
    names, marks = _landmarks(fixed_plan)
    return PhantomPair(
        moving, fixed, moving_labels, fixed_labels, truth.fixed_to_moving(marks), marks,
        names, dict(LABEL_NAMES), BRAIN_IDS, truth,
    )  # fmt: skip


def _check(ndim: int, spacing: float, contrasts: tuple[Contrast, Contrast]) -> None:
    if ndim not in (2, 3):
        raise InputError(f"make_pair: ndim must be 2 or 3, got {ndim}.")
    if not 0.5 <= spacing <= 8:
        raise InputError(f"make_pair: spacing must be from 0.5 to 8 mm, got {spacing}.")
    if len(contrasts) != 2 or any(c not in ("T1", "T2") for c in contrasts):
        raise InputError(f"make_pair: contrasts must be two of “T1” and “T2”, got {contrasts!r}.")


def _scan(
    plan: Plan,
    truth: Truth | None,
    contrast: Contrast,
    seed: int,
    noise: float,
    bias: float,
    rng: np.random.Generator,
) -> tuple[Volume, Volume]:
    """Image and labels on the grid of `plan`; through the inverse of `truth` if given."""
    voxels = np.indices(plan.shape).reshape(len(plan.shape), -1).T.astype(np.float64)
    world = _apply(plan.affine, voxels)
    flat = world if truth is None else truth.moving_to_fixed(world)
    to_head = plan.to_head if truth is None else truth.to_head
    points = plan.in_3d(_apply(to_head, flat))
    edge = float(np.mean(np.linalg.norm(plan.affine[:-1, :-1], axis=0)))
    value, labels = paint_head(points, contrast, edge, seed)
    value = blur(value.reshape(plan.shape)) * bias_field(points, bias, rng).reshape(plan.shape)
    image = digitize(rician_noise(value, noise, rng), rng.uniform(700, 1100))
    # In 2-D the world is that of a picture (rows, columns), not of a patient.
    known = len(plan.shape) == 3
    labels = labels.reshape(plan.shape)
    return (
        Volume(image, plan.affine, name=f"{plan.name} {contrast}", oriented=known),
        Volume(labels, plan.affine, "labels", f"{plan.name} labels", oriented=known),
    )


def _landmarks(plan: Plan) -> tuple[tuple[str, ...], NDArray[np.float64]]:
    """Names and fixed world positions of the landmarks; in 2-D those near the slice."""
    chosen = {name: p for name, p in LANDMARKS.items() if plan.shows(p)}
    head = plan.in_plane(np.array(list(chosen.values()), dtype=np.float64))
    return tuple(chosen), _apply(np.linalg.inv(plan.to_head), head)


def _apply(matrix: NDArray[Any], points: NDArray[Any]) -> NDArray[np.float64]:
    """Move points (N, D) by an affine; in columns, which is faster than BLAS for 3x3."""
    moved = np.empty_like(points)
    for row, out in zip(matrix[:-1], moved.T, strict=True):
        out[:] = row[-1]
        for weight, column in zip(row[:-1], points.T, strict=True):
            out += weight * column
    return moved
