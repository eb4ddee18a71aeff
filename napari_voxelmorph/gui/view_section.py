"""The buttons that steer a `PairView`: a compact section for a dock."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import contextmanager
from functools import partial
from typing import Any

from napari.qt.threading import create_worker
from napari.utils.notifications import show_error, show_info
from qtpy.QtCore import Qt
from qtpy.QtGui import QKeySequence
from qtpy.QtWidgets import (
    QButtonGroup,
    QCheckBox,
    QGridLayout,
    QHBoxLayout,
    QMenu,
    QPushButton,
    QShortcut,
    QSizePolicy,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from napari_voxelmorph.gui.anatomy import PLANES
from napari_voxelmorph.gui.commit import COMMITTABLE
from napari_voxelmorph.gui.mode_settings import ModeSettings, millimetres
from napari_voxelmorph.gui.modes import MODES
from napari_voxelmorph.gui.views import OVERLAYS, PairView

_MODE_TIPS = {
    "overlay": "Fixed in magenta, moved in green: grey where they agree",
    "checkerboard": "Squares of the fixed and the moved image in turn",
    "swipe": "Fixed at the left of a line, moved at the right of it",
    "flicker": "Fixed and moved in turn: what jumps is not aligned",
    "difference": "Moved minus fixed, each scaled to its own range (same contrast only)",
    "side by side": "Two linked views: moved at the left, fixed at the right",
}
_OVERLAYS: dict[str, tuple[str, str, str]] = {  # words, key, tip
    "grid": ("Warped grid", "Alt+G", "A regular grid seen through the deformation: a voxel is "
             "bright where the moving position falls on a line (fixed → moving)"),
    "arrows": ("Arrows", "Alt+A", "From each fixed voxel to where its intensity comes from, "
               "true length; redrawn when the slice rests"),
    "displacement": ("Displacement", "Alt+D", "Length of the displacement, mm"),
    "jacobian": ("Jacobian", "Alt+J", "Local change of volume: blue shrinks, orange grows, "
                 "black keeps; yellow is folded (≤ 0)"),
    "fixed labels": ("Fixed labels", "Alt+X", "Outlines of the fixed segmentation (faint)"),
    "moved labels": ("Moved labels", "Alt+M", "Outlines of the moving segmentation, moved"),
    "landmarks": ("Landmarks", "Alt+K", "Fixed (magenta circles) and moved (green crosses) "
                  "landmarks within 3 mm of the slice"),
}  # fmt: skip


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
        self._quiet = False
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(6)
        column.addLayout(self._mode_row())
        self.mode_settings = ModeSettings(pair_view)
        column.addWidget(self.mode_settings)
        column.addLayout(self._overlay_rows())
        column.addLayout(self._plane_row())
        column.addLayout(self._compare_row())
        self._add_shortcuts()
        pair_view.changed.connect(self.sync)
        pair_view.viewer.dims.events.order.connect(self._on_dims)
        pair_view.viewer.dims.events.ndisplay.connect(self._on_dims)
        self.destroyed.connect(self._let_go(pair_view))
        self.sync()

    # ------------------------------------------------------------------ building

    def _mode_row(self) -> QGridLayout:
        self.mode_buttons = QButtonGroup(self)
        grid = _tight(QGridLayout())
        for i, mode in enumerate(MODES):
            button = _toggle(mode.capitalize(), f"{_MODE_TIPS[mode]}  (Alt+{i + 1})")
            self.mode_buttons.addButton(button, i)
            grid.addWidget(button, i // 3, i % 3)
        self.mode_buttons.idClicked.connect(lambda i: self.view.set_mode(MODES[i]))
        return grid

    def _overlay_rows(self) -> QGridLayout:
        self.overlay_boxes: dict[str, QCheckBox] = {}
        grid = _tight(QGridLayout())
        for name, (words, key, tip) in _OVERLAYS.items():
            box = QCheckBox(words)
            box.setToolTip(f"{tip}  ({key})")
            box.clicked.connect(lambda on, o=name: self._on_overlay(o, on))
            self.overlay_boxes[name] = box
        self.grid_spacing = millimetres(1, 50, "Distance between grid lines")
        self.arrow_spacing = millimetres(2, 50, "Distance between arrows")
        self.grid_spacing.valueChanged.connect(lambda mm: self._on_setting(grid_spacing=mm))
        self.arrow_spacing.valueChanged.connect(lambda mm: self._on_setting(arrow_spacing=mm))
        boxes = self.overlay_boxes
        for row, (left, spin, right) in enumerate((
            ("grid", self.grid_spacing, "displacement"),
            ("arrows", self.arrow_spacing, "jacobian"),
        )):  # fmt: skip
            grid.addWidget(boxes[left], row, 0)
            grid.addWidget(spin, row, 1)
            grid.addWidget(boxes[right], row, 2)
        grid.addWidget(boxes["fixed labels"], 2, 0)
        grid.addWidget(boxes["moved labels"], 2, 1)
        grid.addWidget(boxes["landmarks"], 2, 2)
        for column in range(3):
            grid.setColumnStretch(column, 1)
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
        self.convention = _toggle("R | L", "")
        self.convention.clicked.connect(self._on_convention)
        row.addWidget(self.convention)
        return row

    def _compare_row(self) -> QHBoxLayout:
        row = _tight(QHBoxLayout())
        self.before = _toggle("Hold: before", "Hold to see the pair before registration; "
                              "Alt+B toggles")  # fmt: skip
        self.before.setCheckable(False)
        self.before.pressed.connect(lambda: self.view.show_before(True))
        self.before.released.connect(lambda: self.view.show_before(False))
        self.keep = QToolButton()
        self.keep.setText("Keep as layer")
        self.keep.setToolTip("Compute an overlay for the whole volume and keep it as a layer of "
                             "its own, to save or to work on")  # fmt: skip
        self.keep.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextOnly)
        self.keep.setPopupMode(QToolButton.ToolButtonPopupMode.InstantPopup)
        self.keep.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        menu = QMenu(self.keep)
        for name, words in COMMITTABLE.items():
            menu.addAction(words).triggered.connect(lambda _=False, n=name: self._on_keep(n))
        self.keep.setMenu(menu)
        row.addWidget(self.before)
        row.addWidget(self.keep)
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
        for name, (_, key, _tip) in _OVERLAYS.items():
            keys[key] = partial(self._on_toggle, name)
        for key, action in keys.items():
            QShortcut(QKeySequence(key), self).activated.connect(action)

    # ------------------------------------------------------------------ showing the state

    def sync(self) -> None:
        """Make every button say what the view shows."""
        view = self.view
        with self._silence():
            self.mode_buttons.button(MODES.index(view.mode)).setChecked(True)
            self.mode_settings.sync()
            for name, box in self.overlay_boxes.items():
                box.setEnabled(view.can_show(name))
                box.setChecked(view.is_overlay_on(name))
            self.grid_spacing.setValue(view.settings.grid_spacing)
            self.arrow_spacing.setValue(view.settings.arrow_spacing)
            solid = view.viewer.dims.ndisplay == 3
            plane = len(PLANES) if solid else PLANES.index(view.anatomy.plane)
            self.plane_buttons.button(plane).setChecked(True)
            for button in self.plane_buttons.buttons():
                button.setEnabled(view.viewer.dims.ndim >= 3)
            radiological = view.anatomy.convention == "radiological"
            self.convention.setText("R | L" if radiological else "L | R")
            self.convention.setChecked(False)
            self.convention.setToolTip(
                ("Radiological: the patient's right is at the left of the screen. "
                 if radiological else
                 "Neurological: the patient's right is at the right of the screen. ")
                + "Click to switch (Alt+R); data are never flipped"
            )  # fmt: skip
            self.before.setEnabled(view.registration is not None)
            self.keep.setEnabled(view.has_pair)

    # ------------------------------------------------------------------ slots

    def _on_overlay(self, name: str, on: bool) -> None:
        self.view.set_overlay(name, on)
        self.sync()

    def _on_toggle(self, name: str) -> None:
        self._on_overlay(name, not self.view.is_overlay_on(name))

    def _on_setting(self, **settings: float) -> None:
        if not self._quiet:
            self.view.configure(**settings)

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
        worker = create_worker(self.view.commit_data, name)
        worker.returned.connect(self._on_kept)
        worker.errored.connect(lambda error: show_error(str(error)))
        worker.start()

    def _on_kept(self, layer_data: tuple[Any, dict[str, Any], str]) -> None:
        layer = self.view.add_committed(layer_data)
        show_info(f"“{layer.name}” is now a layer of its own.")

    def _on_dims(self, event: Any = None) -> None:
        self.sync()

    @contextmanager
    def _silence(self) -> Any:
        self._quiet = True
        try:
            yield
        finally:
            self._quiet = False

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
    button.setMinimumWidth(0)
    return button


def _tight(layout: Any) -> Any:
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setSpacing(4)
    return layout


assert set(_OVERLAYS) == set(OVERLAYS)
