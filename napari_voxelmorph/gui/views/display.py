"""Layers in, layers out: the only place that turns napari layers into volumes and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from napari.layers import Image, Labels, Layer
from napari.layers import Points as PointsLayer
from numpy.typing import NDArray

from napari_voxelmorph.engine.errors import InputError
from napari_voxelmorph.engine.geometry.volume import Kind, Matrix, Volume
from napari_voxelmorph.gui.views.display_grid import (
    AXIS_LABELS,
    DisplayGrid,
    Points,
    transform_points,
)

#: The one key under which our layers keep what napari cannot hold (affine, header, role).
KEY = "napari-voxelmorph"
_MOST_SAMPLES = 200_000
__all__ = [
    "KEY",
    "DisplayGrid",
    "contrast_limits",
    "default_start",
    "is_upright",
    "layer_from_volume",
    "points_from_layer",
    "remembered",
    "start_from_layers",
    "volume_from_layer",
]


def layer_from_volume(
    volume: Volume, *, role: str = "input", **kwargs: Any
) -> tuple[NDArray[Any], dict[str, Any], str]:
    """A napari layer-data tuple: reoriented data (a view), place in mm, the affine remembered.

    `kwargs` override the layer's keyword arguments.
    """
    grid = DisplayGrid.of(volume)
    data = grid.to_display(volume.data)
    place: dict[str, Any] = {
        "name": volume.name,
        "metadata": {KEY: remembered(volume, role)},
        **grid.layer_place(),
    }
    if volume.kind == "labels":
        return _integers(data), {**place, **kwargs}, "labels"
    place.update(rgb=False, contrast_limits=contrast_limits(volume.data), colormap="gray")
    return data, {**place, **kwargs}, "image"


def remembered(volume: Volume, role: str) -> dict[str, Any]:
    """What one of our layers keeps in its metadata."""
    return {
        "role": role,
        "affine": np.array(volume.affine),
        "shape": volume.shape,
        "oriented": volume.oriented,
        "kind": volume.kind,
        "name": volume.name,
        "header": volume.header,
    }


def volume_from_layer(layer: Layer, like: Layer | None = None) -> Volume:
    """The image or segmentation behind a napari layer.

    A layer that we made gives its volume back exactly, in the order of its file, wherever
    the user has dragged it since (see `start_from_layers`).  For any other layer its scale,
    translate, rotation, affine and units are honoured.

    Parameters
    ----------
    like : Layer, optional
        A layer in whose space `layer` lies: a mask painted over the fixed image means the
        fixed image's voxels, orientation included.

    Raises
    ------
    InputError
        When the layer is not an image or labels, is RGB, multiscale, or has more than three axes.
    """
    _refuse(layer)
    data = np.asarray(layer.data)
    kind: Kind = "labels" if isinstance(layer, Labels) else "image"
    known = _known(layer)
    if known is not None and tuple(data.shape) == known.display_shape:
        kept = layer.metadata[KEY]
        return Volume(known.to_array(data), known.affine, kind, layer.name, known.oriented,
                      kept.get("header", {}))  # fmt: skip
    frame, oriented = _frame(layer if known is not None or like is None else like)
    return Volume(data, frame @ _canvas_matrix(layer), kind, layer.name, oriented)


def points_from_layer(layer: Layer, like: Layer) -> Points:
    """Landmarks (N, D) in world mm of the scan shown as `like`."""
    if not isinstance(layer, PointsLayer):
        raise InputError(f"“{layer.name}” is not a points layer; landmarks are needed.")
    if layer.ndim != like.ndim:
        raise InputError(
            f"The landmarks “{layer.name}” are {layer.ndim}-D and “{like.name}” is {like.ndim}-D; "
            "both must have the same number of axes."
        )
    frame, _ = _frame(like)
    return transform_points(frame @ _canvas_matrix(layer), layer.data)


def is_upright(layer: Layer) -> bool:
    """Whether a layer is a 3-D scan of known orientation, shown on (S, A, R) axes."""
    known = _known(layer)
    return known is not None and known.oriented and known.ndim == 3


def start_from_layers(moving: Layer, fixed: Layer) -> Matrix | None:
    """Fixed world → moving world as the user placed the layers by hand; None if untouched.

    napari's transform mode moves a layer, not its voxels: what lies on top of each other on
    the canvas is taken as the start of the registration.
    """
    if not (_is_dragged(moving) or _is_dragged(fixed)):
        return None
    fixed_to_canvas = np.linalg.inv(_frame_after_drag(fixed))
    return np.asarray(_frame_after_drag(moving) @ fixed_to_canvas)


def contrast_limits(data: NDArray[Any]) -> tuple[float, float]:
    """Robust limits (0.5 and 99.8 percent) from a thin sample of the voxels."""
    step = max(1, int(np.ceil((data.size / _MOST_SAMPLES) ** (1 / data.ndim))))
    sample = np.asarray(data[(slice(None, None, step),) * data.ndim], dtype=np.float32)
    sample = sample[np.isfinite(sample)]
    if sample.size == 0:
        return 0.0, 1.0
    low, high = np.percentile(sample, (0.5, 99.8))
    if not high > low:
        low, high = sample.min(), sample.max()
    return (float(low), float(high)) if high > low else (float(low), float(low) + 1.0)


def _integers(data: NDArray[Any]) -> NDArray[Any]:
    """What napari's labels accept."""
    if data.dtype == bool:
        return data.astype(np.uint8)
    return data if data.dtype.kind in "iu" else np.rint(data).astype(np.int32)


