"""Every layer of a pair: its name, what it shows, its colours and its place in the stack."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from napari.layers import Image, Labels, Layer, Points, Vectors
from napari.utils.colormaps import Colormap, DirectLabelColormap, ensure_colormap

from napari_voxelmorph.gui.views import lazy_maps
from napari_voxelmorph.gui.views.display import KEY, remembered
from napari_voxelmorph.gui.views.lazy import Compute, LazyArray, Scene, Stage

_SAMPLES = 60_000
#: Shown for folded voxels, and for nothing else.
FOLDED = "yellow"
# Names are short: napari's colormap box, and with it the whole dock, is as wide as the longest.
# Nothing changed is transparent, so that the anatomy shows where a map has nothing to say.
_CHANGE = Colormap(
    [[0.1, 0.4, 1, 1], [0.3, 0.55, 1, 0.75], [1, 1, 1, 0], [1, 0.55, 0.2, 0.75], [1, 0.25, 0, 1]],
    name="vxm volume",
    low_color=FOLDED,
)
_LENGTH = Colormap(
    [[*rgb, alpha] for rgb, alpha in zip(
        np.asarray(ensure_colormap("viridis").map(np.linspace(0, 1, 9)))[:, :3],
        [0, 0.35, 0.6, 0.75, 0.8, 0.85, 0.85, 0.85, 0.85], strict=True)],
    name="vxm length",
)  # fmt: skip
_UNSURE = Colormap(
    [[*rgb, alpha] for rgb, alpha in zip(
        np.asarray(ensure_colormap("inferno").map(np.linspace(0, 1, 9)))[:, :3],
        [0, 0.3, 0.5, 0.65, 0.75, 0.8, 0.85, 0.85, 0.85], strict=True)],
    name="vxm spread",
)  # fmt: skip
_DOUBT = Colormap(
    [[*rgb, alpha] for rgb, alpha in zip(
        np.asarray(ensure_colormap("magma").map(np.linspace(0, 1, 9)))[:, :3],
        [0, 0.5, 0.7, 0.8, 0.85, 0.9, 0.9, 0.9, 0.9], strict=True)],
    name="vxm doubt",
)  # fmt: skip
_UNSURE_LINE = DirectLabelColormap(color_dict={None: "transparent", 1: "cyan"})
_DIFFERENCE = Colormap([[0.2, 0.5, 1, 1], [0, 0, 0, 1], [1, 0.45, 0.2, 1]], name="vxm difference")
_LINES = Colormap([[0, 0.6, 1, 0], [0, 0.6, 1, 1]], name="vxm lines")
_AT_REST = Colormap([[1, 0.7, 0, 0], [1, 0.7, 0, 0.8]], name="vxm rest")
#: Under the coloured outlines of the moved segmentation: magenta shows where the two differ.
_FIXED_OUTLINE = DirectLabelColormap(color_dict={None: "magenta", 0: "transparent"})


@dataclass(frozen=True)
class Kind:
    """How one layer is made.

    Parameters
    ----------
    compute : callable, optional
        Gives the blocks of a lazy layer.
    name : callable
        Scene -> the name of the layer.
    look : dict
        Keyword arguments of the napari layer.
    colorbar : bool
        Whether the layer comes with a colour bar.
    """

    layer: type[Layer]
    name: Callable[[Scene], str]
    look: dict[str, Any]
    compute: Compute | None = None
    colorbar: bool = False


def _mm(value: float) -> str:
    return f"{value:g} mm"


_GREY = {"colormap": "gray", "blending": "additive", "contrast_limits": (0.0, 1.0)}
# In 3-D a plain maximum of two whole heads is a white blob; attenuated, it has a surface.
_PICTURE = {"blending": "additive", "interpolation2d": "linear",
            "rendering": "attenuated_mip", "attenuation": 0.3}  # fmt: skip
_OUTLINE = {"blending": "translucent_no_depth"}
_POINT = {
    "face_color": "transparent",
    "border_width": 0.2,
    "opacity": 1.0,
    "blending": "translucent_no_depth",
}
_POINT_MM = 5.0

#: From the bottom of the stack to its top.
KINDS: dict[str, Kind] = {
    "fixed": Kind(
        Image, lambda s: f"fixed: {s.registration.fixed.name}",
        {"colormap": "magenta", **_PICTURE},
    ),
    "moved": Kind(
        Image, lambda s: f"moved: {s.registration.moving.name}",
        {"colormap": "green", **_PICTURE},
        lazy_maps.moved_shown,
    ),
    "difference": Kind(
        Image, lambda s: "difference, moved − fixed",
        {"colormap": _DIFFERENCE, "blending": "additive", "contrast_limits": (-0.6, 0.6)},
        lazy_maps.difference, True,
    ),
    "checkerboard": Kind(
        Image, lambda s: f"checkerboard, {_mm(s.checker_size)}", _GREY,
        lazy_maps.checkerboard,
    ),
    "swipe": Kind(Image, lambda s: "swipe fixed | moved", _GREY, lazy_maps.swipe),
    "displacement": Kind(
        Image, lambda s: "displacement, mm",
        {"colormap": _LENGTH, "blending": "translucent_no_depth", "interpolation2d": "linear"},
        lazy_maps.magnitude, True,
    ),
    "jacobian": Kind(
        Image, lambda s: "Jacobian (≤ 0, yellow: folded)",
        # Just inside 0 and 2, so that a determinant of exactly 0 counts as folded.
        {"colormap": _CHANGE, "blending": "translucent_no_depth", "contrast_limits": (1e-6, 2.0)},
        lazy_maps.jacobian, True,
    ),
    "uncertainty": Kind(
        Image, lambda s: "uncertainty, mm (spread, not error)",
        {"colormap": _UNSURE, "blending": "translucent_no_depth", "interpolation2d": "linear"},
        lazy_maps.uncertainty, True,
    ),
    "label entropy": Kind(
        Image, lambda s: "label entropy, bits (0: all answers agree)",
        {"colormap": _DOUBT, "blending": "translucent_no_depth", "contrast_limits": (0.0, 1.0)},
        lazy_maps.label_entropy, True,
    ),
    "unsure": Kind(
        Labels, lambda s: f"uncertainty > {_mm(s.unsure_above)}",
        {**_OUTLINE, "opacity": 1.0, "colormap": _UNSURE_LINE}, lazy_maps.unsure,
    ),
    "fixed labels": Kind(
        Labels, lambda s: "fixed labels", {**_OUTLINE, "opacity": 0.9, "colormap": _FIXED_OUTLINE}
    ),
    "moved labels": Kind(
        Labels, lambda s: "moved labels", {**_OUTLINE, "opacity": 1.0}, lazy_maps.moved_labels
    ),
    "grid at rest": Kind(
        Image, lambda s: f"undeformed grid, {_mm(s.grid_spacing)}",
        {"colormap": _AT_REST, "blending": "translucent_no_depth",
         "contrast_limits": (0.0, 1.0), "interpolation2d": "linear"},
        lazy_maps.grid_at_rest,
    ),
    "grid": Kind(
        Image, lambda s: f"sampling grid (fixed → moving), {_mm(s.grid_spacing)}",
        {"colormap": _LINES, "blending": "translucent_no_depth", "opacity": 0.9,
         "contrast_limits": (0.0, 1.0), "interpolation2d": "linear"},
        lazy_maps.sampling_grid,
    ),
    "arrows": Kind(
        Vectors, lambda s: "arrows (fixed → moving), true length",
        {"edge_color": "#ff4000", "vector_style": "triangle", "edge_width": 1.6, "opacity": 1.0,
         "blending": "translucent_no_depth"},
    ),
    "fixed landmarks": Kind(
        Points, lambda s: "fixed landmarks near the slice",
        {**_POINT, "border_color": "magenta", "symbol": "o"},
    ),
    "moved landmarks": Kind(
        Points, lambda s: "moved landmarks near the slice",
        {**_POINT, "border_color": "lime", "face_color": "lime", "symbol": "x"},
    ),
}  # fmt: skip
RANK = {role: rank for rank, role in enumerate(KINDS)}


def make_layer(role: str, stage: Stage, data: Any = None) -> Layer:
    """A new napari layer for `role`; `data` for the kinds that are not lazy."""
    kind, scene = KINDS[role], stage.scene
    kwargs: dict[str, Any] = {
        "name": kind.name(scene),
        "metadata": {KEY: remembered(scene.registration.fixed, role)},
        **scene.grid.layer_place(),
        **kind.look,
    }
    if kind.compute is not None:
        data = LazyArray(stage, kind.compute, _dtype(role, scene))
    if kind.layer is Image:
        kwargs["rgb"] = False
        kwargs.setdefault("contrast_limits", _limits(role, scene))
    if kind.layer is Points:
        kwargs["size"] = _POINT_MM / float(np.mean(scene.grid.scale))
    layer = kind.layer(data, **kwargs)
    if kind.layer is Labels:
        layer.editable = False
    if kind.colorbar:
        layer.colorbar.visible = True
        layer.colorbar.position = "top_left"
        layer.name_overlay.visible = True
        layer.name_overlay.position = "top_left"
    return layer


def _dtype(role: str, scene: Scene) -> Any:
    if role == "unsure":
        return np.uint8
    if role != "moved labels":
        return np.float32
    labels = scene.moving_labels
    dtype = np.dtype(np.uint8) if labels is None else labels.data.dtype
    return {"b": np.dtype(np.uint8), "f": np.dtype(np.int32)}.get(dtype.kind, dtype)


def _limits(role: str, scene: Scene) -> tuple[float, float]:
    if role in LARGEST:
        return 0.0, LARGEST[role](scene)
    return scene.fixed_range if role == "fixed" else scene.moving_range


def largest_displacement(scene: Scene) -> float:
    """A round number of mm that holds nearly every displacement (of a thin sample)."""
    shape = scene.registration.fixed.shape
    step = max(1, int((np.prod(shape) / _SAMPLES) ** (1 / len(shape))))
    index = tuple(slice(0, n, step) for n in shape)
    return _round(float(np.percentile(lazy_maps.magnitude(scene, index), 99.9)))


def largest_uncertainty(scene: Scene) -> float:
    """The same for the uncertainty of what can be seen: the background is never sure."""
    spread = scene.spreads.of(scene.registration)
    if spread is None:
        return 1.0
    return _round(1.5 * spread.summary(scene.registration.fixed)["p95_mm"])


def _round(top: float) -> float:
    """The next round number; 1 for nothing."""
    if not np.isfinite(top) or top <= 0:
        return 1.0
    unit = 10.0 ** np.floor(np.log10(top))
    return float(next(unit * m for m in (1, 1.5, 2, 3, 4, 5, 6, 8, 10) if unit * m >= top - 1e-9))


#: Maps in mm, with the value at the top of their colours.
LARGEST: dict[str, Callable[[Scene], float]] = {
    "displacement": largest_displacement,
    "uncertainty": largest_uncertainty,
}
