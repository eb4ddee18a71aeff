"""Form rows and drop-downs that line up, and never ask for more width than there is."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QComboBox,
    QFormLayout,
    QLabel,
    QSizePolicy,
    QStyle,
    QStyleOptionComboBox,
    QStylePainter,
    QWidget,
)

from napari_voxelmorph.gui.painter import painter_on

#: All labels of the dock are at least this wide, so that the fields line up.
_LABEL_WIDTH = 102


class Rows(QWidget):
    """Labelled fields, one below the other."""

    def __init__(self) -> None:
        super().__init__()
        self._form = QFormLayout(self)
        self._form.setContentsMargins(0, 0, 0, 0)
        self._form.setVerticalSpacing(5)
        self._form.setHorizontalSpacing(6)
        self._form.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        self._form.setLabelAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)

    def add(self, label: str, field: QWidget, help: str = "") -> None:
        """Append a row; `help` is shown by hovering the label or the field."""
        name = QLabel(label)
        name.setMinimumWidth(_LABEL_WIDTH)
        if help:
            name.setToolTip(f"<qt>{help}</qt>")
            field.setToolTip(f"<qt>{help}</qt>")
        self._form.addRow(name, field)

    def add_wide(self, widget: QWidget) -> None:
        """Append a widget without a label."""
        self._form.addRow(widget)


class Combo(QComboBox):
    """A drop-down that shortens its text with “…”, and ignores the wheel.

    Scrolling through a dock must not change what is chosen in it.
    """

    def __init__(self, elide: Any = Qt.TextElideMode.ElideRight) -> None:
        super().__init__()
        self._elide = elide
        self.setSizeAdjustPolicy(QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon)
        self.setMinimumContentsLength(5)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)

    def wheelEvent(self, event: Any) -> None:
        """Leave the wheel to the scroll area around."""
        event.ignore()

    def paintEvent(self, event: Any) -> None:
        """As Qt does, with the text shortened to the room that there is."""
        option = QStyleOptionComboBox()
        self.initStyleOption(option)
        room = self.style().subControlRect(
            QStyle.ComplexControl.CC_ComboBox, option, QStyle.SubControl.SC_ComboBoxEditField, self
        )
        option.currentText = self.fontMetrics().elidedText(
            option.currentText, self._elide, room.width() - 6
        )
        with painter_on(self, QStylePainter) as painter:
            painter.drawComplexControl(QStyle.ComplexControl.CC_ComboBox, option)
            painter.drawControl(QStyle.ControlElement.CE_ComboBoxLabel, option)
