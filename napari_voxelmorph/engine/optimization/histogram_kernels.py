"""Joint histogram of two images on a level, and look-ups into its slope, one pass each.

The numba half of `histogram_slope`, for the CPU; each works on slices ``[a, b)``.
"""

from __future__ import annotations

import numpy as np

from napari_voxelmorph.engine.geometry.kernels import jit


@jit
def count_cells(fixed, moved, weight, bins, limit, a, b):  # type: ignore[no-untyped-def]
    """Weighted counts (bins, bins): rows fixed (nearest), columns moved (shared by two)."""
    scale = np.float32((bins - 1) / (2 * limit))
    last = np.float32(bins - 1.001)
    joint = np.zeros((bins, bins))
    for z in range(a, b):
        for y in range(fixed.shape[1]):
            for x in range(fixed.shape[2]):
                w = weight[z, y, x]
                if w == 0:
                    continue
                row = int(min(max(np.rint((fixed[z, y, x] + limit) * scale), 0), bins - 1))
                position = min(max((moved[z, y, x] + limit) * scale, np.float32(0.0)), last)
                low = int(position)
                joint[row, low] += (np.float32(1.0) - (position - low)) * w
                joint[row, low + 1] += (position - low) * w
    return joint


@jit
def look_up_slope(fixed, moved, weight, change, limit, out, a, b):  # type: ignore[no-untyped-def]
    """``out = weight · change[bin of fixed, bin of moved]``; change : (bins, bins - 1)."""
    bins = change.shape[0]
    scale = np.float32((bins - 1) / (2 * limit))
    last = np.float32(bins - 1.001)
    for z in range(a, b):
        for y in range(fixed.shape[1]):
            for x in range(fixed.shape[2]):
                row = int(min(max(np.rint((fixed[z, y, x] + limit) * scale), 0), bins - 1))
                position = min(max((moved[z, y, x] + limit) * scale, np.float32(0.0)), last)
                out[z, y, x] = weight[z, y, x] * change[row, int(position)]
