"""A widget that the garbage collector finds before Qt destroys it must not take the process down."""

from __future__ import annotations

import gc
import weakref

from qtpy.QtWidgets import QApplication, QWidget

from napari_voxelmorph.gui.background import farewell


class Panel(QWidget):
    def __init__(self, said: list[str]) -> None:
        super().__init__()
        farewell.when_destroyed(self, lambda: said.append(self.words()))

    def words(self) -> str:
        return "bye"


def test_goodbye_is_said_once_when_qt_destroys_the_widget(qapp):
    said: list[str] = []
    panel = Panel(said)
    panel.deleteLater()
    del panel
    gc.collect()
    assert said == []
    QApplication.sendPostedEvents(None, 52)  # DeferredDelete
    assert said == ["bye"]


def test_a_widget_that_qt_still_owns_outlives_the_collector(qapp):
    said: list[str] = []
    parent = QWidget()
    panel = Panel(said)
    panel.setParent(parent)
    known = weakref.ref(panel)
    del panel
    gc.collect()
    assert known() is not None and said == []
    parent.deleteLater()
    del parent
    QApplication.sendPostedEvents(None, 52)
    assert said == ["bye"]
    gc.collect()
    assert known() is None
