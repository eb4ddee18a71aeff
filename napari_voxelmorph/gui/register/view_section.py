"""The buttons that steer a `PairView`: a compact section for a dock."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from napari.qt.threading import create_worker
from napari.utils.notifications import show_error, show_info
from qtpy.QtGui import QKeySequence
from qtpy.QtWidgets import (
    QButtonGroup,
    QGridLayout,
    QHBoxLayout,
    QMenu,
    QPushButton,
    QShortcut,
    QVBoxLayout,
    QWidget,
)

from napari_voxelmorph.gui.background.farewell import when_destroyed
from napari_voxelmorph.gui.views.anatomy import PLANES
from napari_voxelmorph.gui.views.commit import COMMITTABLE, add_kept, kept_data
from napari_voxelmorph.gui.views.mode_settings import ModeSettings
from napari_voxelmorph.gui.views.modes import MODES
from napari_voxelmorph.gui.views.overlay_rows import KEYS, OverlayRows
from napari_voxelmorph.gui.views.views import PairView

_MODE_TIPS = {
    "overlay": "Fixed in magenta, moved in green: grey where they agree",
    "checkerboard": "Squares of the fixed and the moved image in turn",
    "swipe": "Fixed at the left of a line, moved at the right of it",
    "flicker": "Fixed and moved in turn: what jumps is not aligned",
    "difference": "Moved minus fixed, each scaled to its own range (same contrast only)",
    "side by side": "Two linked views: moved at the left, fixed at the right",
}
#: Some styles would give every button 80 pixels, and the dock a scroll bar.
_NARROWEST = 36
_SWITCH = "Click to switch (Alt+R); the camera turns, the data are never flipped"
_RADIOLOGICAL = f"Radiological: the patient's right is at the left of the screen. {_SWITCH}"
_NEUROLOGICAL = f"Neurological: the patient's right is at the right of the screen. {_SWITCH}"


class ViewSection(QWidget):
    """Modes, overlays, planes and comparison for one `PairView`.

    Parameters
    ----------
    pair_view : PairView
    """

    def __init__(self, pair_view: PairView, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.view = pair_view
        self.setMinimumWidth(340)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(6)
        column.addLayout(self._mode_row())
        self.mode_settings = ModeSettings(pair_view)
        column.addWidget(self.mode_settings)
        self.overlays = OverlayRows(pair_view)
        column.addWidget(self.overlays)
        #: What belongs to an overlay and needs more than the view.
        self.below_overlays = QVBoxLayout()
        column.addLayout(self.below_overlays)
        column.addLayout(self._plane_row())
        column.addLayout(self._compare_row())
        self._add_shortcuts()
        pair_view.changed.connect(self.sync)
        pair_view.viewer.dims.events.order.connect(self._on_dims)
        pair_view.viewer.dims.events.ndisplay.connect(self._on_dims)
        when_destroyed(self, self._let_go(pair_view))
        self.sync()

    # Building ---------------------------------------------------------------------------

    def _mode_row(self) -> QGridLayout:
        self.mode_buttons = QButtonGroup(self)
        grid = _tight(QGridLayout())
        for i, mode in enumerate(MODES):
            button = _toggle(mode.capitalize(), f"{_MODE_TIPS[mode]}  (Alt+{i + 1})")
            self.mode_buttons.addButton(button, i)
            grid.addWidget(button, i // 3, i % 3)
        self.mode_buttons.idClicked.connect(lambda i: self.view.set_mode(MODES[i]))
        return grid

    def _plane_row(self) -> QHBoxLayout:
        row = _tight(QHBoxLayout())
        self.plane_buttons = QButtonGroup(self)
        for i, plane in enumerate(PLANES):
            button = _toggle(plane.capitalize(), f"{plane.capitalize()} slices  (Alt+C: next)")
            self.plane_buttons.addButton(button, i)
            row.addWidget(button)
        solid = _toggle("3-D", "Volume rendering")
        self.plane_buttons.addButton(solid, len(PLANES))
        row.addWidget(solid)
        self.plane_buttons.idClicked.connect(self._on_plane)
        self.convention = QPushButton("R | L")
        self.convention.setMinimumWidth(_NARROWEST)
        self.convention.clicked.connect(self._on_convention)
        row.addWidget(self.convention)
        return row

    def _compare_row(self) -> QHBoxLayout:
        row = _tight(QHBoxLayout())
        self.before = QPushButton("Hold: before")
        self.before.setToolTip("Hold to see the pair before registration (Alt+B toggles)")
        self.before.pressed.connect(lambda: self.view.show_before(True))
        self.before.released.connect(lambda: self.view.show_before(False))
        self.keep = QPushButton("Keep as layer")
        self.keep.setToolTip("Compute an overlay for the whole volume and keep it as a layer of "
                             "its own, to save or to work on")  # fmt: skip
        menu = QMenu(self.keep)
        for name, words in COMMITTABLE.items():
            menu.addAction(words).triggered.connect(lambda _=False, n=name: self._on_keep(n))
        self.keep.setMenu(menu)
        row.addWidget(self.before, 1)
        row.addWidget(self.keep, 1)
        return row

    def _add_shortcuts(self) -> None:
        view = self.view
        keys: dict[str, Callable[[], Any]] = {
            "Alt+B": lambda: view.show_before(not view.showing_before),
            "Alt+C": view.next_plane,
            "Alt+R": self._on_convention,
        }
        for i, mode in enumerate(MODES):
            keys[f"Alt+{i + 1}"] = partial(view.set_mode, mode)
        for overlay, key in KEYS.items():
            keys[key] = partial(self.overlays.toggle, overlay)
        for key, action in keys.items():
            QShortcut(QKeySequence(key), self).activated.connect(action)

    # Showing the state ------------------------------------------------------------------

    def sync(self) -> None:
        """Make every button say what the view shows."""
        view = self.view
        self.mode_buttons.button(MODES.index(view.mode)).setChecked(True)
        self.mode_settings.sync()
        self.overlays.sync()
        solid = view.viewer.dims.ndisplay == 3
        plane = len(PLANES) if solid else PLANES.index(view.anatomy.plane)
        self.plane_buttons.button(plane).setChecked(True)
        for button in self.plane_buttons.buttons():
            button.setEnabled(view.viewer.dims.ndim >= 3)
        self.convention.setEnabled(view.viewer.dims.ndim >= 3)
        radiological = view.anatomy.convention == "radiological"
        self.convention.setText("R | L" if radiological else "L | R")
        self.convention.setToolTip(_RADIOLOGICAL if radiological else _NEUROLOGICAL)
        self.before.setEnabled(view.registration is not None)
        self.keep.setEnabled(view.has_pair)

    # Slots ------------------------------------------------------------------------------

    def _on_plane(self, i: int) -> None:
        if i < len(PLANES):
            self.view.set_plane(PLANES[i])
        else:
            self.view.viewer.dims.ndisplay = 3

    def _on_convention(self) -> None:
        radiological = self.view.anatomy.convention == "radiological"
        self.view.set_convention("neurological" if radiological else "radiological")

    def _on_keep(self, name: str) -> None:
        """Compute in a thread; the window stays alive."""
        worker = create_worker(kept_data, self.view, name)
        worker.returned.connect(self._on_kept)
        worker.errored.connect(lambda error: show_error(str(error)))
        worker.start()

    def _on_kept(self, layer_data: tuple[Any, dict[str, Any], str]) -> None:
        layer = add_kept(self.view, layer_data)
        show_info(f"“{layer.name}” is now a layer of its own.")

    def _on_dims(self, event: Any = None) -> None:
        self.sync()

    def _let_go(self, view: PairView) -> Callable[[], None]:
        sync, on_dims = self.sync, self._on_dims

        def let_go() -> None:
            view.changed.disconnect(sync, missing_ok=True)
            view.viewer.dims.events.order.disconnect(on_dims)
            view.viewer.dims.events.ndisplay.disconnect(on_dims)

        return let_go


def _toggle(words: str, tip: str) -> QPushButton:
    button = QPushButton(words)
    button.setCheckable(True)
    button.setToolTip(tip)
    button.setMinimumWidth(_NARROWEST)
    return button


def _tight(layout: Any) -> Any:
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setSpacing(4)
    return layout
