"""Gives the pairs to the Register dock, and takes them back.  No Qt here."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from napari_voxelmorph.gui.landmarks.pairs import Landmarks, Point
from napari_voxelmorph.gui.register.landmark_use import PlacedPoints
from napari_voxelmorph.gui.register.present import Present

if TYPE_CHECKING:
    from napari_voxelmorph.engine.result import Registration

#: Points nearer than this (mm) are one and the same, written and read.
_SAME_PLACE = 0.01


class Giving:
    """Whether the pairs of a dock shall take part in the registration.

    Attributes
    ----------
    wanted : bool
        Whether the Register dock has them.
    """

    def __init__(self, present: Present) -> None:
        self._present = present
        self.wanted = False

    @property
    def used(self) -> bool:
        """Whether they will pull: the Register dock may have them and only measure."""
        return self.wanted and self._present.landmarks_used

    def give(self, result: Registration | None, landmarks: Landmarks) -> None:
        """Pass the whole pairs on; `wanted` is False where the Register dock refuses them."""
        fixed, moving, _ = landmarks.complete()
        if result is None or not len(fixed):
            self.take_back()
            return
        images = {"fixed": result.fixed, "moving": result.moving}
        self._present.set(landmarks=PlacedPoints(images, {"fixed": fixed, "moving": moving}))
        # It hands them back where it has other scans chosen.
        self.wanted = self._present.landmarks is not None

    def take_back(self) -> None:
        """The Register dock shall forget them."""
        if self.wanted:
            self.wanted = False
            self._present.set(landmarks=None)


def used_in(fixed: Point, result: Registration) -> int:
    """How many of these fixed points (N, D) took part in a registration."""
    from napari_voxelmorph.engine.landmarks import landmarks_of

    pairs = landmarks_of(result.provenance)
    if pairs is None or pairs.fixed.shape[1] != fixed.shape[1]:
        return 0
    apart = np.linalg.norm(fixed[:, None] - pairs.fixed[None], axis=2).min(axis=1)
    return int((apart < _SAME_PLACE).sum())
