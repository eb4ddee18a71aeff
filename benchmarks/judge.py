"""Everything that is known about one answer: before, after the affine stage, and after all."""

from __future__ import annotations

from typing import Any

import numpy as np
import scores
from data import Pair, matrix_of, read, read_points, read_sitk


def score(pair: Pair, affine: np.ndarray, u: np.ndarray) -> dict[str, Any]:
    """Judge an affine (fixed to moving world, RAS mm) and a displacement (D, *S, fixed voxels)."""
    fixed, fixed_matrix = read(pair.fixed)
    moving, moving_matrix = read(pair.moving)
    inverse = np.linalg.inv(moving_matrix)
    stages = {
        "before": (inverse @ fixed_matrix, None),
        "affine": (inverse @ affine @ fixed_matrix, None),
        "after": (inverse @ affine @ fixed_matrix, u),
    }
    labels = None
    if pair.fixed_labels:
        labels = [read(p, labels=True)[0] for p in (pair.fixed_labels, pair.moving_labels)]
    foreground = labels[0] > 0 if labels else fixed > 0.1 * np.percentile(fixed, 99)
    if pair.fixed_mask:
        foreground = read(pair.fixed_mask, labels=True)[0] > 0
    out: dict[str, Any] = {"folding": scores.folding(u, foreground)}
    spacing = np.array(read_sitk(pair.fixed).GetSpacing()).reshape((-1,) + (1,) * fixed.ndim)
    out["largest_mm"] = float(np.sqrt(((u * spacing) ** 2).sum(0)).max())
    for stage, (matrix, field) in stages.items():
        found = _stage(pair, (fixed, moving), labels, foreground, matrix, field)
        if pair.truth:
            where = scores.moving_voxels(fixed.shape, matrix, field)
            # The moved copy kept the grid of the image that was aligned.
            found["error_mm"] = scores.truth_error(
                where,
                np.load(pair.truth),
                matrix_of(read_sitk(pair.moving)),
                foreground,
                fixed_matrix,
            )
        out[stage] = found
    return out


def _stage(
    pair: Pair,
    images: tuple[np.ndarray, np.ndarray],
    labels: list[np.ndarray] | None,
    foreground: np.ndarray,
    matrix: np.ndarray,
    field: np.ndarray | None,
) -> dict[str, Any]:
    fixed, moving = images
    where = scores.moving_voxels(fixed.shape, matrix, field)
    moved, valid = scores.warp_image(moving, where)
    valid &= foreground
    out: dict[str, Any] = {}
    if valid.sum() > 100:
        out["nmi"] = scores.normalised_mutual_information(fixed, moved, valid)
    if labels:
        ids = scores.common_ids(*labels)
        per_label = scores.dice(labels[0], scores.warp_nearest(labels[1], where), ids)
        out["dice"] = scores.dice_means(per_label)
        if field is not None:
            linear = scores.dice(labels[0], scores.warp_linear(labels[1], where), ids)
            out["dice_linear"] = scores.dice_means(linear)
            out["per_label"] = per_label
    if pair.fixed_points:
        points = [read_points(p) for p in (pair.fixed_points, pair.moving_points)]
        count = min(map(len, points))
        spacing = np.array(read_sitk(pair.moving).GetSpacing())
        error = scores.landmark_error(points[0][:count], points[1][:count], matrix, field, spacing)
        out["tre_mm"] = {
            "mean": float(error.mean()),
            "median": float(np.median(error)),
            "max": float(error.max()),
        }
    return out
