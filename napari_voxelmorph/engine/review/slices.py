"""Pictures of a structure where it is worst: outlines over the fixed image, three planes."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from napari_voxelmorph.engine.evaluation.structures import Voxel
from napari_voxelmorph.engine.geometry.volume import Volume
from napari_voxelmorph.engine.report import colors
from napari_voxelmorph.engine.report.colors import Picture
from napari_voxelmorph.engine.report.panels import window_of
from napari_voxelmorph.engine.report.planes import Plane, planes_of

#: Millimetres shown around a structure; pixels along each side of a picture.
_MARGIN, _SIDE = 12.0, 260
FIXED, MOVED = colors.MAGENTA, colors.GREEN


def picture_of(
    fixed: Volume,
    moved: NDArray[Any],
    reference: NDArray[Any] | None,
    label: int,
    at: Voxel,
) -> Image.Image:
    """Draw a structure in each plane through a voxel.

    Parameters
    ----------
    moved, reference : ndarray, shape of `fixed`
        Moved segmentation (drawn in green) and fixed segmentation (in magenta), if any.
    at : tuple of int
        Array index.
    """
    masks = [(moved == label, MOVED)]
    if reference is not None:
        masks.insert(0, (reference == label, FIXED))
    box = _box(np.logical_or.reduce([mask for mask, _ in masks]), at, fixed.spacing)
    window = window_of(fixed.data)
    cells = [_cell(fixed, plane, masks, at, box, window) for plane in planes_of(fixed)]
    page = Image.new("RGB", (len(cells) * (_SIDE + 4) - 4, _SIDE), "white")
    for n, cell in enumerate(cells):
        page.paste(cell, (n * (_SIDE + 4), 0))
    return page


def png_of(picture: Image.Image) -> bytes:
    """The bytes of a PNG file."""
    out = io.BytesIO()
    picture.save(out, "PNG", optimize=True)
    return out.getvalue()


def _box(mask: NDArray[np.bool_], at: Voxel, spacing: tuple[float, ...]) -> tuple[slice, ...]:
    """The part of the image to show: the structure and the voxel, with a margin."""
    found = ndimage.find_objects(mask.astype(np.uint8))
    place = found[0] if found else tuple(slice(a, a + 1) for a in at)
    box = []
    for s, a, n, step in zip(place, at, mask.shape, spacing, strict=True):
        margin = round(_MARGIN / step)
        low, high = max(0, min(s.start, a) - margin), min(n, max(s.stop, a + 1) + margin)
        box.append(slice(low, high))
    return tuple(box)


def _cell(
    fixed: Volume,
    plane: Plane,
    masks: list[tuple[NDArray[np.bool_], Picture]],
    at: Voxel,
    box: tuple[slice, ...],
    window: tuple[float, float],
) -> Image.Image:
    shown = {plane.rows, plane.columns}
    index = tuple(box[a] if a in shown else slice(at[a], at[a] + 1) for a in range(fixed.ndim))
    here = replace(plane, index=index)
    low, high = window
    grey = np.asarray(here.lay(np.asarray(fixed.data[index], np.float32)))
    pixels = colors.grey((grey - low) / max(high - low, 1e-6))
    tall, wide = grey.shape[0] * plane.aspect[0], grey.shape[1] * plane.aspect[1]
    factor = _SIDE / max(tall, wide)
    size = max(1, round(wide * factor)), max(1, round(tall * factor))
    drawn = _enlarged(pixels, size)
    for mask, color in masks:
        shape = np.asarray(here.lay(mask[index].astype(np.float32)), np.float32)
        drawn = _outlined(drawn, _enlarged(colors.grey(shape), size)[..., 0] > 0.5, color)
    cell = Image.new("RGB", (_SIDE, _SIDE), "black")
    picture = Image.fromarray(np.rint(drawn * 255).astype(np.uint8))
    cell.paste(picture, ((_SIDE - size[0]) // 2, (_SIDE - size[1]) // 2))
    return cell


def _enlarged(picture: Picture, size: tuple[int, int]) -> Picture:
    whole = Image.fromarray(np.rint(np.clip(picture, 0, 1) * 255).astype(np.uint8))
    drawn = np.asarray(whole.resize(size, Image.Resampling.BILINEAR), np.float32)
    return np.asarray(drawn / 255, np.float32)


def _outlined(picture: Picture, mask: NDArray[np.bool_], color: Picture) -> Picture:
    line = mask & ~ndimage.binary_erosion(mask, iterations=2, border_value=1)
    return np.asarray(np.where(line[..., None], color, picture), np.float32)
