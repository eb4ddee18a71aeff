"""The quick canvas shows what napari would show, and gives it back whatever happens."""

from __future__ import annotations

import numpy as np
import pytest
from napari.components import ViewerModel
from qtpy.QtCore import QPointF, Qt
from qtpy.QtGui import QMouseEvent
from qtpy.QtWidgets import QApplication

from napari_voxelmorph.engine.geometry.field import Field
from napari_voxelmorph.engine.geometry.volume import Volume
from napari_voxelmorph.engine.result import Registration
from napari_voxelmorph.gui.background.pace import canvas_of
from napari_voxelmorph.gui.views import live_canvas
from napari_voxelmorph.gui.views.lazy import LazyArray
from napari_voxelmorph.gui.views.views import PairView

LAS = np.array([[-1.0, 0, 0, 30], [0, 1, 0, -40], [0, 0, 1, 5], [0, 0, 0, 1]])
SHAPE = (48, 56, 40)


def scan(name: str, kind: str = "image") -> Volume:
    """A box with smooth stripes; or its parts."""
    i, j, k = np.meshgrid(*(np.arange(n, dtype=np.float32) for n in SHAPE), indexing="ij")
    inside = (abs(i - 24) < 18) & (abs(j - 28) < 22) & (abs(k - 20) < 16)
    if kind == "labels":
        return Volume((inside * (1 + (i > 24) + 2 * (j > 30))).astype(np.int16), LAS, kind, name)
    return Volume(inside * (0.6 + 0.3 * np.sin(i / 4) * np.cos(j / 5)), LAS, name=name)


def bent(amount: float, pair: tuple[Volume, Volume]) -> Registration:
    grid = np.stack(np.meshgrid(*(np.arange(n) for n in SHAPE), indexing="ij"))
    data = amount * np.sin(grid / 7)[[1, 2, 0]].astype(np.float32)
    return Registration(*pair, np.eye(4), Field(data, np.ones(3), np.zeros(3), "displacement"))


@pytest.fixture
def patient(monkeypatch):
    """One movement, however slow the machine is."""
    monkeypatch.setattr(live_canvas, "_MOVING", 1e6)
    monkeypatch.setattr(live_canvas, "_REST", 10**6)


@pytest.fixture
def view(make_napari_viewer, patient):
    viewer = make_napari_viewer(show=True)
    viewer.window.resize(800, 600)
    view = PairView(viewer)
    pair = scan("fixed"), scan("moving")
    view.show_pair(*pair, np.eye(4), scan("parts", "labels"), scan("parts", "labels"))
    view.update(bent(1.0, pair))
    view.set_overlay("grid", True)
    view.pair = pair
    return view


def picture(view) -> np.ndarray:
    """The canvas (H, W, 3), 0 to 255."""
    return view.viewer.screenshot(canvas_only=True, flash=False)[..., :3].astype(int)


def drag(view, *amounts: float) -> None:
    for amount in amounts:
        assert view.preview(bent(amount, view.pair))


def as_napari_shows_it(view, amount: float) -> np.ndarray:
    view.layers.show(bent(amount, view.pair), live=True)
    assert not view.layers.quick.is_live
    return picture(view)


def show_all(view) -> None:
    view.layers.set_shown(("moved", "displacement", "jacobian", "fixed labels", "moved labels",
                           "grid at rest"), True)  # fmt: skip


def above_and_below(view) -> None:
    """The user's own: another grid below, points above."""
    viewer = view.viewer
    under = viewer.add_image(np.random.default_rng(0).random((20, 30, 30)), scale=(3, 3, 3),
                             translate=(0, -60, -40), interpolation2d="cubic")  # fmt: skip
    viewer.layers.move(viewer.layers.index(under), 0)
    middle = viewer.dims.point
    viewer.add_points(np.array([middle]), size=9, face_color="red", opacity=0.7)


LOOKS = {
    "plain": lambda view: None,
    "coronal": lambda view: view.set_plane("coronal"),
    "checkerboard": lambda view: view.set_mode("checkerboard"),
    "all": show_all,
    "above and below": above_and_below,
}


@pytest.mark.gl
def test_the_picture_is_the_same(view):
    for look, change in LOOKS.items():
        change(view)
        other, wanted = as_napari_shows_it(view, 1.0), as_napari_shows_it(view, 2.5)
        drag(view, 0.5, 1.5, 2.5)
        assert view.layers.quick.is_live, look
        found = picture(view)
        assert view.layers.quick.is_live, look
        error = abs(found - wanted)
        assert error.mean() < 1.0 and (error.max(axis=2) > 40).mean() < 0.01, look
        assert error.mean() < 0.3 * abs(other - wanted).mean(), look
        view.layers.quick.leave()
        assert abs(picture(view) - wanted).mean() < 0.01, look  # sliced anew by napari


