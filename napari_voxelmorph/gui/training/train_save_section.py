"""Section 4 of the Train dock: give the trained model a name and put it on the shelf."""

from __future__ import annotations

from dataclasses import dataclass

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QLineEdit, QPushButton

from napari_voxelmorph.gui.background import memory
from napari_voxelmorph.gui.form_parts import Combo, Rows
from napari_voxelmorph.gui.section import Section, WrappingLabel

_LICENCES = (
    "not stated",
    "CC0-1.0",
    "CC-BY-4.0",
    "CC-BY-SA-4.0",
    "CC-BY-NC-4.0",
    "Apache-2.0",
    "MIT",
)
_NOTHING = "There is a model to save after the first validation."


@dataclass(frozen=True)
class Label:
    """What the user says of a model."""

    name: str
    licence: str
    description: str
    domain: str


class TrainSaveSection(Section):
    """Emits `save_asked`."""

    save_asked = Signal()

    def __init__(self) -> None:
        super().__init__("4  Save the model", "train save", open_at_first=False)
        self.about = WrappingLabel()
        self.name = QLineEdit()
        self.name.setPlaceholderText("such as hippocampus-T1")
        self.domain = QLineEdit()
        self.domain.setPlaceholderText("such as T1 MR of adults, hippocampus crops, 1 mm")
        self.description = QLineEdit()
        self.description.setPlaceholderText("what it is good for, in a sentence")
        self.licence = Combo()
        self.licence.setEditable(True)
        self.licence.addItems(_LICENCES)
        self.licence.setCurrentText(memory.recall_text("licence", _LICENCES[0]))
        self.button = QPushButton("Save to the shelf")
        self.button.setMinimumHeight(30)
        rows = Rows()
        rows.add("Name", self.name, "By which it is found in the Register dock")
        rows.add(
            "Trained on", self.domain, "Kind of scans: others may not suit it, and it will say so"
        )
        rows.add("For", self.description, "What it is good for")
        rows.add("Licence", self.licence, "Of the weights; mind the licence of the scans")
        for part in (self.about, rows, self.button):
            self.add(part)
        self.name.textChanged.connect(lambda *_: self._describe())
        self.button.clicked.connect(lambda: self.save_asked.emit())
        self._best = ""
        self._running = False
        self.show_best("", False)

    def show_best(self, best: str, running: bool) -> None:
        """`best` says in words what would be saved; empty while there is nothing."""
        self._best, self._running = best, running
        self._describe()

    def label(self) -> Label:
        """What the fields say."""
        licence = self.licence.currentText().strip()
        memory.remember("licence", licence)
        return Label(
            self.name.text().strip(),
            "" if licence == _LICENCES[0] else licence,
            self.description.text().strip(),
            self.domain.text().strip(),
        )

    def _describe(self) -> None:
        words = _NOTHING
        if self._best:
            words = f"The best weights so far are saved: {self._best}."
            if self._running:
                words += " The training goes on meanwhile."
        self.about.setText(words)
        named = bool(self.name.text().strip())
        self.button.setEnabled(bool(self._best) and named)
        self.button.setText(
            "Save to the shelf" if named or not self._best else "Give it a name first"
        )
