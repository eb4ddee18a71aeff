"""The check boxes of the overlays, with the spacing of those that have one."""

from __future__ import annotations

from functools import partial

from qtpy.QtWidgets import QCheckBox, QGridLayout, QWidget

from napari_voxelmorph.gui.views.mode_settings import millimetres
from napari_voxelmorph.gui.views.spread_words import LABELS_TIP, TIP
from napari_voxelmorph.gui.views.view_settings import OVERLAYS
from napari_voxelmorph.gui.views.views import PairView

#: Overlay -> words, key, tip.
_WORDS: dict[str, tuple[str, str, str]] = {
    "grid": ("Warped grid", "Alt+G", "A regular grid seen through the deformation: a voxel is "
             "bright where the moving position falls on a line (fixed → moving)"),
    "grid at rest": ("Undeformed grid", "Alt+U", "The same grid before the deformation (amber), "
                     "to see how far the lines have moved"),
    "arrows": ("Arrows", "Alt+A", "From each fixed voxel to where its intensity comes from, "
               "true length; redrawn when the slice rests"),
    "displacement": ("Displacement", "Alt+D", "Length of the displacement in mm, on the fixed "
                     "image; the pre-alignment is not counted"),
    "jacobian": ("Jacobian", "Alt+J", "Local change of volume, on the fixed image: blue "
                 "shrinks, orange grows, nothing keeps; yellow is folded (≤ 0)"),
    "uncertainty": ("Uncertainty", "Alt+Q", TIP),
    "label entropy": ("Label entropy", "Alt+Y", LABELS_TIP),
    "fixed labels": ("Fixed labels", "Alt+X", "Outlines of the fixed segmentation, in magenta"),
    "moved labels": ("Moved labels", "Alt+M", "Outlines of the moving segmentation, moved, in "
                     "the colours of its structures"),
    "landmarks": ("Landmarks", "Alt+K", "Fixed (magenta circles) and moved (green crosses) "
                  "landmarks within 3 mm of the slice"),
}  # fmt: skip
_PLACES = {
    "grid": (0, 0), "displacement": (0, 2),
    "arrows": (1, 0), "jacobian": (1, 2),
    "fixed labels": (2, 0), "moved labels": (2, 1), "landmarks": (2, 2),
    "grid at rest": (3, 0, 1, 2), "uncertainty": (3, 2),
    "label entropy": (4, 2),
}  # fmt: skip
KEYS = {overlay: key for overlay, (_, key, _) in _WORDS.items()}


class OverlayRows(QWidget):
    """Shows and sets the overlays of one `PairView`."""

    def __init__(self, pair_view: PairView) -> None:
        super().__init__()
        self.view = pair_view
        self.boxes: dict[str, QCheckBox] = {}
        self.grid_spacing = millimetres(1, 50, "Distance between the lines of the warped grid")
        self.arrow_spacing = millimetres(2, 50, "Distance between the arrows")
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setSpacing(4)
        grid.setVerticalSpacing(3)
        for overlay in OVERLAYS:
            words, key, tip = _WORDS[overlay]
            box = QCheckBox(words)
            box.setToolTip(f"{tip}  ({key})")
            box.clicked.connect(partial(self.view.set_overlay, overlay))
            self.boxes[overlay] = box
            grid.addWidget(box, *_PLACES[overlay])
        grid.addWidget(self.grid_spacing, 0, 1)
        grid.addWidget(self.arrow_spacing, 1, 1)
        for column in range(3):
            grid.setColumnStretch(column, 1)
        self.grid_spacing.valueChanged.connect(lambda mm: self.view.configure(grid_spacing=mm))
        self.arrow_spacing.valueChanged.connect(lambda mm: self.view.configure(arrow_spacing=mm))

    def toggle(self, overlay: str) -> None:
        """Show what is hidden and hide what is shown."""
        self.view.set_overlay(overlay, not self.view.is_overlay_on(overlay))

    def sync(self) -> None:
        """Show what the view shows."""
        for overlay, box in self.boxes.items():
            on = self.view.is_overlay_on(overlay)
            box.setEnabled(on or self.view.can_show(overlay))
            box.setChecked(on)
        for field, value in (
            (self.grid_spacing, self.view.settings.grid_spacing),
            (self.arrow_spacing, self.view.settings.arrow_spacing),
        ):
            field.blockSignals(True)
            field.setValue(value)
            field.blockSignals(False)
