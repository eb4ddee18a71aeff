"""Segmentations corrected by hand, kept beside the verdicts and found again."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_voxelmorph.engine.errors import InputError
from napari_voxelmorph.engine.files import load, save
from napari_voxelmorph.engine.files.writing import output_error
from napari_voxelmorph.engine.geometry.volume import Volume
from napari_voxelmorph.engine.review.kept import file_name

_FOLDER, _SUFFIX = "corrected", ".nii.gz"


def corrected_path(folder: Path, case: str) -> Path:
    """Where the correction of a case is kept; `folder` as of the worklist."""
    return Path(folder) / _FOLDER / f"{file_name(case)}{_SUFFIX}"


def keep_corrected(folder: Path, case: str, fixed: Volume, labels: NDArray[Any]) -> Path:
    """Write a corrected segmentation on the grid of the fixed image; returns where.

    Raises
    ------
    OutputError
        When it cannot be written; an earlier one is then unchanged.
    """
    path = corrected_path(folder, case)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise output_error(path.parent, error) from error
    save(fixed.with_data(labels, kind="labels", name=f"{case}, corrected"), path)
    return path


def load_corrected(folder: Path, case: str, fixed: Volume) -> NDArray[Any] | None:
    """What was kept of a case, (*S) on the fixed grid; None when nothing was.

    Raises
    ------
    InputError
        When it lies on another grid than the fixed image does now.
    FileFormatError
        When the file is damaged.
    """
    path = corrected_path(folder, case)
    if not path.is_file():
        return None
    kept = load(path, "labels")
    if kept.shape != fixed.shape or not np.allclose(kept.affine, fixed.affine, atol=1e-3):
        raise InputError(
            f"The corrected segmentation of “{case}” lies on another grid than the fixed image does "
            f"now, so it is not shown. It is kept in “{path}”."
        )
    return kept.data


def set_aside(folder: Path, case: str) -> Path | None:
    """Put the correction of a case out of use without deleting it; returns where it is now.

    Raises
    ------
    OutputError
        When the folder cannot be written.
    """
    path = corrected_path(folder, case)
    if not path.is_file():
        return None
    number = 1
    while (aside := path.with_name(f"{file_name(case)}_discarded-{number}{_SUFFIX}")).exists():
        number += 1
    try:
        os.rename(path, aside)
    except OSError as error:
        raise output_error(aside, error) from error
    return aside