@pytest.mark.gl
def test_slices_are_computed_once_a_frame_and_only_when_painted(view, monkeypatch):
    drag(view, 0.5, 1.0)
    picture(view)
    asked = []
    get = LazyArray.__getitem__
    monkeypatch.setattr(
        LazyArray, "__getitem__", lambda self, key: asked.append(self.compute) or get(self, key)
    )
    drag(view, *np.linspace(0.1, 2, 20))
    assert not asked
    picture(view)
    assert asked and len(asked) == len(set(asked))


def wheel(view):
    canvas = canvas_of(view.viewer)
    at = QPointF(canvas.width() / 2, canvas.height() / 2)
    move = QMouseEvent(QMouseEvent.Type.MouseMove, at, at, Qt.MouseButton.NoButton,
                       Qt.MouseButton.NoButton, Qt.KeyboardModifier.NoModifier)  # fmt: skip
    QApplication.sendEvent(canvas, move)


def in_3d_and_back(view) -> None:
    view.viewer.dims.ndisplay = 3
    drag(view, 0.3)
    assert not view.layers.quick.is_live
    view.viewer.dims.ndisplay = 2


def side_by_side_and_back(view) -> None:
    view.set_mode("side by side")
    drag(view, 0.3)
    assert not view.layers.quick.is_live
    view.set_mode("overlay")


HAPPENINGS = {
    "mouse": wheel,
    "zoom": lambda view: setattr(view.viewer.scene.camera, "zoom", 3.0),
    "another slice": lambda view: view.viewer.dims.set_point(0, view.viewer.dims.point[0] + 3),
    "opacity": lambda view: view.stack.set_opacity("moved", 0.4),
    "side by side": side_by_side_and_back,
    "3-D": in_3d_and_back,
    "the size": lambda view: view.viewer.window.resize(640, 520),
    "scale bar": lambda view: setattr(view.viewer.canvas.overlays.scale_bar, "visible", False),
    "the result": lambda view: view.update(bent(0.2, view.pair)),
    "an eye": lambda view: view.stack.show("grid", False),
    "a layer comes": lambda view: view.viewer.add_points(np.zeros((1, 3))),
    "a layer goes": lambda view: view.viewer.layers.remove(view.stack.get("grid")),
    "another pair": lambda view: view.show_pair(scan("a"), scan("b"), np.eye(4)),
    "all layers go": lambda view: view.viewer.layers.clear(),
}


@pytest.mark.gl
def test_whatever_happens_the_canvas_is_given_back(view):
    quick = view.layers.quick
    for what, happens in HAPPENINGS.items():
        if view.registration is None:  # another pair is in view
            assert not view.preview(bent(1.0, view.pair)), what
            pair = view.layers.scene.registration
            view.pair = pair.fixed, pair.moving
            view.update(bent(0.2, view.pair))
        drag(view, 0.5, 1.0)
        assert quick.is_live, what
        scene = quick._scene
        QApplication.processEvents()
        happens(view)
        QApplication.processEvents()
        assert not quick.is_live, what
        assert scene._view.visible and scene._node.parent is None, what
    drag(view, 0.5, 1.0)  # nothing is left to be shown
    view.clear()
    view.close()


@pytest.mark.gl
def test_the_window_closes_in_the_middle(view):
    drag(view, 0.5, 1.0)
    QApplication.processEvents()
    view.viewer.close()
    QApplication.processEvents()
    assert not view.layers.quick.is_live


@pytest.mark.gl
def test_rest_gives_it_back(view, qtbot):
    view.layers.quick._rest.interval = 50
    drag(view, 0.5, 1.0)
    qtbot.waitUntil(lambda: not view.layers.quick.is_live)
    shown = view.stack.get("moved")._slice.image.raw
    np.testing.assert_array_equal(shown, np.asarray(view.stack.get("moved").data[
        round((view.viewer.dims.point[0] - 5) / 1)]))  # fmt: skip


@pytest.mark.gl
def test_an_error_while_painting_is_met_outside_of_it(view, monkeypatch, qtbot):
    drag(view, 0.5, 1.0)
    picture(view)

    def fails(*_):
        raise MemoryError

    monkeypatch.setattr(LazyArray, "__getitem__", fails)
    drag(view, 1.5)
    qtbot.waitUntil(lambda: not view.layers.quick.is_live)
    with pytest.raises(MemoryError):
        view.preview(bent(2.0, view.pair))
    monkeypatch.undo()
    drag(view, 1.0, 1.2)


@pytest.mark.gl
def test_another_napari_is_no_trouble(view, monkeypatch):
    from napari_voxelmorph.gui.views.live_scene import LiveScene

    monkeypatch.setattr(LiveScene, "_above", lambda *_: (_ for _ in ()).throw(AttributeError))
    drag(view, 0.5, 1.0, 2.0)
    assert not view.layers.quick.is_live
    found = picture(view)
    assert abs(found - as_napari_shows_it(view, 2.0)).mean() < 0.01


def test_without_a_window_napari_slices(patient):
    pair = scan("fixed"), scan("moving")
    view = PairView(ViewerModel())
    view.show_pair(*pair, np.eye(4))
    view.update(bent(1.0, pair))
    for amount in (0.5, 1.0):
        view.preview(bent(amount, pair))
    assert not view.layers.quick.is_live
