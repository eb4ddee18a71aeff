"""Open and save images: one table says which module knows which suffix."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator
from importlib import import_module
from pathlib import Path

from napari_voxelmorph.engine.errors import FileFormatError, InputError
from napari_voxelmorph.engine.files.coarse import coarse_grid, coarsened
from napari_voxelmorph.engine.files.reading import to_the_end
from napari_voxelmorph.engine.geometry.volume import Kind, Volume

_PACKAGE = "napari_voxelmorph.engine.files"
#: Suffix -> module with `load`.  Modules are imported when first needed.
READERS: dict[str, str] = {
    **dict.fromkeys((".nii", ".nii.gz", ".img", ".hdr", ".img.gz", ".hdr.gz"), "nifti"),
    **dict.fromkeys((".mgz", ".mgh", ".mgh.gz"), "nifti"),
    **dict.fromkeys((".nrrd", ".nhdr", ".mha", ".mhd"), "itk_images"),
    **dict.fromkeys((".dcm", ".dicom", ".ima"), "dicom"),
    **dict.fromkeys((".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp"), "pictures"),
}
#: Suffix -> (module, function).
WRITERS: dict[str, tuple[str, str]] = {
    ".nii": ("nifti_writing", "save_nifti"),
    ".nii.gz": ("nifti_writing", "save_nifti"),
    ".mgz": ("nifti_writing", "save_mgh"),
    ".mgh": ("nifti_writing", "save_mgh"),
    ".nrrd": ("itk_images", "save"),
    ".mha": ("itk_images", "save"),
    ".png": ("picture_writing", "save_png"),
    ".tif": ("picture_writing", "save_tiff"),
    ".tiff": ("picture_writing", "save_tiff"),
}


def load(
    path: str | os.PathLike[str],
    kind: Kind | None = "image",
    volume_index: int | None = None,
    grayscale: bool = False,
    voxel_size: float | None = None,
) -> Volume:
    """Open an image or a segmentation, with its place in space.

    Parameters
    ----------
    path : path
        NIfTI, Analyze, MGH/MGZ, NRRD, MetaImage, a DICOM folder or one file of a series, or
        PNG, JPEG, BMP, TIFF.
    kind : "image", "labels" or None
        Labels keep their integers exactly.  None: labels when the file says so (NIfTI intent)
        or its name does ("seg", "labels", "mask", "aseg" ...) and all its numbers are whole.
    volume_index : int, optional
        Which volume of a file with several, from 0.
    grayscale : bool
        Turn a colour picture into grey instead of refusing it.
    voxel_size : float, optional
        Read on a coarser grid, for a file that is too large: whole blocks of voxels, no side
        shorter than this (mm), become one (the mean; of labels the commonest).  NIfTI, Analyze
        and MGH are never in memory as a whole then.

    Returns
    -------
    Volume
        C-contiguous, native byte order, stored numbers (floats where the file scales them),
        millimetres.  ``header`` holds "format", "path", "notes" (sentences for the user) and,
        where they apply, "non_finite", "sform_qform_gap", "volume_index", "affine_3d".

    Raises
    ------
    FileFormatError
        Missing, damaged, cut short or of unknown kind.
    InputError
        Readable, but no scalar 2-D or 3-D image, or no labels.
    NotEnoughMemoryError
        Told by the header, before a voxel is read.
    """
    return to_the_end(loading(path, kind, volume_index, grayscale, voxel_size))


def loading(
    path: str | os.PathLike[str],
    kind: Kind | None = "image",
    volume_index: int | None = None,
    grayscale: bool = False,
    voxel_size: float | None = None,
) -> Generator[float, None, Volume]:
    """As `load`, yielding the share that is read; closing the generator stops it at once."""
    path = Path(path)
    module = import_module(f"{_PACKAGE}.{_reader_of(path)}")
    if kind not in ("image", "labels", None):
        raise InputError(f"load: kind must be image, labels or None, got {kind!r}.")
    yield 0.0
    if module.__name__.endswith(".nifti"):
        job: Generator[float, None, Volume] = module.loading(path, kind, volume_index, voxel_size)
        return (yield from job)
    reader: Callable[..., Volume] = module.load
    if module.__name__.endswith(".pictures"):
        volume = reader(path, kind, volume_index, grayscale)
    else:
        volume = reader(path, kind, volume_index)
    return coarsened(volume, voxel_size)


def peek(
    path: str | os.PathLike[str], volume_index: int | None = None, voxel_size: float | None = None
) -> Volume | None:
    """The grid of a 3-D file from its header alone; its voxels are zeros that take no memory.

    None for the kinds whose header does not say it cheaply (DICOM, pictures) and for 2-D.
    """
    path = Path(path)
    module = import_module(f"{_PACKAGE}.{_reader_of(path)}")
    found: Volume | None = None
    if hasattr(module, "peek"):
        found = module.peek(path, volume_index)
    return None if found is None else coarse_grid(found, voxel_size)


def save(volume: Volume, path: str | os.PathLike[str]) -> None:
    """Write an image or a segmentation: .nii, .nii.gz, .mgz, .mgh, .nrrd, .mha, .png, .tif.

    A slice that came from a 3-D file goes back as a 3-D file.  The file appears whole or not
    at all; whatever was there before stays until then.

    Raises
    ------
    OutputError
        When the file cannot be written.
    InputError
        When the format cannot hold this image, or its suffix is not known.
    """
    path = Path(path)
    suffix = suffix_of(path, WRITERS)
    if suffix is None:
        raise InputError(
            f"“{path.name}”: images cannot be saved under this suffix. Use {', '.join(WRITERS)}."
        )
    module, function = WRITERS[suffix]
    writer: Callable[[Volume, Path], None]
    writer = getattr(import_module(f"{_PACKAGE}.{module}"), function)
    writer(volume, path)


def suffix_of(path: Path, known: object) -> str | None:
    """The longest known suffix with which the name ends."""
    name = path.name.lower()
    fits = [s for s in known if name.endswith(s)]  # type: ignore[attr-defined]
    return max(fits, key=len, default=None)


def _reader_of(path: Path) -> str:
    if path.is_dir():
        return "dicom"
    if not path.exists():
        raise FileFormatError(f"“{path}” does not exist. Check the path.")
    suffix = suffix_of(path, READERS)
    if suffix is not None:
        return READERS[suffix]
    from napari_voxelmorph.engine.files.dicom_elements import is_dicom

    try:
        if is_dicom(path):
            return "dicom"
    except OSError as error:
        raise FileFormatError(
            f"“{path.name}” cannot be opened: {error.strerror}. Check that you may read it."
        ) from error
    raise FileFormatError(
        f"“{path.name}” is of no known kind. Images end in {', '.join(READERS)}; DICOM files may "
        "have any name."
    )
