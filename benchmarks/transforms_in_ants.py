"""Are the transforms that `register` writes the same maps in ANTs?

Write them, then run this with a Python that has antspyx:

    napari-voxelmorph register FIXED MOVING --out RESULT \\
        --transform-format itk-composite --transform-format itk --transform-format itk-affine
    python benchmarks/transforms_in_ants.py FIXED MOVING RESULT

Prints, per file, the largest difference between the image that ANTs resamples and ours, as a
share of the range; and the share of voxels where only one of the two has a value.
"""

from __future__ import annotations

import sys
from pathlib import Path

import ants
import numpy as np


def main(fixed: str, moving: str, result: str) -> None:
    """Compare the moved image with what ANTs makes of each transform."""
    grid, source = ants.image_read(fixed), ants.image_read(moving)
    ours = ants.image_read(str(Path(result) / "moved.nii.gz")).numpy()
    for name in ("transform_itk-composite.h5", "transform_itk.nii.gz"):
        path = Path(result) / name
        if not path.exists():
            continue
        theirs = ants.apply_transforms(grid, source, [str(path)], interpolator="linear").numpy()
        one_only = (theirs == 0) != (ours == 0)
        gap = np.abs(theirs - ours)[~one_only].max() / np.ptp(ours)
        print(f"{name}: largest difference {gap:.1e} of the range, one only {one_only.mean():.5f}")


if __name__ == "__main__":
    main(*sys.argv[1:4])
