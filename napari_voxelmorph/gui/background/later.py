"""Do something in a later turn of the event loop, unless its widget is gone by then."""

from __future__ import annotations

from collections.abc import Callable

from qtpy.QtCore import QObject, QTimer


def later(owner: QObject, callback: Callable[[], object], milliseconds: int = 0) -> None:
    """Call `callback` once; with `owner` the call goes away.

    (`QTimer.singleShot` with a function outlives the widget that asked for it.)
    """
    timer = QTimer(owner)
    timer.setSingleShot(True)
    timer.timeout.connect(lambda: callback())
    timer.timeout.connect(timer.deleteLater)
    timer.start(milliseconds)
