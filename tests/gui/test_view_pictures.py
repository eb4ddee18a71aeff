"""What is really on the screen.  Needs OpenGL (`make test-pictures` runs these under Xvfb)."""

from __future__ import annotations

import numpy as np
import pytest

from napari_voxelmorph.engine.geometry.volume import Volume
from napari_voxelmorph.gui.views.views import MODES, PairView

pytestmark = pytest.mark.gl
LAS = np.array([[-1.0, 0, 0, 30], [0, 1, 0, -40], [0, 0, 1, 5], [0, 0, 0, 1]])


def scan(name: str) -> Volume:
    """A grey box with a bright spot in the patient's right front (LAS: low i is right)."""
    data = np.zeros((48, 56, 40), np.float32)
    data[6:42, 6:50, 4:36] = 0.5
    data[8:16, 38:48, 4:36] = 1.0
    return Volume(data, LAS, name=name)


@pytest.fixture
def view(make_napari_viewer):
    viewer = make_napari_viewer(show=True)
    viewer.window.resize(900, 700)
    viewer.canvas.overlays.scale_bar.visible = False
    view = PairView(viewer)
    view.show_pair(scan("fixed"), scan("moving"), np.eye(4))
    return view


def picture(view) -> np.ndarray:
    """The canvas (H, W, 3), 0 … 1."""
    return view.viewer.screenshot(canvas_only=True, flash=False)[..., :3] / 255.0


def bright_side(image: np.ndarray) -> tuple[float, float]:
    """(x, y) of the bright spot, relative to the middle, -1 … 1, x to the right, y up."""
    h, w = image.shape[:2]
    ys, xs = np.nonzero(image.min(axis=2) > 0.9)
    keep = (abs(xs / w - 0.5) < 0.45) & (abs(ys / h - 0.5) < 0.42)
    return float(2 * xs[keep].mean() / w - 1), float(1 - 2 * ys[keep].mean() / h)


@pytest.mark.parametrize(("convention", "side"), [("radiological", -1), ("neurological", 1)])
def test_the_patients_right_is_where_the_convention_says(view, convention, side):
    view.set_convention(convention)
    x, y = bright_side(picture(view))
    assert np.sign(x) == side
    assert y > 0.1  # the front is up
    view.set_plane("coronal")
    view.viewer.dims.set_point(1, view.layers.scene.grid.translate[1] + 42)
    assert np.sign(bright_side(picture(view))[0]) == side


def test_agreement_is_grey_and_disagreement_coloured(view):
    image = picture(view)
    middle = image[image.shape[0] // 2, image.shape[1] // 2]
    assert np.ptp(middle) < 0.03
    assert 0.3 < middle.mean() < 0.7
    view.stack.show("moved", False)
    image = picture(view)
    r, g, b = image[image.shape[0] // 2, image.shape[1] // 2]
    assert min(r, b) > 0.3 > g


@pytest.mark.parametrize("mode", MODES)
def test_every_mode_draws(view, mode):
    view.set_mode(mode)
    image = picture(view)
    assert np.isfinite(image).all()
    if mode != "difference":  # identical images: nothing is left of them
        assert (image.min(axis=2) > 0.3).mean() > 0.05


def test_side_by_side_shows_the_same_thing_twice(view):
    view.set_mode("side by side")
    image = picture(view).max(axis=2) > 0.3
    half = image.shape[1] // 2
    left, right = image[:, : half - 4], image[:, -half + 4 :]
    assert abs(left.mean() - right.mean()) < 0.03
    assert left.mean() > 0.1


def test_folded_voxels_are_loud(view):
    from napari_voxelmorph.engine.geometry.field import Field
    from napari_voxelmorph.engine.result import Registration

    i = np.arange(48, dtype=np.float32)
    u = np.zeros((3, 48, 56, 40), np.float32)
    u[0] = np.where((i > 20) & (i < 28), -2 * (i - 24), 0)[:, None, None]
    result = Registration(scan("f"), scan("m"), np.eye(4),
                          Field(u, np.ones(3), np.zeros(3), "displacement"))  # fmt: skip
    view.update(result)
    view.set_overlay("jacobian", True)
    image = picture(view)
    r, g, b = image[image.shape[0] // 2, image.shape[1] // 2]
    assert min(r, g) > 0.8 > 0.3 > b  # yellow
