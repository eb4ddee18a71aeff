"""The grid that suits a cohort: voxel size, axes, and as many voxels as the content fills."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from napari_voxelmorph.engine.networks.space import Space
from napari_voxelmorph.engine.training.data.survey import Finding

_PAIRS = ("LR", "PA", "IS")
#: Voxels around the largest content, together on both sides.
_MARGIN = 2
#: A content this much wider than the median is no measure for the grid.
_OUTLIER = 1.5


def typical(findings: Sequence[Finding]) -> int:
    """Which scan's content is nearest to the median in size: the reference of a cohort."""
    extents = np.log([sorted(f.extent) for f in findings])
    return int(np.abs(extents - np.median(extents, axis=0)).sum(axis=1).argmin())


def choose_space(
    findings: Sequence[Finding],
    reference: Finding,
    spacing: float = 0.0,
    multiple: int = 16,
    aligned: bool = True,
    given: Space | None = None,
) -> Space:
    """A space that holds the content of every scan.

    Parameters
    ----------
    findings : sequence of Finding
        All scans that are used.
    reference : Finding
        The scan or atlas around which the grid will lie.
    spacing : float
        Of the voxels, mm; 0: the median of the scans' (their mean size, where a scan's differ).
    multiple : int
        Every axis gets a multiple of so many voxels.
    aligned : bool
        The scans will be aligned to the reference, so that its size is theirs.
    given : Space, optional
        Of a model that is trained further: kept; only a shape that it leaves open is chosen.
    """
    if given is not None and given.shape is not None:
        return given
    if given is None:
        orientation = _usual_orientation(findings)
        given = Space(spacing=spacing or _usual_spacing(findings), orientation=orientation)
    used = [reference] if aligned else [reference, *findings]
    extents = np.array([_along(f, f.extent, given.orientation) for f in used])
    largest = np.minimum(extents, _OUTLIER * np.median(extents, axis=0)).max(axis=0)
    if given.spacing is None:
        steps = _along(reference, reference.spacing, given.orientation)
    else:
        steps = np.full(len(largest), given.spacing)
    # A rounding error must not add a whole row of blocks.
    voxels = np.ceil(largest / steps - 1e-3) + _MARGIN
    shape = tuple(int(math.ceil(n / multiple) * multiple) for n in voxels)
    return Space(shape, given.spacing, given.orientation, given.percentile, given.value)


def _usual_spacing(findings: Sequence[Finding]) -> float:
    """Median over the scans of the voxel's mean size (geometric: the number of voxels stays)."""
    sizes = [float(np.exp(np.mean(np.log(f.spacing)))) for f in findings]
    size = float(np.median(sizes))
    return round(size, 2) if size >= 0.1 else float(f"{size:.3g}")


def _usual_orientation(findings: Sequence[Finding]) -> str:
    count = Counter(f.orientation for f in findings if f.orientation)
    return max(sorted(count), key=lambda o: count[o]) if count else ""


def _along(finding: Finding, values: Sequence[float], orientation: str) -> NDArray[np.float64]:
    """Values of a scan's axes, in the order of the model's axes."""
    own = finding.orientation
    if len(values) != 3 or not orientation or not own:
        return np.array(values, np.float64)
    order = [
        next(a for a in range(3) if own[a] in next(p for p in _PAIRS if letter in p))
        for letter in orientation
    ]
    return np.array([values[a] for a in order], np.float64)
