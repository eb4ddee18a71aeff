"""2-D pictures: PNG, JPEG and BMP through Pillow, TIFF through tifffile.

A picture has rows and columns and no patient: `oriented` is False, its affine holds the
pixel size only, and axis 0 is the row, as napari shows it.
"""

from __future__ import annotations

import logging
import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image, ImageMode

from napari_voxelmorph.engine.errors import InputError
from napari_voxelmorph.engine.files.loaded import choose_volume, to_volume
from napari_voxelmorph.engine.files.reading import (
    DEFLATE_LIMIT,
    damaged,
    reading,
    require_bytes,
    require_memory,
)
from napari_voxelmorph.engine.geometry.volume import Kind, Volume

# Without a handler Python prints tifffile's remarks on odd tags to the terminal.
logging.getLogger("tifffile").addHandler(logging.NullHandler())

#: Resolutions that programs write without having measured anything (dots per inch).
_UNMEASURED_DPI = {1, 72, 90, 96, 100, 120, 144, 150, 200, 300, 600}
#: TIFF compressions that pack no better than deflate: LZW, JPEG, deflate (two codes), PackBits.
_BOUNDED = {5, 7, 8, 32773, 32946}
_SANE_MM = (1e-6, 50.0)
_MM = {
    "nm": 1e-6,
    "µm": 1e-3,
    "μm": 1e-3,
    "um": 1e-3,
    "micron": 1e-3,
    "microns": 1e-3,
    "\\u00b5m": 1e-3,
    "mm": 1.0,
    "cm": 10.0,
    "m": 1000.0,
    "inch": 25.4,
}
#: ITU-R BT.601, the weights of Pillow's own conversion.
_LUMA = np.array([0.299, 0.587, 0.114])


def load(path: Path, kind: Kind | None, volume_index: int | None, grayscale: bool) -> Volume:
    """Read a picture; `grayscale` allows colours to be turned into grey."""
    header: dict[str, Any] = {"format": "picture", "notes": []}
    with reading(path, "a picture"):
        if path.suffix.lower() in (".tif", ".tiff"):
            data, spacing = _read_tiff(path, volume_index, header)
        else:
            if volume_index not in (None, 0):
                choose_volume(path, (1, 1, 1), volume_index)
            data = _read_pillow(path, kind, header)
            spacing = (1.0, 1.0)
        if data.ndim == 3 and header.pop("colours", False):
            data = _one_channel(path, data, kind, grayscale, header)
    if not header.get("pixel_size_from"):
        header["notes"].append("The file does not give the pixel size; 1 mm is assumed.")
    affine = np.diag([*spacing[-data.ndim :], 1.0])
    return to_volume(path, data, affine, kind, header, oriented=False)


def _read_pillow(path: Path, kind: Kind | None, header: dict[str, Any]) -> NDArray[Any]:
    with Image.open(path) as picture:
        width, height = picture.size
        mode = ImageMode.getmode(picture.mode)
        itemsize = np.dtype(mode.typestr).itemsize * len(mode.bands)
        declared = width * height * itemsize
        # PNG packs by deflate; a JPEG block of 64 pixels takes at least a bit or two.
        if picture.format == "PNG" and declared // 8 > path.stat().st_size * DEFLATE_LIMIT:
            raise damaged(path, "a picture", f"its header promises {width} x {height} pixels")
        require_memory(declared * 3, path)
        if getattr(picture, "n_frames", 1) > 1:
            raise InputError(f"“{path.name}” holds several pictures; save the one that is wanted.")
        if picture.getexif().get(0x0112, 1) != 1:
            header["notes"].append("The camera's rotation mark is ignored, as napari does.")
        # The numbers of a palette picture are ids of colours: labels as they are.
        palette = picture.mode in ("P", "PA") and kind != "labels"
        convert = palette or picture.mode in ("CMYK", "YCbCr", "LAB", "HSV")
        data = np.asarray(picture.convert("RGB") if convert else picture)
    header["colours"] = data.ndim == 3
    return data


def _one_channel(
    path: Path, data: NDArray[Any], kind: Kind | None, grayscale: bool, header: dict[str, Any]
) -> NDArray[Any]:
    """(rows, columns, channels) to (rows, columns); opacity is left out."""
    channels = data.shape[2]
    if channels in (2, 4):
        header["notes"].append("The opacity (alpha) channel is left out.")
        data = data[..., :-1]
    if data.shape[2] == 1 or bool((data == data[..., :1]).all()):
        return data[..., 0]
    if not grayscale or kind == "labels":
        cure = (
            "save the ids as one channel"
            if kind == "labels"
            else ("convert it to grey (grayscale=True does it here), or save one channel")
        )
        raise InputError(
            f"“{path.name}” is a colour picture (RGB), and one number per pixel is needed: {cure}."
        )
    header["notes"].append("Colours were turned into grey (ITU-R 601 luma).")
    grey = data[..., :3] @ _LUMA
    if data.dtype.kind in "ui":
        return np.asarray(np.rint(grey), dtype=data.dtype)
    return np.asarray(grey, dtype=np.float32)


