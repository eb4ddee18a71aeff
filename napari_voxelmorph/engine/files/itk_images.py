# mypy: allow-untyped-calls, no-warn-return-any
"""NRRD and MetaImage, through SimpleITK; also the bridge between `Volume` and SimpleITK."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from napari_voxelmorph.engine.errors import InputError, OutputError
from napari_voxelmorph.engine.files.frames import SCANNER, flip_lps, is_picture, world_to_itk
from napari_voxelmorph.engine.files.kinds import native, refuse_dtype
from napari_voxelmorph.engine.files.loaded import choose_volume, stem, to_volume
from napari_voxelmorph.engine.files.plane import from_plane
from napari_voxelmorph.engine.files.reading import reading, require_memory
from napari_voxelmorph.engine.files.text_headers import check_meta, check_nrrd
from napari_voxelmorph.engine.files.writing import writing
from napari_voxelmorph.engine.geometry.volume import Kind, Matrix, Volume

#: Extra header line of a file whose image does not know left from right.
_MARK, _UNKNOWN = "napari_voxelmorph", "left and right unknown"

#: A type as wide as ITK's "16-bit signed integer" and the like.
_OF_BITS = {"8": np.uint8, "16": np.int16, "32": np.float32}

# ITK would write its warnings to the terminal; what matters comes as an exception.
sitk.ProcessObject.SetGlobalWarningDisplay(False)


def load(path: Path, kind: Kind | None, volume_index: int | None) -> Volume:
    """Read .nrrd, .nhdr, .mha or .mhd."""
    nrrd = path.suffix.lower() in (".nrrd", ".nhdr")
    with reading(path, "NRRD" if nrrd else "MetaImage"):
        oriented = check_nrrd(path) if nrrd else check_meta(path)
        image = read_image(path, volume_index)
        data, affine = from_itk(image)
        marked = image.HasMetaDataKey(_MARK) and image.GetMetaData(_MARK) == _UNKNOWN
    header: dict[str, Any] = {"format": "itk"}
    if marked:
        oriented = False
        if data.ndim == 2:
            affine = affine_in_picture(affine)
    if not marked:
        header["frame"] = SCANNER
    if volume_index is not None:
        header["volume_index"] = volume_index
    return to_volume(path, data, affine, kind, header, oriented)


def peek(path: Path, volume_index: int | None) -> Volume | None:
    """The grid of a 3-D file, with zeros that take no memory; None for any other."""
    nrrd = path.suffix.lower() in (".nrrd", ".nhdr")
    with reading(path, "NRRD" if nrrd else "MetaImage"):
        oriented = check_nrrd(path) if nrrd else check_meta(path)
        reader = sitk.ImageFileReader()
        reader.SetFileName(str(path))
        reader.ReadImageInformation()
        size = tuple(reader.GetSize())
        if len(size) != 3 or min(size) < 2:
            return None
        affine = np.eye(4)
        affine[:3, :3] = np.array(reader.GetDirection()).reshape(3, 3) * reader.GetSpacing()
        affine[:3, 3] = reader.GetOrigin()
        bits = sitk.GetPixelIDValueAsString(reader.GetPixelIDValue()).split("-")[0]
    empty = np.broadcast_to(np.zeros((), _OF_BITS.get(bits, np.float64)), size)
    return Volume(empty, flip_lps(3) @ affine, "image", stem(path), oriented)


def affine_in_picture(affine: Matrix) -> Matrix:
    """RAS matrix of a picture that was written for ITK, back to rows and columns."""
    return np.asarray((flip_lps(2) @ affine)[[1, 0, 2]])


def read_image(path: Path, volume_index: int | None) -> sitk.Image:
    """Read one scalar 2-D or 3-D image, after checking what the file holds."""
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    reader.ReadImageInformation()
    size, channels = reader.GetSize(), reader.GetNumberOfComponents()
    if "complex" in sitk.GetPixelIDValueAsString(reader.GetPixelIDValue()):
        refuse_dtype(np.dtype(np.complex64), path)
    # At most 8 bytes per value; the exact type is known to ITK only.
    require_memory(int(np.prod([float(n) for n in size])) * channels, path)
    if channels > 1:
        return _one_channel(reader, path, channels, volume_index)
    index = choose_volume(path, tuple(size), volume_index)
    if len(size) > 3:
        start = [0 if isinstance(i, slice) else int(i) for i in index]
        reader.SetExtractIndex(start)
        reader.SetExtractSize([*size[:3], *[0] * (len(size) - 3)])
    return reader.Execute()


def _one_channel(
    reader: sitk.ImageFileReader, path: Path, channels: int, volume_index: int | None
) -> sitk.Image:
    if volume_index is None:
        raise InputError(
            f"“{path.name}” holds {channels} values per voxel (colours, a displacement field or "
            f"several volumes); one is needed. Choose volume_index from 0 to {channels - 1}, or "
            "open a displacement field as a transform."
        )
    choose_volume(path, (1, 1, 1, channels), volume_index)
    return sitk.VectorIndexSelectionCast(reader.Execute(), volume_index)


def from_itk(image: sitk.Image) -> tuple[NDArray[Any], Matrix]:
    """Array in ijk order, C-contiguous, and the voxel-to-world matrix in RAS mm."""
    view = sitk.GetArrayViewFromImage(image).transpose()
    data = view.copy() if view.flags.c_contiguous else native(view)
    ndim = image.GetDimension()
    affine = np.eye(ndim + 1)
    direction = np.array(image.GetDirection()).reshape(ndim, ndim)
    affine[:ndim, :ndim] = direction * np.array(image.GetSpacing())
    affine[:ndim, ndim] = image.GetOrigin()
    return data, flip_lps(ndim) @ affine


def to_itk(data: NDArray[Any], affine: Matrix) -> sitk.Image:
    """The SimpleITK image of an array in ijk order with a matrix to *LPS* mm."""
    if data.dtype == bool:
        data = data.astype(np.uint8)
    elif data.dtype == np.float16:
        data = data.astype(np.float32)
    image = sitk.GetImageFromArray(np.ascontiguousarray(data.transpose()))
    spacing = np.linalg.norm(affine[:-1, :-1], axis=0)
    image.SetSpacing(spacing.tolist())
    image.SetDirection((affine[:-1, :-1] / spacing).reshape(-1).tolist())
    image.SetOrigin(affine[:-1, -1].tolist())
    return image


def itk_image(volume: Volume) -> sitk.Image:
    """The SimpleITK image of a `Volume`; a slice comes back as 3-D when its file was."""
    data, affine = from_plane(volume)
    flat = data.ndim == 2
    return to_itk(data, world_to_itk(volume) @ volume.affine if flat else flip_lps(3) @ affine)


def save(volume: Volume, path: Path) -> None:
    """Write .nrrd or .mha, packed."""
    image = itk_image(volume)
    if not volume.oriented and (is_picture(volume) or volume.ndim == 3):
        image.SetMetaData(_MARK, _UNKNOWN)
    with writing(path) as temporary:
        sitk.WriteImage(image, str(temporary), useCompression=True)
        # ITK does not report a full disk: see whether everything is there.
        if not _same(image, temporary):
            raise OutputError(
                f"“{path.name}” was not written whole to “{path.parent}”: the disk is full or "
                "failing. Free some space or choose another folder."
            )


def _same(image: sitk.Image, path: Path) -> bool:
    try:
        written = sitk.ReadImage(str(path))
    except RuntimeError:
        return False
    return bool(
        np.array_equal(
            sitk.GetArrayViewFromImage(written), sitk.GetArrayViewFromImage(image), equal_nan=True
        )
    )
