"""Somebody who does anything that a hand can do in the window, by a seed; for the tests."""

from __future__ import annotations

import random
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from napari.layers import Image, Labels
from napari.utils.notifications import NotificationSeverity, notification_manager
from qtpy.QtCore import QPoint, Qt, QTimer
from qtpy.QtTest import QTest
from qtpy.QtWidgets import (
    QAbstractButton,
    QAbstractItemView,
    QAbstractSlider,
    QApplication,
    QComboBox,
    QDialog,
    QDoubleSpinBox,
    QFileDialog,
    QInputDialog,
    QLineEdit,
    QMenu,
    QMessageBox,
    QPushButton,
    QSpinBox,
    QWidget,
)

from napari_voxelmorph.engine.result import Registration
from napari_voxelmorph.gui.apply.apply_dock import ApplyDock
from napari_voxelmorph.gui.lambda_strip.strip import LambdaStrip
from napari_voxelmorph.gui.landmarks.landmarks_dock import LandmarksDock
from napari_voxelmorph.gui.message import Message
from napari_voxelmorph.gui.models.models_dock import ModelsDock
from napari_voxelmorph.gui.qa.qa_dock import QaDock
from napari_voxelmorph.gui.register.jobs import Outcome, Pair
from napari_voxelmorph.gui.register.register_dock import RegisterDock
from napari_voxelmorph.gui.training.train_dock import TrainDock
from napari_voxelmorph.gui.views.modes import MODES

DOCKS: dict[str, Any] = {
    "Register": RegisterDock, "Segmentation QA": QaDock, "Landmarks": LandmarksDock,
    "Apply": ApplyDock, "Train": TrainDock, "Models": ModelsDock, "Tune λ": LambdaStrip,
}  # fmt: skip
#: In the sentence of an exception that nobody thought of.
UNEXPECTED = "Something unexpected happened"
_KEYS = "123456BCRGUADJXMKQ"


