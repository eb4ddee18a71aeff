"""Turn what a lazy layer shows into plain data that stays when the view moves on."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Layer
from numpy.typing import NDArray

from napari_voxelmorph.engine.errors import InputError
from napari_voxelmorph.engine.geometry.volume import Volume
from napari_voxelmorph.gui.views.display import KEY, remembered
from napari_voxelmorph.gui.views.landmark_layer import LayerData
from napari_voxelmorph.gui.views.lazy import Scene
from napari_voxelmorph.gui.views.marks import arrows
from napari_voxelmorph.gui.views.overlays import KINDS, LARGEST

if TYPE_CHECKING:
    from napari_voxelmorph.gui.views.views import PairView

#: What can be kept, with the words of the menu.
COMMITTABLE: dict[str, str] = {
    "moved": "Moved image",
    "moved labels": "Moved labels",
    "grid": "Sampling grid",
    "displacement": "Displacement magnitude (mm)",
    "arrows": "Displacement arrows (3-D)",
    "jacobian": "Jacobian",
    "uncertainty": "Uncertainty (mm)",
    "label entropy": "Label entropy (bits)",
    "difference": "Difference",
    "checkerboard": "Checkerboard",
}


def keep(view: PairView, name: str) -> Layer:
    """Add what a lazy layer shows as a plain layer, computed here and now.

    `name` is one of `COMMITTABLE`.  `kept_data` is the slow part and may run in a thread;
    `add_kept` then adds its answer.
    """
    return add_kept(view, kept_data(view, name))


def kept_data(view: PairView, name: str) -> LayerData:
    """The layer-data tuple behind `keep`."""
    if not view.has_pair:
        raise InputError("No pair is shown; choose a moving and a fixed image first.")
    scene, result = view.layers.scene, view.registration
    if scene.coarse and result is not None:
        # What passes by is not kept: the result is.
        scene = replace(scene, registration=result, coarse=False, _blocks={})
    return layer_data(name, scene, view.settings.arrow_spacing)


def add_kept(view: PairView, data: LayerData) -> Layer:
    """Add what `kept_data` gave."""
    return view.viewer.add_layer(Layer.create(*data))


def layer_data(name: str, scene: Scene, arrow_spacing: float) -> LayerData:
    """A layer-data tuple of plain arrays for one role; may take seconds, touches no layer."""
    if name not in COMMITTABLE:
        raise InputError(f"“{name}” cannot be kept; choose one of {', '.join(COMMITTABLE)}.")
    kind, scene = KINDS[name], replace(scene, hide_unsure=False)  # all of it is kept
    result = scene.registration
    kept = remembered(result.fixed, "committed")
    kept.update(kind="labels" if name == "moved labels" else "image", shows=name,
                provenance=dict(result.provenance))  # fmt: skip
    place = {
        "name": f"{_title(name, scene)} (kept)",
        "metadata": {KEY: kept},
        **scene.grid.layer_place(),
    }
    if name == "moved labels":
        if scene.moving_labels is None:
            raise InputError("There is no moving segmentation to keep; choose one first.")
        data = result.warp_labels(scene.moving_labels)
        return np.ascontiguousarray(scene.grid.to_display(data)), place, "labels"
    if name == "arrows":
        return arrows(scene, arrow_spacing, {}), {**kind.look, **place}, "vectors"
    assert kind.compute is not None
    whole = tuple(slice(0, n, 1) for n in result.fixed.shape)
    data = scene.grid.to_display(kind.compute(scene, whole))
    limits = {"moved": scene.moving_range}
    if name in LARGEST:
        limits[name] = (0.0, float(data.max()) or 1.0)
    look = {"contrast_limits": limits.get(name), **kind.look, "rgb": False}
    if name == "moved":
        look |= {"colormap": "gray", "blending": "translucent_no_depth"}
    return np.ascontiguousarray(data, dtype=np.float32), {**look, **place}, "image"


def labels_on_grid(scene: Scene, labels: Volume) -> NDArray[Any]:
    """The fixed segmentation in displayed order, brought to the fixed grid when it has its own."""
    fixed = scene.registration.fixed
    data = labels.data
    if labels.shape != fixed.shape or not np.allclose(labels.affine, fixed.affine, atol=1e-4):
        from napari_voxelmorph.engine.result import Registration

        data = Registration(fixed, labels, np.eye(fixed.ndim + 1)).warp(labels, "nearest")
    if data.dtype.kind not in "iu":
        data = data.astype(np.uint8 if data.dtype == bool else np.int32)
    return scene.grid.to_display(data)


def _title(name: str, scene: Scene) -> str:
    if name in ("moved", "moved labels"):
        result = scene.registration
        what = "" if name == "moved" else " labels"
        return f"{result.moving.name}{what} moved to {result.fixed.name}"
    return KINDS[name].name(scene)
