"""Keys of the QA dock, which never fire while something is being typed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from qtpy.QtCore import Qt
from qtpy.QtGui import QKeySequence
from qtpy.QtWidgets import (
    QAbstractSpinBox,
    QApplication,
    QComboBox,
    QLineEdit,
    QPlainTextEdit,
    QShortcut,
    QTextEdit,
    QWidget,
)

_TYPED_INTO = (QLineEdit, QPlainTextEdit, QTextEdit, QAbstractSpinBox)


def is_typing(widget: QWidget | None = None) -> bool:
    """Whether the keyboard goes into a text (default: the widget with the focus)."""
    focus = QApplication.focusWidget() if widget is None else widget
    return isinstance(focus, _TYPED_INTO) or (
        isinstance(focus, QComboBox) and bool(focus.isEditable())
    )


def add_keys(
    widget: QWidget, actions: dict[str, Callable[[], Any]], everywhere: bool = False
) -> dict[str, QShortcut]:
    """Bind keys to a dock: they work while the focus is in it, but not in a text.

    Parameters
    ----------
    actions : dict
        Key, as Qt writes it ("N", "Ctrl+E") -> what it does.
    everywhere : bool
        Also while the focus is elsewhere in the window, such as on the canvas; as long as the
        dock is seen.
    """
    context = (
        Qt.ShortcutContext.WindowShortcut
        if everywhere
        else Qt.ShortcutContext.WidgetWithChildrenShortcut
    )
    return {key: _shortcut(widget, key, action, context) for key, action in actions.items()}


def _shortcut(
    widget: QWidget, key: str, action: Callable[[], Any], context: Qt.ShortcutContext
) -> QShortcut:
    shortcut = QShortcut(QKeySequence(key), widget)
    shortcut.setContext(context)
    shortcut.setAutoRepeat(False)

    def press() -> None:
        if widget.isVisible() and not is_typing():
            action()

    shortcut.activated.connect(press)
    return shortcut
