"""MIND-SSC on the CPU in bytes, plane by plane: nothing but the descriptors is ever stored.

The descriptor is that of `losses.mind` (Heinrich et al., MICCAI 2013), its oracle, in 255
steps from 0 to 1 and with the channels last: 12 bytes per voxel instead of 48, which a warp
reads from one place.  Only three planes of patch distances are held at a time.
"""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_voxelmorph.engine.geometry.kernels import jit
from napari_voxelmorph.engine.parallel import run_slabs

Float32 = NDArray[np.float32]
Bytes = NDArray[np.uint8]
#: The descriptor 1 as a byte.
ONE = 255.0


def descriptor_pairs(flat: bool, dilation: int = 2) -> NDArray[np.int64]:
    """Offsets (P, 2, 3) of the patches that are compared: 12 pairs, 4 when `flat` (2-D)."""
    offsets = [
        np.array([sign * dilation * (axis == other) for other in range(3)])
        for axis in range(int(flat), 3)
        for sign in (-1, 1)
    ]
    return np.array([(a, b) for a, b in combinations(offsets, 2) if (a + b).any()], np.int64)


def mind_bytes(image: Float32, pairs: NDArray[np.int64]) -> Bytes:
    """Descriptors of an image (Z, Y, X), as bytes (Z, Y, X, P).

    Parameters
    ----------
    image : float32 (Z, Y, X)
        2-D: one slice thick.
    pairs : int64 (P, 2, 3)
        From `descriptor_pairs`.
    """
    image = np.ascontiguousarray(image - image.mean(dtype=np.float64), dtype=np.float32)
    out = np.empty((*image.shape, len(pairs)), np.uint8)
    variances = run_slabs(mind_planes, image.shape[0], image, pairs, np.float32(-1.0), out)
    typical = np.float32(sum(variances) / image.size)
    run_slabs(mind_planes, image.shape[0], image, pairs, typical, out)
    return out


@jit
def _clamped(i, n):  # type: ignore[no-untyped-def]
    return min(max(i, 0), n - 1)


@jit
def _squares(image, pair, z, wide, out):  # type: ignore[no-untyped-def]
    """Sums over 3 x 3 pixels of plane z of ``(I(x + pair[0]) - I(x + pair[1]))²``."""
    depth, height, width = image.shape
    za, zb = _clamped(z + pair[0, 0], depth), _clamped(z + pair[1, 0], depth)
    for y in range(height):
        ya, yb = _clamped(y + pair[0, 1], height), _clamped(y + pair[1, 1], height)
        for x in range(width):
            xa, xb = _clamped(x + pair[0, 2], width), _clamped(x + pair[1, 2], width)
            difference = image[za, ya, xa] - image[zb, yb, xb]
            wide[y, x] = difference * difference
    for y in range(height):
        left = wide[y, 0]
        for x in range(width):
            here = wide[y, x]
            right = wide[y, min(x + 1, width - 1)]
            wide[y, x] = left + here + right
            left = here
    for y in range(height):
        ym, yp = max(y - 1, 0), min(y + 1, height - 1)
        for x in range(width):
            out[y, x] = wide[ym, x] + wide[y, x] + wide[yp, x]


@jit
def mind_planes(image, pairs, typical, out, a, b):  # type: ignore[no-untyped-def]
    """Sum over the slab of V, the mean of ``D - min D``; writes `out` when `typical` is given.

    typical : mean of V over the image; negative: only sum.
    """
    depth, height, width = image.shape
    count = pairs.shape[0]
    ring = np.empty((3, count, height, width), np.float32)
    wide = np.empty((height, width), np.float32)
    near = np.empty(count, np.float32)
    per_voxel = np.float32(1.0 / 27.0)
    low = np.float32(1e-3) * typical + np.float32(1e-20)
    high = np.float32(1e3) * typical + np.float32(1e-20)
    total = 0.0
    for z in range(max(a - 1, 0), a + 1):
        for p in range(count):
            _squares(image, pairs[p], z, wide, ring[z % 3, p])
    for z in range(a, b):
        if z + 1 < depth:
            for p in range(count):
                _squares(image, pairs[p], z + 1, wide, ring[(z + 1) % 3, p])
        zm, z0, zp = max(z - 1, 0) % 3, z % 3, min(z + 1, depth - 1) % 3
        for y in range(height):
            for x in range(width):
                least = np.float32(np.inf)
                for p in range(count):
                    near[p] = per_voxel * (
                        ring[zm, p, y, x] + ring[z0, p, y, x] + ring[zp, p, y, x]
                    )
                    least = min(least, near[p])
                variance = np.float32(0.0)
                for p in range(count):
                    near[p] -= least
                    variance += near[p]
                variance /= np.float32(count)
                total += float(variance)
                if typical >= 0:
                    rate = np.float32(-1.0) / min(max(variance, low), high)
                    for p in range(count):
                        out[z, y, x, p] = np.uint8(
                            np.float32(ONE) * np.exp(near[p] * rate) + np.float32(0.5)
                        )
    return total


def as_unit(descriptors: Bytes) -> NDArray[Any]:
    """Bytes as numbers from 0 to 1."""
    return np.asarray(descriptors * np.float32(1.0 / ONE), np.float32)
