"""A similarity seen from both images, so that swapping them gives the inverse map.

Seen from one image alone, mutual information and local correlation both gain by magnifying
the other image, because its background then fills fewer of the samples.  From both sides
the two temptations cancel.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_voxelmorph.engine.optimization.ascent import Similarity

Float64 = NDArray[np.float64]


@dataclass(frozen=True)
class TwoWay:
    """The mean of a similarity from fixed to moving and one from moving to fixed.

    Attributes
    ----------
    forward, backward : Similarity
        Of maps from the normalised fixed frame to the moving world, and from the normalised
        moving frame to the fixed world.
    fixed_frame, moving_frame : ndarray (4, 4)
        The normalised frames to the worlds.
    """

    forward: Similarity
    backward: Similarity
    fixed_frame: Float64
    moving_frame: Float64

    def value(self, map_: Float64) -> tuple[float, float]:
        """Similarity and the share of samples used, of a map from the fixed frame."""
        there, share = self.forward.value(map_)
        back, other_share = self.backward.value(self._back(map_))
        return (there + back) / 2, (share + other_share) / 2

    def slopes(self, map_: Float64, directions: Float64) -> Iterator[tuple[Float64, Float64]]:
        """Gradients (P,) and curvatures (P, P) along `directions` (P, 4, 4), of both images.

        When ``map @ exp(d)`` is the new map, its inverse is ``exp(-d)`` times the old one,
        which is the old one times ``exp(-X⁻¹ d X)``, where X takes the moving frame to the
        fixed frame.
        """
        yield from self.forward.slopes(map_, directions)
        across = np.linalg.solve(map_, self.moving_frame)
        turned = -np.linalg.inv(across) @ directions @ across
        yield from self.backward.slopes(self._back(map_), turned)

    def _back(self, map_: Float64) -> Float64:
        return np.asarray(self.fixed_frame @ np.linalg.solve(map_, self.moving_frame))
