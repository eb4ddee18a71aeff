"""Linear interpolation at one affinely mapped point, for the kernels of affine alignment.

A point that falls beyond a face of the image reads `outside[face]` when that face shows
nothing but background, and is not used (negative result) otherwise.
"""

from __future__ import annotations

from numba import njit


@njit(nogil=True, cache=True)
def _beyond(x, size, below, above):  # type: ignore[no-untyped-def]
    """0 inside, the value beyond the face when it is background, -1 to leave the point out."""
    if x < -0.5:
        return below
    if x >= size - 0.5:
        return above
    return 0.0


@njit(nogil=True, cache=True)
def look(points, n, image, mask, outside, matrix):  # type: ignore[no-untyped-def]
    """Moving intensity at sample `n` and its slope along the three axes.

    The intensity is negative when the sample is not to be used; intensities are positive.
    """
    p, q, r = points[n, 0], points[n, 1], points[n, 2]
    x = matrix[0, 0] * p + matrix[0, 1] * q + matrix[0, 2] * r + matrix[0, 3]
    y = matrix[1, 0] * p + matrix[1, 1] * q + matrix[1, 2] * r + matrix[1, 3]
    z = matrix[2, 0] * p + matrix[2, 1] * q + matrix[2, 2] * r + matrix[2, 3]
    nx, ny, nz = image.shape
    bx = _beyond(x, nx, outside[0], outside[1])
    by = _beyond(y, ny, outside[2], outside[3])
    bz = _beyond(z, nz, outside[4], outside[5])
    if bx < 0.0 or by < 0.0 or bz < 0.0:
        return -1.0, 0.0, 0.0, 0.0
    if bx + by + bz > 0.0:
        return max(bx, max(by, bz)), 0.0, 0.0, 0.0
    if mask.size == image.size and mask[int(x + 0.5), int(y + 0.5), int(z + 0.5)] == 0:
        return -1.0, 0.0, 0.0, 0.0
    cx = min(max(x, 0.0), nx - 1.0)
    cy = min(max(y, 0.0), ny - 1.0)
    cz = min(max(z, 0.0), nz - 1.0)
    i, j, k = int(cx), int(cy), int(cz)
    i1, j1, k1 = min(i + 1, nx - 1), min(j + 1, ny - 1), min(k + 1, nz - 1)
    fx, fy, fz = cx - i, cy - j, cz - k
    d00 = image[i, j, k1] - image[i, j, k]
    d01 = image[i, j1, k1] - image[i, j1, k]
    d10 = image[i1, j, k1] - image[i1, j, k]
    d11 = image[i1, j1, k1] - image[i1, j1, k]
    a00 = image[i, j, k] + fz * d00
    a10 = image[i1, j, k] + fz * d10
    b0 = image[i, j1, k] + fz * d01 - a00
    b1 = image[i1, j1, k] + fz * d11 - a10
    a0 = a00 + fy * b0
    sx = a10 + fy * b1 - a0
    sy = b0 + fx * (b1 - b0)
    e0 = d00 + fy * (d01 - d00)
    e1 = d10 + fy * (d11 - d10)
    sz = e0 + fx * (e1 - e0)
    value = a0 + fx * sx
    return (
        value,
        sx if cx == x else 0.0,
        sy if cy == y else 0.0,
        sz if cz == z else 0.0,
    )
