"""The top of the QA dock: worklist, reader, progress, previous and next, export."""

from __future__ import annotations

from qtpy.QtCore import Signal
from qtpy.QtWidgets import (
    QFileDialog,
    QHBoxLayout,
    QLineEdit,
    QMenu,
    QProgressBar,
    QPushButton,
    QSizePolicy,
    QToolButton,
    QVBoxLayout,
    QWidget,
)
from superqt import QElidingLabel

from napari_voxelmorph.gui.qa.reviewing import Reviewing

_TABLES = "Worklist (*.csv *.tsv *.txt)"
_READER_HELP = "Who is judging. Each reader's verdicts are kept apart; two can be compared."


class ReviewBar(QWidget):
    """Shows a `Reviewing`, and asks it."""

    #: Print the review to this PDF file.
    pdf_asked = Signal(str)
    #: Something was written: a sentence.
    told = Signal(str)

    def __init__(self, reviewing: Reviewing) -> None:
        super().__init__()
        self._reviewing = reviewing
        self.open_button = QPushButton("Open worklist")
        menu = QMenu(self.open_button)
        menu.addAction("Table… (CSV, TSV)").triggered.connect(lambda *_: self._ask_file())
        menu.addAction("Folder… (saved sessions, or BIDS)").triggered.connect(
            lambda *_: self._ask_folder()
        )
        self.open_button.setMenu(menu)
        self.open_button.setToolTip("Cases to judge one after the other; progress is kept on disk")
        self.export = QPushButton("Export")
        menu = QMenu(self.export)
        for text, name in (
            ("Report… (HTML)", "report.html"), ("Report… (PDF)", "report.pdf"),
            ("Table… (CSV)", "review.csv"), ("Table… (TSV)", "review.tsv"),
        ):  # fmt: skip
            menu.addAction(text).triggered.connect(lambda *_, name=name: self._ask_where(name))
        self.export.setMenu(menu)
        self.reader = QLineEdit()
        self.reader.setPlaceholderText("reader")
        self.reader.setToolTip(_READER_HELP)
        self.case = QElidingLabel()
        self.case.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.progress = QProgressBar()
        self.progress.setMaximumHeight(16)
        self.previous, self.next = QToolButton(), QToolButton()
        for button, text, help in (
            (self.previous, "◀", "Previous case (P; on the canvas Alt+Left)"),
            (self.next, "▶", "Next case (N; on the canvas Alt+Right)"),
        ):
            button.setText(text)
            button.setToolTip(help)
            button.setMinimumWidth(30)
        self._lay_out()
        self.previous.clicked.connect(lambda: reviewing.step(-1))
        self.next.clicked.connect(lambda: reviewing.step(1))
        self.reader.editingFinished.connect(self._on_reader)
        reviewing.changed.connect(self.refresh)
        self.refresh()

    def _lay_out(self) -> None:
        top, bottom = QHBoxLayout(), QHBoxLayout()
        for button in (self.open_button, self.export):
            button.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        top.addWidget(self.open_button, 3)
        top.addWidget(self.export, 2)
        top.addWidget(self.reader, 2)
        self.cases = QWidget()
        bottom.setContentsMargins(0, 0, 0, 0)
        bottom.addWidget(self.previous)
        bottom.addWidget(self.case, 1)
        bottom.addWidget(self.next)
        self.cases.setLayout(bottom)
        column = QVBoxLayout(self)
        column.setContentsMargins(8, 6, 8, 2)
        column.setSpacing(4)
        column.addLayout(top)
        column.addWidget(self.cases)
        column.addWidget(self.progress)

    def refresh(self) -> None:
        """Show where the review stands."""
        reviewing = self._reviewing
        worklist = reviewing.worklist
        for widget in (self.cases, self.progress):
            widget.setVisible(worklist is not None)
        self.export.setEnabled(worklist is not None)
        self.export.setToolTip(
            "Verdicts, numbers and pictures of this worklist" if worklist is not None
            else "Open a worklist first: verdicts on its cases can then be exported"
        )  # fmt: skip
        if not self.reader.hasFocus():
            self.reader.setText(reviewing.reader)
        if worklist is None:
            self.open_button.setText("Reading…" if reviewing.reading else "Open worklist")
            return
        count = len(worklist.cases)
        name = "" if reviewing.case is None else reviewing.case.name
        text = "Opening the case…" if reviewing.reading else name
        self.case.setText(f"{reviewing.at + 1} of {count}: {text}")
        self.case.setToolTip(f"<qt>{worklist.name}: {name}<br>Kept in {worklist.folder}</qt>")
        self.previous.setEnabled(reviewing.at > 0)
        self.next.setEnabled(reviewing.at < count - 1)
        self.progress.setRange(0, count)
        self.progress.setValue(reviewing.answered)
        self.progress.setFormat(f"{reviewing.answered} of {count} judged")
        self.open_button.setText("Open worklist")

    def _on_reader(self) -> None:
        name = self.reader.text().strip()
        if name != self._reviewing.reader and not self._reviewing.set_reader(name):
            self.reader.setText(self._reviewing.reader)

    def _ask_file(self) -> None:
        path, _ = QFileDialog.getOpenFileName(self, "Open a worklist", "", _TABLES)
        if path:
            self._reviewing.open(path)

    def _ask_folder(self) -> None:
        path = QFileDialog.getExistingDirectory(self, "Folder of saved sessions, or BIDS data set")
        if path:
            self._reviewing.open(path)

    def _ask_where(self, name: str) -> None:
        suffix = name.rsplit(".", 1)[1]
        path, _ = QFileDialog.getSaveFileName(self, "Export the review", name, f"*.{suffix}")
        if not path:
            return
        if "." not in path.replace("\\", "/").rsplit("/", 1)[-1]:
            path = f"{path}.{suffix}"
        self.write(path)

    def write(self, path: str) -> None:
        """Export to a file; its suffix says what."""
        if path.lower().endswith(".pdf"):
            self.pdf_asked.emit(path)
        else:
            self._reviewing.keeping.write(path, lambda where: self.told.emit(f"Saved in {where}"))
