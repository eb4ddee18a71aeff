"""The buttons of the Landmarks dock, and the dialogues for its files."""

from __future__ import annotations

from pathlib import Path

from qtpy.QtWidgets import (
    QCheckBox,
    QFileDialog,
    QHBoxLayout,
    QPushButton,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

_KINDS = "Landmarks (*.csv *.txt *.tsv *.fcsv *.pts);;All files (*)"
_USE_TIP = (
    "The pairs become the points of the Register dock and pull the deformation in its next run "
    "(“Landmark weight” in its settings)"
)


class LandmarkButtons(QWidget):
    """Place, undo, remove; open and save."""

    def __init__(self) -> None:
        super().__init__()
        self.place = QPushButton("Place pairs")
        self.place.setCheckable(True)
        self.undo = QPushButton("Undo")
        self.remove = QPushButton("Remove")
        self.load = QPushButton("Open…")
        self.save = QPushButton("Save…")
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        for line in (
            (
                (self.place, "Clicks on the canvas place points, until it is pressed again"),
                (self.undo, "Take the last point back"),
                (self.remove, "Remove the selected pairs"),
            ),
            (
                (self.load, "Two lists of points: of the fixed scan, then of the moving scan"),
                (self.save, "Two CSV files, NAME_fixed and NAME_moving, world RAS mm"),
            ),
        ):
            row = QHBoxLayout()
            for button, help in line:
                button.setToolTip(help)
                button.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
                row.addWidget(button, 1)
            column.addLayout(row)


def use_box() -> QCheckBox:
    """The choice whether the pairs take part in the registration."""
    box = QCheckBox("Use these landmarks in the registration")
    box.setToolTip(_USE_TIP)
    return box


def ask_two_lists(parent: QWidget) -> tuple[str, str] | None:
    """Names of the files with the fixed and with the moving points; None when cancelled."""
    names: list[str] = []
    for role in ("FIXED", "MOVING"):
        folder = str(Path(names[0]).parent) if names else ""
        title = f"Landmarks of the {role} scan"
        name, _ = QFileDialog.getOpenFileName(parent, title, folder, _KINDS)
        if not name:
            return None
        names.append(name)
    return names[0], names[1]


def ask_name(parent: QWidget) -> str:
    """The name under which pairs are saved; empty when cancelled."""
    return QFileDialog.getSaveFileName(parent, "Save the pairs", "landmarks.csv", "*.csv")[0]
