"""4-D layers: images or segmentations one after the other (time points, channels), one chosen.

napari scrolls through the first axis of such a layer; the engine takes one image.  A layer
without a window stands in for the one that is chosen, so that nobody else need know of series.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Image, Labels
from numpy.typing import NDArray

from napari_voxelmorph.gui.views.display import KEY, contrast_limits, remembered
from napari_voxelmorph.gui.views.display_grid import DisplayGrid
from napari_voxelmorph.gui.views.landmark_layer import LayerData

if TYPE_CHECKING:
    from napari_voxelmorph.engine.files.series import Series
    from napari_voxelmorph.engine.geometry.volume import Kind

_SECONDS = {"sec": 1.0, "msec": 1e-3, "usec": 1e-6}


def is_series(layer: Any) -> bool:
    """Whether a layer holds several 3-D images."""
    plain = isinstance(layer, Image | Labels) and not layer.multiscale
    return plain and not getattr(layer, "rgb", False) and layer.ndim == 4


def axes_of(layer: Any) -> int:
    """Axes of the image that a layer holds, or of each one of a series."""
    return 3 if is_series(layer) else int(layer.ndim)


def count_of(layer: Any) -> int:
    """How many images a layer holds."""
    return int(layer.data.shape[0]) if is_series(layer) else 1


def seconds_of(layer: Any, index: int) -> float | None:
    """When an image of a series was taken, from the first one on; None where nobody says."""
    unit = str(layer.units[0])
    known = {"second": 1.0, "millisecond": 1e-3, "microsecond": 1e-6, "minute": 60.0}
    return index * float(layer.scale[0]) * known[unit] if unit in known else None


def one_of(layer: Any, index: int) -> Any:
    """The layer itself, or a 3-D one that holds image `index` of a series (no copy)."""
    if not is_series(layer):
        return layer
    index = min(index, count_of(layer) - 1)
    looks: dict[str, Any] = {"name": f"{layer.name} [{index}]", "metadata": dict(layer.metadata)}
    data = np.asarray(layer.data[index])
    if isinstance(layer, Image):
        looks["contrast_limits"] = (0.0, 1.0)  # else napari looks for them in the voxels
    # Scale, rotation and shear of the three axes together, as one matrix.
    origin = np.array(layer.data_to_world((index, 0, 0, 0)))[1:]
    steps = [np.array(layer.data_to_world((index, *e)))[1:] - origin for e in np.eye(3)]
    looks["affine"] = np.eye(4)
    looks["affine"][:3] = np.column_stack([*steps, origin])
    looks |= {"units": layer.units[1:], "axis_labels": layer.axis_labels[1:]}
    return type(layer)(data, **looks)


def layer_from_series(series: Series, kind: Kind | None, **kwargs: Any) -> LayerData:
    """A napari layer-data tuple of all the images of a file, the first axis through them."""
    volumes = series.volumes(kind)
    first = next(volumes)
    if first.data.dtype == series.data.dtype:
        data: NDArray[Any] = np.moveaxis(series.data, -1, 0)
    else:
        data = np.stack([first.data, *(volume.data for volume in volumes)])
    grid = DisplayGrid.of(first)
    shown = data.transpose(0, *(a + 1 for a in grid.axes))
    shown = shown[(slice(None), *(slice(None, None, -1 if f else 1) for f in grid.flips))]
    place = grid.layer_place()
    factor = _SECONDS.get(series.unit)
    looks: dict[str, Any] = {
        "name": first.name,
        "metadata": {KEY: remembered(first, "input")},
        "scale": (series.step * factor if factor and series.step > 0 else 1.0, *place["scale"]),
        "translate": (0.0, *place["translate"]),
        "units": ("s" if factor and series.step > 0 else "pixel", *place["units"]),
    }
    if "axis_labels" in place:
        looks["axis_labels"] = ("t", *place["axis_labels"])
    if first.kind == "labels":
        return (
            shown.astype(np.uint8) if data.dtype == bool else shown,
            {**looks, **kwargs},
            "labels",
        )
    looks.update(rgb=False, contrast_limits=contrast_limits(first.data), colormap="gray")
    return shown, {**looks, **kwargs}, "image"
