"""Can this pair be registered, and what should the user know before?"""

from __future__ import annotations

from itertools import product

import numpy as np

from napari_voxelmorph.engine.errors import InputError
from napari_voxelmorph.engine.geometry.volume import Matrix, Volume

#: By the headers, less of the fixed field of view than this is covered: they cannot be trusted.
_APART = 0.25
_SANE_SPACING = (1e-4, 100.0)  # mm: from microscopy to the coarsest survey scan
#: Squares of larger or smaller values leave single precision.
_SANE_VALUES = (1e-16, 1e16)
#: One image this many times as wide as the other: a unit is wrong.
_SANE_SIZES = 30.0


def check_pair(
    moving: Volume,
    fixed: Volume,
    moving_mask: Volume | None = None,
    fixed_mask: Volume | None = None,
) -> tuple[Volume, Volume]:
    """Return the pair, cleaned of NaN; raise `InputError` when it cannot be registered."""
    if moving.ndim != fixed.ndim:
        raise InputError(
            f"“{moving.name}” is {moving.ndim}-D and “{fixed.name}” is {fixed.ndim}-D. Choose two "
            "2-D images or two 3-D images (to register a slice, extract it first)."
        )
    for volume in (moving, fixed):
        _check_image(volume)
    _check_sizes(moving, fixed)
    for mask, volume in ((moving_mask, moving), (fixed_mask, fixed)):
        if mask is not None:
            check_same_grid(mask, volume, "mask")
            if not mask_of(mask).data.any():
                raise InputError(
                    f"The mask “{mask.name}” is empty: it leaves nothing of “{volume.name}” to compare."
                )
    return _finite(moving), _finite(fixed)


def mask_of(volume: Volume) -> Volume:
    """The mask as booleans: everything that is not zero (NaN is)."""
    data = volume.data != 0
    if volume.data.dtype.kind == "f":
        data &= ~np.isnan(volume.data)
    return volume.with_data(data, kind="labels")


def check_same_grid(other: Volume, volume: Volume, what: str = "segmentation") -> None:
    """Raise `InputError` unless `other` lies on the grid of `volume`."""
    if other.shape != volume.shape:
        raise InputError(
            f"The {what} “{other.name}” has shape {other.shape}, but its image “{volume.name}” has "
            f"{volume.shape}. Choose the {what} that was drawn on this image, or resample it first."
        )
    # Every corner: swapped axes leave the first and the last where they were.
    corners = np.array(list(product(*((0.0, n - 1.0) for n in volume.shape))))
    difference = other.affine - volume.affine
    apart = corners @ difference[:-1, :-1].T + difference[:-1, -1]
    if np.abs(apart).max() > 0.5 * min(volume.spacing):
        raise InputError(
            f"The {what} “{other.name}” has the shape of “{volume.name}” but lies "
            f"{np.abs(apart).max():.1f} mm elsewhere. Choose the {what} that was drawn on this image."
        )


def _check_image(volume: Volume) -> None:
    if min(volume.shape) < 2:
        raise InputError(
            f"“{volume.name}” has shape {volume.shape}: an axis of one voxel has no depth to "
            "register. Open it as a 2-D image, or choose a volume with at least 2 voxels per axis."
        )
    spacing = volume.spacing
    if min(spacing) < _SANE_SPACING[0] or max(spacing) > _SANE_SPACING[1]:
        raise InputError(
            f"“{volume.name}” has voxels of {_mm(spacing)} mm, which cannot be right. Mend the "
            "spacing in its header (is the unit metres or microns?) and open it again."
        )
    finite = np.isfinite(volume.data) if volume.data.dtype.kind == "f" else None
    values = volume.data if finite is None or finite.all() else volume.data[finite]
    if values.size == 0:
        raise InputError(f"“{volume.name}” holds no finite value (all NaN or infinite).")
    _check_values(float(values.min()), float(values.max()), volume.name)


def _check_values(low: float, high: float, name: str) -> None:
    if low == high:
        raise InputError(
            f"“{name}” is constant (every voxel is {low:g}): there is nothing to "
            "align. Choose another image."
        )
    largest = max(abs(low), abs(high))
    if largest > _SANE_VALUES[1] or high - low < _SANE_VALUES[0]:
        raise InputError(
            f"“{name}” holds values from {low:g} to {high:g}, beyond what single precision can "
            "compare. Rescale its intensities, say to 0 … 1000."
        )
    if high - low < 1e-5 * largest:
        raise InputError(
            f"“{name}” holds values from {low:.9g} to {high:.9g}: next to such numbers the "
            "differences are lost in single precision. Subtract the offset first."
        )