def _refuse(layer: Layer) -> None:
    name = layer.name
    if not isinstance(layer, Image | Labels):
        raise InputError(f"“{name}” is a {type(layer).__name__} layer; choose an image or labels.")
    if getattr(layer, "rgb", False):
        raise InputError(
            f"“{name}” is a colour (RGB) image; one value per pixel is needed. "
            "Right-click it in the layer list and choose “Split RGB”, then take one channel."
        )
    if layer.multiscale:
        raise InputError(
            f"“{name}” is a multiscale image; a single resolution is needed. "
            "Add one of its levels as a layer of its own."
        )
    if layer.ndim not in (2, 3):
        raise InputError(
            f"“{name}” has {layer.ndim} axes {tuple(layer.data.shape)}; a 2-D or 3-D image is "
            "needed. Choose one time point or channel first."
        )


def _known(layer: Layer) -> DisplayGrid | None:
    """The display grid of a layer that we made (or a copy of one), else None."""
    kept = layer.metadata.get(KEY)
    if not isinstance(kept, Mapping) or "affine" not in kept or len(kept["shape"]) != layer.ndim:
        return None
    return DisplayGrid.from_affine(tuple(kept["shape"]), kept["affine"], bool(kept["oriented"]))


def _frame(layer: Layer) -> tuple[Matrix, bool]:
    """Canvas (mm) → world (mm) for what is shown together with `layer`."""
    known = _known(layer)
    if known is not None:
        return known.canvas_to_world, known.oriented
    if tuple(getattr(layer, "axis_labels", ())) == AXIS_LABELS:
        return np.eye(4)[[2, 1, 0, 3]], True
    return np.eye(layer.ndim + 1), False


def _frame_after_drag(layer: Layer) -> Matrix:
    known = _known(layer)
    if known is None:
        # A foreign layer's own transform is its affine; what the user did cannot be told apart.
        return _frame(layer)[0]
    return np.asarray(known.affine @ known.display_to_voxel @ np.linalg.inv(_canvas_matrix(layer)))


def _is_dragged(layer: Layer) -> bool:
    known = _known(layer)
    if known is None:
        return False
    placed = np.diag([*known.scale, 1.0])
    placed[:-1, -1] = known.translate
    return not np.allclose(_canvas_matrix(layer), placed, atol=1e-4)


def _canvas_matrix(layer: Layer) -> Matrix:
    """Layer voxel → canvas in mm, (D + 1, D + 1)."""
    origin = np.array(layer.data_to_world((0,) * layer.ndim), dtype=np.float64)
    columns = [np.array(layer.data_to_world(tuple(e))) - origin for e in np.eye(layer.ndim)]
    out = np.eye(layer.ndim + 1)
    out[:-1, :-1] = np.stack(columns, axis=1)
    out[:-1, -1] = origin
    millimetres = [_millimetres(u) for u in getattr(layer, "units", ())] or [1.0] * layer.ndim
    return np.asarray(np.diag([*millimetres, 1.0]) @ out)


def _millimetres(unit: Any) -> float:
    """Length of one pint unit in mm; 1 for pixels, whose size nobody knows."""
    try:
        return float((1 * unit).to("mm").magnitude)
    except Exception:  # pint: not a length (pixel, second)
        return 1.0


def default_start(fixed: Volume, moving: Volume) -> Matrix:
    """Identity when the headers put the two images on top of each other, else middle on middle."""
    low_f, high_f = _bounds(fixed)
    low_m, high_m = _bounds(moving)
    shared = np.clip(np.minimum(high_f, high_m) - np.maximum(low_f, low_m), 0, None)
    start = np.eye(fixed.ndim + 1)
    smaller = np.minimum(high_f - low_f, high_m - low_m)
    if np.prod(shared / np.maximum(smaller, 1e-6)) < 0.25:
        start[:-1, -1] = moving.center - fixed.center
    return start


def _bounds(volume: Volume) -> tuple[Any, Any]:
    ends = np.stack(np.meshgrid(*[(-0.5, n - 0.5) for n in volume.shape]), -1)
    corners = ends.reshape(-1, volume.ndim) @ volume.affine[:-1, :-1].T + volume.affine[:-1, -1]
    return corners.min(axis=0), corners.max(axis=0)
