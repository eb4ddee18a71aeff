"""The foot of the QA dock: verdicts on the case and on structures, and the note."""

from __future__ import annotations

from qtpy.QtCore import Qt, Signal
from qtpy.QtWidgets import (
    QCheckBox,
    QGridLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QSizePolicy,
    QWidget,
)
from superqt import QElidingLabel

from napari_voxelmorph.gui.background import memory

#: Answer -> words, sign, colour, key for the case, key for the structure.
ANSWERS = {
    "accept": ("Accept", "✓", "#58c878", "1", "A"),
    "review": ("Review", "?", "#e3b617", "2", "R"),
    "reject": ("Reject", "✗", "#ff6b5e", "3", "X"),
}
_ON = "qa/next after verdict"
_NOTE = "Note on the case (keys are off while you type)"


class VerdictPanel(QWidget):
    """Three buttons for the case, three for the selected structures, a note."""

    #: accept, review, reject; True when it is about the selected structures.
    given = Signal(str, bool)
    #: The note on the case was changed and left.
    noted = Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self.buttons: dict[tuple[str, bool], QPushButton] = {}
        self.about = QElidingLabel()
        self.note = QLineEdit()
        self.go_on = QCheckBox("then the next case")
        self.go_on.setToolTip("A verdict on the case opens the next one")
        self.go_on.setChecked(memory.recall_truth(_ON, True))
        self.go_on.toggled.connect(lambda on: memory.remember(_ON, on))
        self._kept = self._closed = ""
        grid = QGridLayout(self)
        grid.setContentsMargins(8, 2, 8, 6)
        grid.setHorizontalSpacing(4)
        grid.setVerticalSpacing(4)
        self.about.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        grid.addWidget(self.about, 0, 0, 1, 4)
        grid.addWidget(QLabel("Structure"), 1, 0)
        self._add_buttons(grid, 1, True)
        grid.addWidget(self.note, 2, 0, 1, 4)
        grid.addWidget(QLabel("Case"), 3, 0)
        self._add_buttons(grid, 3, False)
        grid.addWidget(self.go_on, 4, 0, 1, 4)
        grid.setColumnStretch(0, 1)
        for column in (1, 2, 3):
            grid.setColumnStretch(column, 2)
        self.note.editingFinished.connect(self._on_note)
        self.show_structures([], {})
        self.show_case(None, "", "Open a worklist to keep verdicts.")

    def _add_buttons(self, grid: QGridLayout, row: int, structure: bool) -> None:
        for column, (answer, (words, sign, *_)) in enumerate(ANSWERS.items(), 1):
            button = QPushButton(f"{sign} {words}")
            button.setCheckable(True)
            button.setFocusPolicy(Qt.FocusPolicy.NoFocus)
            button.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
            button.setMinimumHeight(24 if structure else 32)
            button.clicked.connect(
                lambda *_, answer=answer, structure=structure: self.given.emit(answer, structure)
            )
            self.buttons[answer, structure] = button
            grid.addWidget(button, row, column)

    # What is shown ------------------------------------------------------------------------

    def show_structures(self, names: list[str], answers: dict[str, int]) -> None:
        """The selected structures, and how many of them have each answer."""
        count = len(names)
        text = names[0] if count == 1 else f"{count} structures" if count else ""
        self.about.setText(text or "Choose structures in the table to judge them one by one.")
        self.about.setToolTip("<br>".join(names[:20]))
        for answer in ANSWERS:
            self._mark(answer, True, count > 0 and answers.get(answer, 0) == count)
            self.buttons[answer, True].setEnabled(count > 0 and not self._closed)

    def show_case(self, answer: str | None, note: str, closed: str = "") -> None:
        """The verdict on the case; `closed` says why none can be given."""
        for key in ANSWERS:
            self._mark(key, False, key == answer)
        typed = self.note.text().strip() != self._kept
        self._closed = closed
        self.note.setPlaceholderText(closed or _NOTE)
        if not typed or closed:
            self._kept = note
            self.note.setText(note)
        self.note.setEnabled(not closed)
        self.go_on.setEnabled(not closed)
        for (key, structure), button in self.buttons.items():
            button.setEnabled(not closed)
            words, _, _, *keys = ANSWERS[key]
            what = "the selected structures" if structure else "the case"
            also = "" if structure else f"; on the canvas Alt+{keys[0]}"
            button.setToolTip(closed or f"{words} {what} (key {keys[structure]}{also})")

    def _mark(self, answer: str, structure: bool, on: bool) -> None:
        button = self.buttons[answer, structure]
        button.setChecked(on)
        color = ANSWERS[answer][2]
        button.setStyleSheet(
            f"QPushButton {{ background: {color}; color: black; font-weight: bold; }}" if on else ""
        )

    def take_note(self) -> str:
        """What is written now."""
        self._kept = self.note.text().strip()
        return self._kept

    def flush(self) -> None:
        """Hand over what is typed, before another case comes."""
        self._on_note()

    def _on_note(self) -> None:
        if self.note.isEnabled() and self.note.text().strip() != self._kept:
            self.noted.emit(self.take_note())