def _check_sizes(moving: Volume, fixed: Volume) -> None:
    across = [float(np.linalg.norm(np.array(v.shape) * v.spacing)) for v in (moving, fixed)]
    if max(across) > _SANE_SIZES * min(across):
        raise InputError(
            f"“{moving.name}” is {across[0]:.3g} mm across and “{fixed.name}” {across[1]:.3g} mm: "
            "one spacing must be wrong. Mend it in the header (is its unit metres or microns?)."
        )


def _finite(volume: Volume) -> Volume:
    if volume.data.dtype.kind != "f" or np.isfinite(volume.data).all():
        return volume
    lowest = float(volume.data[np.isfinite(volume.data)].min())
    data = np.where(np.isfinite(volume.data), volume.data, lowest).astype(volume.data.dtype)
    return volume.with_data(data)


def reader_notes(volume: Volume) -> list[str]:
    """What the file's reader has to say, less what `warnings_for` says in its own words."""
    counted = f"{volume.header.get('non_finite')} voxels are NaN or infinite."
    return [note for note in volume.header.get("notes", ()) if note != counted]


def warnings_for(moving: Volume, fixed: Volume) -> list[str]:
    """What the user should know about this pair, in plain words; empty when all is well."""
    if moving.ndim != fixed.ndim:
        return [f"One image is {moving.ndim}-D, the other {fixed.ndim}-D."]
    warnings = []
    if (
        np.max(np.array(sorted(moving.spacing)) / np.array(sorted(fixed.spacing))) > 1.5
        or np.max(np.array(sorted(fixed.spacing)) / np.array(sorted(moving.spacing))) > 1.5
    ):
        warnings.append(
            f"Voxels differ: moving {_mm(moving.spacing)} mm, fixed {_mm(fixed.spacing)} mm. The "
            "moving image is resampled once, to the fixed grid."
        )
    for volume in (moving, fixed):
        if max(volume.spacing) > 3 * min(volume.spacing):
            warnings.append(
                f"“{volume.name}” has thick slices ({_mm(volume.spacing)} mm): fine detail across "
                "slices cannot be aligned."
            )
        if volume.data.dtype.kind == "f" and not np.isfinite(volume.data).all():
            count = int((~np.isfinite(volume.data)).sum())
            warnings.append(
                f"“{volume.name}” holds {count} NaN or infinite voxels; they count as background."
            )
    if moving.orientation != fixed.orientation and moving.orientation and fixed.orientation:
        warnings.append(
            f"Stored in different orientations ({moving.orientation} and {fixed.orientation}); both "
            "are shown and registered the right way round."
        )
    warnings += [
        f"“{v.name}” does not say where left is; R/L marks are off."
        for v in (moving, fixed)
        if v.ndim == 3 and not v.oriented
    ]
    overlap = header_overlap(moving, fixed)
    if overlap < _APART:
        warnings.append(
            (
                "By their headers the images do not overlap"
                if overlap == 0
                else f"By their headers the images overlap by {overlap:.0%} only"
            )
            + "; pre-alignment starts from the image centres instead."
        )
    return warnings


def beginning(fixed: Volume, moving: Volume, start: str = "auto") -> Matrix:
    """Where a run begins, fixed world to moving world: the headers, or centre on centre.

    "auto" trusts the headers unless they put the images apart; "landmarks" begins there too, and
    is fitted from then on.
    """
    matrix = np.eye(fixed.ndim + 1)
    if start == "centers" or (
        start in ("auto", "landmarks") and header_overlap(moving, fixed) < _APART
    ):
        matrix[:-1, -1] = moving.center - fixed.center
    return matrix


def header_overlap(moving: Volume, fixed: Volume) -> float:
    """Share of the fixed field of view that the moving one covers, by the headers alone."""
    axes = [np.linspace(0, n - 1, 9) for n in fixed.shape]
    points = np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, fixed.ndim)
    matrix = np.linalg.inv(moving.affine) @ fixed.affine
    there = points @ matrix[:-1, :-1].T + matrix[:-1, -1]
    inside = ((there >= -0.5) & (there <= np.array(moving.shape) - 0.5)).all(axis=1)
    return float(inside.mean())


def _mm(spacing: tuple[float, ...]) -> str:
    return " x ".join(f"{s:.3g}" for s in spacing)
