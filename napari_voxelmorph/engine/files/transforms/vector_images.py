# mypy: allow-untyped-calls
"""Vector images in NIfTI files: the layouts that the programs use."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import nibabel
import numpy as np
from numpy.typing import NDArray

from napari_voxelmorph.engine.errors import InputError
from napari_voxelmorph.engine.files import nifti
from napari_voxelmorph.engine.files.images import suffix_of
from napari_voxelmorph.engine.files.nifti_writing import set_place, write_image
from napari_voxelmorph.engine.files.reading import damaged, reading
from napari_voxelmorph.engine.files.transforms.chain import empty_grid
from napari_voxelmorph.engine.files.writing import writing
from napari_voxelmorph.engine.geometry.volume import Volume

Layout = Literal["4-D", "5-D"]


def write_vectors(
    vectors: NDArray[np.float32],
    grid: Volume,
    path: Path,
    layout: Layout,
    intent: int = 0,
    description: str = "",
) -> None:
    """Write vectors (3, X, Y, Z) as NIfTI (X, Y, Z, 3) or (X, Y, Z, 1, 3).

    Parameters
    ----------
    intent : int
        NIfTI intent code, 0 for none.
    description : str
        For the field "descrip", 80 letters at most.
    """
    if suffix_of(path, (".nii", ".nii.gz")) is None:
        raise InputError(f"“{path.name}”: this kind of transform is saved as .nii.gz or .nii.")
    data = np.moveaxis(vectors, 0, -1)
    image = nibabel.Nifti1Image(data[..., None, :] if layout == "5-D" else data, grid.affine)
    set_place(image, grid.affine)
    if intent:
        image.header["intent_code"] = intent
    if description:
        image.header["descrip"] = description.encode()[:80]
    with writing(path) as temporary:
        write_image(image, temporary)


def read_vectors(path: Path, what: str) -> tuple[NDArray[np.float32], Volume, Any]:
    """Read (X, Y, Z, 3) or (X, Y, Z, 1, 3) as (3, X, Y, Z), their grid, and the header.

    Raises
    ------
    FileFormatError
        Damaged, or of another shape.
    """
    with reading(path, what):
        image, data = nifti.read_array(path, what)
        shape = data.shape
        if len(shape) not in (4, 5) or shape[-1] != 3 or (len(shape) == 5 and shape[3] != 1):
            raise damaged(
                path, what, f"its shape is {shape}; (X, Y, Z, 3) or (X, Y, Z, 1, 3) is expected"
            )
        data = data.reshape(*shape[:3], 3)
        vectors = np.ascontiguousarray(np.moveaxis(data, -1, 0), dtype=np.float32)
        if not np.isfinite(vectors).all():
            raise damaged(path, what, "it holds NaN or infinite numbers")
        affine, oriented, _ = nifti.geometry(image, path)
        return vectors, empty_grid(shape[:3], affine, path.name, oriented), image.header
