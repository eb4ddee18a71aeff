"""The one line of settings that belongs to the present mode."""

from __future__ import annotations

from typing import Any

from qtpy.QtCore import Qt
from qtpy.QtWidgets import (
    QDoubleSpinBox,
    QHBoxLayout,
    QLabel,
    QSizePolicy,
    QSlider,
    QStackedWidget,
    QWidget,
)

from napari_voxelmorph.gui.views.modes import MODES
from napari_voxelmorph.gui.views.views import PairView

_STEPS = 1000


class ModeSettings(QStackedWidget):
    """Fade, square size, line position or interval, whichever the mode has."""

    def __init__(self, pair_view: PairView) -> None:
        super().__init__()
        self.view = pair_view
        self.fade = _slider("Fade between the fixed (left) and the moved image (right)")
        self.fade.setValue(_STEPS // 2)
        self.swipe = _slider("Where the line stands")
        self.checker = millimetres(2, 200, "Edge of the squares")
        self.flicker = _slider("Time per image")
        self.flicker.setRange(100, 2000)
        pages = {
            "overlay": ("Fixed", self.fade, "Moved"),
            "checkerboard": ("Squares", self.checker, ""),
            "swipe": ("Line", self.swipe, ""),
            "flicker": ("Fast", self.flicker, "Slow"),
            "difference": ("Blue: fixed brighter. Orange: moved brighter.", None, ""),
            "side by side": ("Moved at the left, fixed at the right; linked.", None, ""),
        }
        for mode in MODES:
            self.addWidget(_page(*pages[mode]))
        self.fade.valueChanged.connect(lambda v: self.view.fade(v / _STEPS))
        self.swipe.valueChanged.connect(lambda v: self._on_set(swipe=v / _STEPS))
        self.checker.valueChanged.connect(lambda v: self._on_set(checker_size=v))
        self.flicker.valueChanged.connect(lambda v: self._on_set(flicker_interval=v))
        self.setFixedHeight(self.sizeHint().height())

    def sync(self) -> None:
        """Show the page of the mode and its present values."""
        settings = self.view.settings
        self.setCurrentIndex(MODES.index(self.view.mode))
        for widget, value in (
            (self.fade, round(_faded(self.view) * _STEPS)),
            (self.swipe, round(settings.swipe * _STEPS)),
            (self.checker, settings.checker_size),
            (self.flicker, settings.flicker_interval),
        ):
            widget.blockSignals(True)
            widget.setValue(value)
            widget.blockSignals(False)

    def _on_set(self, **settings: Any) -> None:
        self.view.configure(**settings)


def _faded(view: PairView) -> float:
    """What `PairView.fade` was given, by the opacities that came of it."""
    fixed, moved = (view.stack.get(role) for role in ("fixed", "moved"))
    if fixed is None or moved is None:
        return 0.5
    return float(1 - fixed.opacity / 2 if fixed.opacity < 1 else moved.opacity / 2)


def millimetres(low: float, high: float, tip: str) -> QDoubleSpinBox:
    """A field for a length in mm that acts when the user has finished."""
    field = QDoubleSpinBox()
    field.setRange(low, high)
    field.setDecimals(1)
    field.setSuffix(" mm")
    field.setToolTip(tip)
    field.setKeyboardTracking(False)
    field.setMinimumWidth(84)
    return field


def _slider(tip: str) -> QSlider:
    slider = QSlider(Qt.Orientation.Horizontal)
    slider.setRange(0, _STEPS)
    slider.setToolTip(tip)
    return slider


def _page(before: str, widget: QWidget | None, after: str) -> QWidget:
    page = QWidget()
    row = QHBoxLayout(page)
    row.setContentsMargins(0, 0, 0, 0)
    label = QLabel(before)
    if widget is None:  # a sentence must not widen the dock
        label.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        label.setToolTip(before)
    row.addWidget(label)
    if widget is not None:
        row.addWidget(widget, 1)
    if after:
        row.addWidget(QLabel(after))
    return page
