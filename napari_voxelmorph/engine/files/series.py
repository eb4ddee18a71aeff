# mypy: allow-untyped-calls
"""4-D NIfTI files as a whole: every volume of a series, and a series of volumes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nibabel
import numpy as np
from numpy.typing import NDArray

from napari_voxelmorph.engine.errors import InputError
from napari_voxelmorph.engine.files import nifti
from napari_voxelmorph.engine.files.images import suffix_of
from napari_voxelmorph.engine.files.loaded import to_volume
from napari_voxelmorph.engine.files.nifti_writing import nifti_array, set_place, write_image
from napari_voxelmorph.engine.files.reading import reading, require_memory
from napari_voxelmorph.engine.files.writing import writing
from napari_voxelmorph.engine.geometry.volume import Kind, Matrix, Volume

_SUFFIXES = (".nii", ".nii.gz")
_WHAT = "NIfTI"


@dataclass(frozen=True, eq=False)
class Series:
    """Volumes on one grid, one after the other.

    Parameters
    ----------
    data : ndarray (X, Y, Z, T)
    step : float
        Between two volumes, in `unit`; 0 when the file does not say.
    unit : str
        "sec", "msec", "usec", "hz", ... or "unknown", as NIfTI names them.
    """

    path: Path
    data: NDArray[Any]
    affine: Matrix
    oriented: bool
    header: dict[str, Any] = field(repr=False)
    step: float = 0.0
    unit: str = "unknown"

    @property
    def count(self) -> int:
        """How many volumes."""
        return int(self.data.shape[-1])

    def volumes(self, kind: Kind | None) -> Iterator[Volume]:
        """Each volume as an image of its own; all of the kind of the first one."""
        for index in range(self.count):
            header = {**self.header, "volume_index": index, "notes": []}
            data = np.ascontiguousarray(self.data[..., index])
            volume = to_volume(self.path, data, self.affine, kind, header, self.oriented)
            kind = volume.kind
            yield volume


def is_series(path: Path) -> bool:
    """Whether a NIfTI file holds several volumes."""
    if suffix_of(path, _SUFFIXES) is None or not path.is_file():
        return False
    with reading(path, _WHAT), nifti.open_image(path, _WHAT) as image:
        shape = tuple(int(n) for n in image.shape)
        vectors = int(image.header["intent_code"]) == nifti.VECTOR_INTENT  # type: ignore[index]
    return len(shape) == 4 and shape[3] > 1 and not vectors


def load_series(path: Path) -> Series:
    """Read all volumes of a 4-D NIfTI file.

    Raises
    ------
    FileFormatError, NotEnoughMemoryError
    """
    with reading(path, _WHAT):
        image, data = nifti.read_array(path, _WHAT)
        affine, oriented, header = nifti.geometry(image, path)
        raw: Any = image.header
        unit = str(raw.get_xyzt_units()[1])
        return Series(path, data, affine, oriented, header, float(raw["pixdim"][4]), unit)


def save_series(
    volumes: Iterator[NDArray[Any]], count: int, grid: Volume, path: Path, like: Series
) -> Iterator[int]:
    """Write `count` arrays on `grid` as one 4-D file, with the time step of `like`.

    Yields the number of volumes that are done; the file appears with the last one.

    Raises
    ------
    InputError
        Another suffix than .nii or .nii.gz.
    OutputError, NotEnoughMemoryError
    """
    if suffix_of(path, _SUFFIXES) is None:
        raise InputError(f"“{path.name}”: a series of volumes is saved as .nii.gz or .nii.")
    require_memory(int(np.prod(grid.shape, dtype=object)) * count * 4, path)
    whole: NDArray[Any] | None = None
    for index, data in enumerate(volumes):
        data = nifti_array(data)
        if whole is None:
            whole = np.zeros((*data.shape, count), data.dtype, order="F")
        whole[..., index] = data
        yield index + 1
    image = nibabel.Nifti1Image(whole, grid.affine, dtype=None if whole is None else whole.dtype)
    set_place(image, grid.affine, int(grid.header.get("sform_code") or 1))
    image.header.set_xyzt_units("mm", like.unit)
    image.header["pixdim"][4] = like.step
    if not grid.oriented:
        image.header["descrip"] = nifti.UNORIENTED
    with writing(path) as temporary:
        write_image(image, temporary)