def _read_tiff(
    path: Path, volume_index: int | None, header: dict[str, Any]
) -> tuple[NDArray[Any], tuple[float, ...]]:
    with tifffile.TiffFile(path) as file:
        if not file.series:
            raise damaged(path, "TIFF", "it holds no picture")
        series = file.series[0]
        page: Any = series.keyframe
        if math.prod(series.shape) == 0 or series.dtype is None:
            raise damaged(path, "TIFF", f"its shape is {series.shape}")
        declared = math.prod(series.shape) * series.dtype.itemsize
        if page.compression == 1:
            stored = declared * page.bitspersample // (8 * series.dtype.itemsize)
            require_bytes(path, "TIFF", stored, compressed=False, copies=2)
        elif page.compression in _BOUNDED:
            require_bytes(path, "TIFF", declared // 8, compressed=True, copies=16)
        require_memory(2 * declared, path)
        spacing = _tiff_spacing(file, page, header)
        try:
            data = np.asarray(series.asarray())
        except ValueError as error:
            if "imagecodecs" not in str(error):
                raise
            data = _tiff_by_pillow(path, series.shape)
        axes = series.axes
    return _tiff_axes(path, data, axes, volume_index, header), spacing


def _tiff_by_pillow(path: Path, shape: tuple[int, ...]) -> NDArray[Any]:
    """Packed TIFF that tifffile alone cannot unpack (LZW, JPEG): Pillow can, one page at a time."""
    with Image.open(path) as picture:
        frames = []
        for frame in range(getattr(picture, "n_frames", 1)):
            picture.seek(frame)
            frames.append(np.asarray(picture))
    return np.stack(frames).reshape(shape)


def _tiff_axes(
    path: Path, data: NDArray[Any], axes: str, volume_index: int | None, header: dict[str, Any]
) -> NDArray[Any]:
    """To (rows, columns[, samples]) or (slices, rows, columns)."""
    keep = [a for a in range(data.ndim) if data.shape[a] > 1 or axes[a] in "YX"]
    data, axes = data.reshape([data.shape[a] for a in keep]), "".join(axes[a] for a in keep)
    if axes.startswith("S") and axes.endswith("YX"):
        data, axes = np.moveaxis(data, 0, -1), axes[1:] + "S"
    if axes.endswith("YXS") and data.ndim == 3:
        header["colours"] = True
        return data
    if axes[:1] in ("T", "C") or data.ndim > 3:
        order = (*range(1, data.ndim), 0)
        moved = np.transpose(data, order)
        space = moved.shape[:-1]
        padded = (*space, *(1,) * (3 - len(space)), moved.shape[-1])
        index = choose_volume(path, padded, volume_index)
        return np.ascontiguousarray(moved[..., index[-1]])
    if volume_index not in (None, 0):
        choose_volume(path, data.shape[:3], volume_index)
    return data


def _tiff_spacing(file: tifffile.TiffFile, page: Any, header: dict[str, Any]) -> tuple[float, ...]:
    """Pixel size (slices, rows, columns) in mm: OME, then ImageJ, then a measured resolution."""
    if file.ome_metadata:
        sizes = [_ome_size(file.ome_metadata, axis) for axis in "ZYX"]
        if sizes[1] and sizes[2]:
            header["pixel_size_from"] = "OME"
            return sizes[0] or sizes[1], sizes[1], sizes[2]
    try:
        x, y = (float(r) for r in page.get_resolution())
        unit = int(page.tags.get("ResolutionUnit").value) if "ResolutionUnit" in page.tags else 1
    except (AttributeError, KeyError, TypeError, ValueError, ZeroDivisionError):
        return 1.0, 1.0, 1.0
    imagej = file.imagej_metadata or {}
    name = str(imagej.get("unit", {2: "inch", 3: "cm"}.get(unit, ""))).lower()
    if unit == 2 and "unit" not in imagej and {round(x), round(y)} <= _UNMEASURED_DPI:
        return 1.0, 1.0, 1.0
    scale = _MM.get(name)
    if scale is None or not min(x, y) > 0:
        return 1.0, 1.0, 1.0
    columns, rows = scale / x, scale / y
    if not (_SANE_MM[0] <= min(rows, columns) and max(rows, columns) <= _SANE_MM[1]):
        size = f"{rows:.3g} x {columns:.3g} mm"
        header["notes"].append(f"The file's pixel size of {size} is ignored.")
        return 1.0, 1.0, 1.0
    header["pixel_size_from"] = "ImageJ" if "unit" in imagej else "TIFF resolution"
    between = imagej.get("spacing")
    slices = float(between) * scale if isinstance(between, int | float) and between > 0 else rows
    return slices, rows, columns


def _ome_size(text: str, axis: str) -> float | None:
    size = re.search(rf'PhysicalSize{axis}="([0-9.eE+-]+)"', text)
    unit = re.search(rf'PhysicalSize{axis}Unit="([^"]+)"', text)
    scale = _MM.get(unit.group(1) if unit else "µm")
    try:
        value = float(size.group(1)) * (scale or 0) if size else 0.0
    except ValueError:
        return None
    return value if _SANE_MM[0] <= value <= _SANE_MM[1] else None
