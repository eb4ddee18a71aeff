"""Pairs of points that mark the same place in both images, as the registration uses them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_voxelmorph.engine.config import RegistrationConfig
from napari_voxelmorph.engine.errors import InputError
from napari_voxelmorph.engine.geometry.volume import Volume

Points = NDArray[np.float64]

#: More pairs than a hand places; each pair is weighed against each other one.
MOST = 1000
#: Farther outside the fixed image than this share of its extent, a list belongs to another scan.
_OUTSIDE = 0.5
#: No scanner reaches so far (mm): larger numbers are damage.
_FARTHEST = 1e6

_NONE_GIVEN = (
    "but no landmarks were given. Give matching points of both images (world mm), or {cure}."
)


@dataclass(frozen=True, eq=False)
class LandmarkPairs:
    """Points (N, D) of the fixed and of the moving image, world RAS mm, paired by their order."""

    fixed: Points
    moving: Points

    def __len__(self) -> int:
        return len(self.fixed)

    def to_json(self) -> dict[str, Any]:
        """For the provenance of a result; `landmarks_of` reads it."""
        return {"fixed": self.fixed.tolist(), "moving": self.moving.tolist()}


def landmark_pairs(fixed_points: Any, moving_points: Any, fixed: Volume) -> LandmarkPairs:
    """Check two lists of points against each other and against the fixed image.

    Pairs with a position that is not finite are left out.

    Parameters
    ----------
    fixed_points, moving_points : array-like (N, D)
        World RAS mm.
    fixed : Volume

    Raises
    ------
    InputError
        When the lists do not belong together, or not to this image.
    """
    pairs = [np.asarray(points, np.float64) for points in (fixed_points, moving_points)]
    if len(pairs[0]) != len(pairs[1]):
        raise InputError(
            f"There are {len(pairs[1])} moving and {len(pairs[0])} fixed landmarks. Landmarks are "
            "paired by their order: give the same number of both."
        )
    for points, role in zip(pairs, ("fixed", "moving"), strict=True):
        if points.ndim != 2 or points.shape[1] != fixed.ndim:
            raise InputError(
                f"The {role} landmarks have the shape {points.shape}: expected (N, {fixed.ndim}), "
                "one point a line, in world millimetres."
            )
    known = np.isfinite(pairs[0]).all(axis=1) & np.isfinite(pairs[1]).all(axis=1)
    found = LandmarkPairs(pairs[0][known], pairs[1][known])
    if not len(found):
        raise InputError("The lists of landmarks hold no pair of known positions.")
    if len(found) > MOST:
        raise InputError(f"There are {len(found)} landmarks; at most {MOST} can be used.")
    for points, role in ((found.fixed, "fixed"), (found.moving, "moving")):
        if np.abs(points).max() > _FARTHEST:
            raise InputError(
                f"A {role} landmark lies {np.abs(points).max():.3g} mm away. Are the points in world "
                "millimetres? Correct it, or leave it out."
            )
    _check_places(found.fixed, fixed)
    return found


def _check_places(points: Points, fixed: Volume) -> None:
    inverse = np.linalg.inv(fixed.affine)
    voxels = points @ inverse[:-1, :-1].T + inverse[:-1, -1]
    share = voxels / np.maximum(1, np.array(fixed.shape) - 1)
    apart = np.maximum(-share, share - 1).max(axis=1)
    if apart.min() > _OUTSIDE:
        raise InputError(
            f"All fixed landmarks lie far outside “{fixed.name}”. Are they in world millimetres "
            "(RAS) of this image, and not in voxels or of another scan?"
        )


def uses_landmarks(config: RegistrationConfig) -> bool:
    """Whether a run takes landmarks for more than measuring."""
    return bool(config.landmark_weight) or config.start == "landmarks"


def check_use(config: RegistrationConfig, pairs: LandmarkPairs | None) -> None:
    """Raise `InputError` when a configuration uses landmarks and cannot."""
    if config.start == "landmarks" and pairs is None:
        cure = "choose another “Start from”"
        raise InputError(f"The start is “landmarks”, {_NONE_GIVEN.format(cure=cure)}")
    if not config.landmark_weight:
        return
    if pairs is None:
        cure = "set “Landmark weight” to 0"
        raise InputError(
            f"“Landmark weight” is {config.landmark_weight:g}, {_NONE_GIVEN.format(cure=cure)}"
        )
    if config.transform == "none" or (config.model and not config.refine):
        what = "“Deform” is none" if config.transform == "none" else "“Refine” is off"
        raise InputError(
            f"Landmarks pull while the deformation is optimised, but {what}: change that, or set "
            "“Landmark weight” to 0."
        )


def landmarks_of(provenance: Mapping[str, Any]) -> LandmarkPairs | None:
    """The pairs that pulled a result while it was optimised; None where none did."""
    told = provenance.get("landmarks")
    if not isinstance(told, Mapping):
        return None
    try:
        pairs = [np.array(told[role], np.float64) for role in ("fixed", "moving")]
    except (KeyError, TypeError, ValueError):
        return None
    if pairs[0].shape != pairs[1].shape or pairs[0].ndim != 2 or not len(pairs[0]):
        return None
    return LandmarkPairs(*pairs)
