"""What napari's canvas would draw, coloured here: napari's own colour maps are the oracle."""

from __future__ import annotations

import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image, Labels
from napari.layers.labels._labels_utils import get_contours

from napari_voxelmorph.gui.views.layer_colors import LayerColors, blend, can_color, slice_of
from napari_voxelmorph.gui.views.live_sheets import Sheet, plan
from napari_voxelmorph.gui.views.overlays import KINDS
from napari_voxelmorph.gui.views.views import PairView

RNG = np.random.default_rng(3)
LOOKS = [role for role, kind in KINDS.items() if kind.layer is Image]


@pytest.mark.parametrize("role", LOOKS)
def test_colours_are_those_of_napari(role):
    look = {"contrast_limits": (0.2, 1.4), **KINDS[role].look, "opacity": 0.7}
    layer = Image(np.zeros((4, 4)), **look)
    low, high = layer.contrast_limits
    pixels = (low + (high - low) * RNG.uniform(-0.2, 1.2, (40, 30))).astype(np.float32)
    pixels[0, 0] = np.nan
    wanted = layer.colormap.map(np.clip((pixels - low) / (high - low), 0, 1))
    alpha = wanted[..., 3:] * 0.7
    found = LayerColors(layer).of(pixels)
    np.testing.assert_allclose(found, np.concatenate([wanted[..., :3] * alpha, alpha], -1),
                               atol=0.004)  # fmt: skip


def test_gamma_and_whole_numbers():
    layer = Image(np.zeros((4, 4), np.int16), contrast_limits=(0, 100), gamma=0.5)
    found = LayerColors(layer).of(np.array([[0, 25, 100]], np.int16))
    np.testing.assert_allclose(found[0, :, 0], [0, 0.5, 1], atol=0.003)


@pytest.mark.parametrize("contour", [0, 1])
def test_outlines_are_those_of_napari(contour):
    data = RNG.integers(0, 3, (12, 10)).repeat(3, 0).repeat(3, 1) * 10**10
    layer = Labels(data, opacity=0.8)
    layer.contour = contour
    seen = get_contours(data, 1, 0) if contour else data
    wanted = layer.colormap.map(seen) * (seen != 0)[..., None]
    found = LayerColors(layer).of(data)
    np.testing.assert_allclose(found[..., 3], wanted[..., 3] * 0.8, atol=1e-6)
    np.testing.assert_allclose(found[..., :3], wanted[..., :3] * wanted[..., 3:] * 0.8, atol=1e-6)


@pytest.mark.parametrize("blending", ["translucent", "additive", "opaque"])
def test_blending_is_that_of_the_canvas(blending):
    layer = Image(np.zeros((4, 4)), blending=blending, opacity=0.6, contrast_limits=(0, 1))
    colors = LayerColors(layer)
    over = colors.of(RNG.random((5, 5)).astype(np.float32))
    under = np.concatenate([RNG.random((5, 5, 3)), np.ones((5, 5, 1))], -1).astype(np.float32)
    plain = over[..., :3] / over[..., 3:]
    share = 1.0 if blending == "opaque" else 0.6
    kept = {"translucent": 0.4, "additive": 1.0, "opaque": 0.0}[blending]
    wanted = np.minimum(plain * share + under[..., :3] * kept, 1)
    found = blend(under.copy(), over, colors)
    np.testing.assert_allclose(found[..., :3], wanted, atol=1e-5)
    np.testing.assert_allclose(found[..., 3], 1, atol=1e-6)


@pytest.mark.parametrize("order", [(0, 1, 2), (1, 0, 2), (2, 1, 0), (2, 0, 1)])
def test_the_slice_in_view_is_that_of_napari(order):
    viewer = ViewerModel()
    data = RNG.random((5, 6, 7))
    layer = viewer.add_image(data, scale=(2, 1, 3), translate=(-4, 0, 9))
    viewer.dims.order = order
    viewer.dims.set_point(order[0], layer.translate[order[0]] + 2.2 * layer.scale[order[0]])
    found = slice_of(layer, viewer.dims.point, viewer.dims.displayed)
    np.testing.assert_array_equal(found, layer._slice.image.raw)
    viewer.dims.range = ((-100, 100, 1),) * 3
    viewer.dims.set_point(order[0], 90)
    assert slice_of(layer, viewer.dims.point, viewer.dims.displayed) is None


def test_looks_that_are_not_known_are_left_to_napari():
    grey = np.zeros((4, 4), np.float32)
    assert can_color(Image(grey)) and can_color(Labels(grey.astype(int)))
    assert not can_color(Image(grey, blending="minimum"))
    assert not can_color(Image(grey, interpolation2d="cubic"))
    assert not can_color(Image(np.zeros((4, 4, 3)), rgb=True))
    thick = Labels(grey.astype(int))
    thick.contour = 3
    assert not can_color(thick)


@pytest.fixture
def view(make_deformed_pair):
    pair = make_deformed_pair()
    view = PairView(ViewerModel())
    view.show_pair(pair.fixed, pair.moving, np.eye(4), pair.labels)
    view.update(pair.result)
    view.set_overlay("grid", True)
    return view


def test_what_changes_and_what_lies_below_becomes_pictures(view):
    found = plan(view.viewer)
    assert [layer.name.split(":")[0].split(" ")[0] for layer in found.live] == [
        "fixed", "moved", "sampling"]  # fmt: skip
    assert not found.below and not found.above
    points = view.viewer.add_points(np.zeros((1, 3)))
    assert plan(view.viewer).above == (points,)


def test_what_cannot_be_done_is_left_to_napari(view):
    viewer = view.viewer
    glow = viewer.add_image(np.zeros(view.layers.scene.grid.display_shape), blending="minimum")
    assert plan(viewer) is None  # above all, and not to be replaced by a transparent picture
    glow.visible = False
    assert plan(viewer) is not None
    view.stack.get("moved").interpolation2d = "cubic"
    assert plan(viewer) is None
    view.stack.get("moved").interpolation2d = "linear"
    viewer.dims.ndisplay = 3
    assert plan(viewer) is None
    viewer.dims.ndisplay = 2
    view.set_mode("side by side")
    assert plan(viewer) is None


def test_a_sheet_mixes_what_stands_still_once(view, monkeypatch):
    live = plan(view.viewer).live
    sheet = Sheet(view.viewer, np.zeros((3, 2)), True, True)
    for layer in live:
        sheet.add(layer)
    first = sheet.picture()
    calls = []
    of = LayerColors.of
    monkeypatch.setattr(LayerColors, "of", lambda self, px: calls.append(1) or of(self, px))
    np.testing.assert_array_equal(sheet.picture(), first)
    assert len(calls) == len(live) - 1  # not the fixed image