class Monkey:
    """Does random things; `trouble` is all that went wrong.

    Parameters
    ----------
    viewer : napari.Viewer
    seed : int
    folder : Path
        With files to open (``in``) and to write into (``out``).
    """

    def __init__(self, viewer: Any, seed: int, folder: Path) -> None:
        self.viewer, self.folder = viewer, folder
        self.random = random.Random(seed)
        self.docks: dict[str, QWidget] = {}
        self.log: list[str] = []
        self.trouble: list[str] = []
        self.moves: list[Callable[[], object]] = [
            *[self.poke] * 12, *[self.register] * 3, *[self.drag] * 3, *[self.key] * 2,
            self.add, self.add, self.remove, self.rename, self.reorder, self.choose, self.choose,
            self.open_dock, self.open_dock, self.close_dock, self.hide_dock, self.slice,
            self.take_up, self.paint, self.theme,
        ]  # fmt: skip

    def act(self) -> None:
        """One thing, and a moment of rest."""
        move = self.random.choice(self.moves)
        self.log.append(move.__name__)
        move()
        QTest.qWait(self.random.choice([0, 0, 1, 10, 40]))
        self.look()

    def look(self) -> None:
        """Note what the window says that it never should."""
        for message in self.viewer.window._qt_window.findChildren(Message):
            if UNEXPECTED in message.text.text():
                self.trouble.append(message.details)
                message.clear()
        strip = self.docks.get("Tune λ")
        if strip is not None and UNEXPECTED in strip.row.words.text():  # type: ignore[attr-defined]
            self.trouble.append(strip.row.words.text())  # type: ignore[attr-defined]
        for note in notification_manager.records:
            if note.severity >= NotificationSeverity.ERROR:
                self.trouble.append(f"napari shows: {note.message}")
        notification_manager.records.clear()

    # Layers -------------------------------------------------------------------------------

    def add(self) -> None:
        """An image, a segmentation or points, of whatever shape."""
        shape = self.random.choice(
            [(20, 18, 12), (17, 21, 14), (40, 36), (2, 16, 15, 12), (1, 9, 9)]
        )
        data = np.random.default_rng(self.random.randrange(100)).random(shape).astype(np.float32)
        kind = self.random.choice(["image", "image", "image", "labels", "points", "shapes"])
        if kind == "image":
            if self.random.random() < 0.2:
                data.flat[:: self.random.choice([1, 7])] = np.nan
            self.viewer.add_image(data, name="a/b <b>", scale=[1.5] * data.ndim)
        elif kind == "labels":
            self.viewer.add_labels((data * 4).astype(np.uint8))
        elif kind == "points":
            self.viewer.add_points(data.reshape(-1, shape[-1])[:6, : len(shape)])
        else:
            self.viewer.add_shapes()

    def _layer(self, kind: Any = object) -> Any:
        found = [layer for layer in self.viewer.layers if isinstance(layer, kind)]
        return self.random.choice(found) if found else None

    def remove(self) -> None:
        """A layer, or all of them."""
        if self.random.random() < 0.1:
            self.viewer.layers.clear()
        elif (layer := self._layer()) is not None:
            self.viewer.layers.remove(layer)

    def rename(self) -> None:
        """A layer."""
        if (layer := self._layer()) is not None:
            layer.name = self.random.choice(["", "../x", "moved", "fixed", "ünï", "x" * 300])

    def reorder(self) -> None:
        """Move, hide, select or edit a layer."""
        layer = self._layer()
        if layer is None:
            return
        self.viewer.layers.move(self.viewer.layers.index(layer), 0)
        layer.visible = self.random.random() < 0.8
        self.viewer.layers.selection = {layer}
        if isinstance(layer, Image) and self.random.random() < 0.2:
            layer.data = np.asarray(layer.data)[..., ::-1].copy()

    def paint(self) -> None:
        """Into a segmentation, and take it back."""
        layer = self._layer(Labels)
        if layer is not None and layer.ndim == self.viewer.dims.ndim and layer.editable:
            layer.paint([n // 2 for n in layer.data.shape], self.random.randrange(5))
            if self.random.random() < 0.5:
                layer.undo()

    def slice(self) -> None:
        """Another slice, another plane, or 3-D."""
        dims = self.viewer.dims
        dims.set_point(0, self.random.uniform(*dims.range[0][:2]))
        if self.random.random() < 0.1:
            dims.ndisplay = self.random.choice([2, 2, 3])

    def theme(self) -> None:
        """Dark or light."""
        self.viewer.theme = self.random.choice(["dark", "light"])

    # Docks --------------------------------------------------------------------------------

    def open_dock(self, name: str = "") -> None:
        """Open one that is not there, or show it again."""
        name = name or self.random.choice(list(DOCKS))
        if name in self.docks:
            self.docks[name].parentWidget().show()
            return
        self.docks[name] = DOCKS[name](self.viewer)
        area = "bottom" if name == "Tune λ" else "right"
        self.viewer.window.add_dock_widget(self.docks[name], name=name, area=area, tabify=True)

    def close_dock(self) -> None:
        """For good."""
        if self.docks:
            name = self.random.choice(list(self.docks))
            dock = self.docks.pop(name)
            self.log.append(f"  {name}")
            self.viewer.window.remove_dock_widget(dock)
            dock.deleteLater()

    def hide_dock(self) -> None:
        """Its tab or its eye."""
        if self.docks:
            self.docks[self.random.choice(list(self.docks))].parentWidget().hide()

    def choose(self) -> None:
        """Layers for the roles of the Register dock."""
        dock = self.docks.get("Register")
        if isinstance(dock, RegisterDock):
            for role, choice in dock.inputs.choices.items():
                if choice.layers and (role in ("moving", "fixed") or self.random.random() < 0.3):
                    dock.inputs.choose(role, self.random.choice(choice.layers))

    def register(self) -> None:
        """The button: register, or cancel."""
        dock = self.docks.get("Register")
        if isinstance(dock, RegisterDock):
            self.random.choice([dock.controls.button] * 3 + [dock.controls.stop]).click()

    def take_up(self) -> None:
        """A result with segmentations, as a worklist or a session brings one."""
        dock = self.docks.get("Register")
        if isinstance(dock, RegisterDock):
            ndim = self.random.choice([2, 3])
            dock.runner.take_up(outcome_of(ndim, self.random.random() < 0.7))

    def drag(self) -> None:
        """λ, by hand or by keys."""
        strip = self.docks.get("Tune λ")
        if not isinstance(strip, LambdaStrip):
            return
        slider = strip.slider
        for _ in range(self.random.randrange(1, 6)):
            slider.dragged.emit(self.random.random())
        what = self.random.randrange(6)
        if what == 0:
            QTest.mouseClick(
                slider, Qt.MouseButton.LeftButton, pos=QPoint(self.random.randrange(300), 60)
            )
        elif what == 1:
            QTest.keyPress(slider, self.random.choice([Qt.Key.Key_Left, Qt.Key.Key_PageUp]))
        elif what == 2:
            strip.showing.pin(self.random.choice("AB"))
        elif what == 3:
            strip.showing.hold(self.random.random() < 0.5)
        slider.released.emit()

    def key(self) -> None:
        """A view mode, an overlay, before and after."""
        dock = self.docks.get("Register")
        if not isinstance(dock, RegisterDock):
            return
        view = dock.pair_view
        key = self.random.choice(_KEYS)
        if key.isdigit():
            view.set_mode(MODES[int(key) - 1])
        elif key == "B":
            view.show_before(not view.showing_before)
        elif key == "C":
            view.next_plane()
        else:
            QTest.keyClick(dock, key, Qt.KeyboardModifier.AltModifier)

    def poke(self) -> None:
        """Press, choose, type or move something that is to be seen in one of the docks."""
        if not self.docks:
            return
        name = self.random.choice(list(self.docks))
        kinds = (QAbstractButton, QComboBox, QSpinBox, QDoubleSpinBox, QAbstractSlider, QLineEdit,
                 QAbstractItemView)  # fmt: skip
        dock = self.docks[name]
        parts = [w for w in dock.findChildren(QWidget) if isinstance(w, kinds) and w.isEnabled()
                 and w.isVisibleTo(dock)]  # fmt: skip
        if parts:
            part = self.random.choice(parts)
            self.log.append(f"  {name}: {type(part).__name__} {getattr(part, 'text', str)()!s:.40}")
            self._use(part)

    def _use(self, part: QWidget) -> None:
        if isinstance(part, QPushButton) and part.menu() is not None:
            part.menu().aboutToShow.emit()
            actions = [a for a in part.menu().actions() if a.isEnabled() and not a.isSeparator()]
            if actions:
                self.random.choice(actions).trigger()
        elif isinstance(part, QAbstractButton):
            part.click()
        elif isinstance(part, QComboBox):
            if part.count():
                index = self.random.randrange(part.count())
                part.setCurrentIndex(index)
                part.activated.emit(index)
        elif isinstance(part, QSpinBox):
            part.setValue(self.random.randint(part.minimum(), min(part.maximum(), 40)))
        elif isinstance(part, QDoubleSpinBox):
            part.setValue(self.random.uniform(part.minimum(), min(part.maximum(), 40)))
        elif isinstance(part, QAbstractSlider):
            part.setValue(self.random.randint(part.minimum(), part.maximum()))
        elif isinstance(part, QLineEdit):
            if not part.isReadOnly():
                part.setText(
                    self.random.choice(["", "0.5", "-1", "abc", "10x5", "5,5,0", "nan", "9" * 40])
                )
                part.returnPressed.emit()
                part.editingFinished.emit()
        elif isinstance(part, QAbstractItemView) and part.model() is not None:
            rows = part.model().rowCount()
            if rows:
                index = part.model().index(self.random.randrange(rows), 0)
                part.setCurrentIndex(index)
                part.clicked.emit(index)

    # What the user would answer -----------------------------------------------------------

    def path(self, *_: Any, **__: Any) -> str:
        """A file or folder to open or to write, or nothing."""
        there = sorted(str(p) for p in (self.folder / "in").iterdir())
        new = [str(self.folder / "out" / n) for n in ("x.nii.gz", "x", "x.csv", "x.html", "x.h5")]
        return self.random.choice(["", *there, *new, str(self.folder / "out"), "/nowhere/x.nii"])


def outcome_of(ndim: int, labels: bool) -> Outcome:
    """A deformed pair of noise images."""
    from .conftest import deformed_pair

    made = deformed_pair(ndim)
    result = Registration(
        made.fixed, made.moving, made.result.affine, made.result.field,
        metrics={"similarity_before": 0.1, "similarity_after": 0.5}, timings={"total": 1.0},
    )  # fmt: skip
    ids = made.labels.with_data(np.asarray(made.labels.data // 10**10, np.uint8))
    fixed = made.fixed.with_data((made.fixed.data * 4).astype(np.uint8), kind="labels")
    named = {"moving_labels": ids, "fixed_labels": fixed} if labels else {}
    return Outcome(result, Pair(made.moving, made.fixed, **named), np.eye(ndim + 1))


@contextmanager
def answering(monkey: Monkey, patch: Any) -> Iterator[None]:
    """Questions of the window are answered, at random, instead of stopping the test."""
    pick = monkey.random
    patch.setattr(QFileDialog, "getOpenFileName", lambda *_, **__: (monkey.path(), ""))
    patch.setattr(QFileDialog, "getSaveFileName", lambda *_, **__: (monkey.path(), ""))
    patch.setattr(QFileDialog, "getExistingDirectory", monkey.path)
    patch.setattr(
        QFileDialog, "getOpenFileNames", lambda *_, **__: ([p for p in [monkey.path()] if p], "")
    )
    patch.setattr(
        QInputDialog,
        "getText",
        lambda *_, **__: (pick.choice(["", "a", "../b"]), pick.random() < 0.7),
    )
    patch.setattr(QMenu, "exec", lambda *_, **__: None)

    def answer() -> None:
        box = QApplication.activeModalWidget()
        if isinstance(box, QMessageBox):
            monkey.log.append(f"  box: {box.text():.60}")
            if "Traceback" in box.text() + box.informativeText():
                monkey.trouble.append(box.text())
            pick.choice(box.buttons()).click()
        elif isinstance(box, QDialog):
            box.reject()

    timer = QTimer()
    timer.timeout.connect(answer)
    timer.start(30)
    try:
        yield
    finally:
        timer.stop()


@contextmanager
def watched(trouble: list[str]) -> Iterator[None]:
    """Whatever is raised in a slot, a timer or a thread."""
    before = sys.excepthook, threading.excepthook

    def note(kind: Any, error: Any, trace: Any) -> None:
        import traceback

        trouble.append("".join(traceback.format_exception(kind, error, trace)))

    sys.excepthook = note
    threading.excepthook = lambda a: note(a.exc_type, a.exc_value, a.exc_traceback)
    try:
        yield
    finally:
        sys.excepthook, threading.excepthook = before
