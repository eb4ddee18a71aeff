"""Between the worklist and the dock: opened cases, kept corrections, names, the report on paper."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from qtpy.QtWidgets import QFileDialog

from napari_voxelmorph.engine.errors import VoxelMorphError
from napari_voxelmorph.engine.review.case import OpenCase
from napari_voxelmorph.gui.plain_words import sentence_and_details
from napari_voxelmorph.gui.qa.case_in_window import show_case
from napari_voxelmorph.gui.qa.printing import print_page

if TYPE_CHECKING:
    from napari_voxelmorph.gui.qa.qa_dock import QaDock

_TABLES = "Names of labels (*.txt *.tsv *.csv *.label *.ctbl *.lut);;All files (*)"


class CaseWork:
    """What happens in a dock when a case is opened, kept, or exported."""

    def __init__(self, dock: QaDock) -> None:
        self._dock = dock
        reviewing, bar = dock.reviewing, dock.bar
        reviewing.opened.connect(self._on_case)
        reviewing.keeping.corrected.connect(self._on_corrected)
        reviewing.keeping.unkept.connect(dock.judging.on_unkept)
        reviewing.keeping.aside.connect(self._on_aside)
        bar.told.connect(lambda text: dock.message.show_text("done", text))
        bar.pdf_asked.connect(self._print)
        dock.tools.names_asked.connect(self._ask_names)

    def _on_case(self, found: OpenCase | None) -> None:
        dock = self._dock
        dock.message.clear()
        dock.pins.clear()
        if found is None:
            return
        dock.judging.names = dict(found.names)
        dock.judging.expect(found.corrected)
        show_case(dock.viewer, found)
        if found.note:
            dock.message.show_text("warning", found.note)

    def _on_corrected(self, case: str, path: Path) -> None:
        self._dock.judging.on_kept(case)
        text = f"The corrected segmentation is kept in {path}"
        self._dock.message.show_text("done", text)

    def _on_aside(self, case: str, path: Path) -> None:
        text = f"The discarded correction of “{case}” is set aside in {path}"
        self._dock.message.show_text("done", text)

    def _print(self, path: str) -> None:
        dock = self._dock

        def done(page: str) -> None:
            try:
                print_page(page, path)
            except VoxelMorphError as error:
                dock.show_error(*sentence_and_details(error))
            else:
                dock.message.show_text("done", f"Saved in {path}")

        dock.reviewing.keeping.page(done)

    def _ask_names(self) -> None:
        path, _ = QFileDialog.getOpenFileName(self._dock, "Names of the labels", "", _TABLES)
        if path:
            self.open_names(path)

    def open_names(self, path: str) -> None:
        """Read the names of the labels from a table."""
        from napari_voxelmorph.engine.files.label_tables import load_label_table

        judging = self._dock.judging
        judging.engine.submit(
            lambda: load_label_table(path), lane="label names",
            on_done=judging.set_names, on_error=self._dock.show_error,
        )  # fmt: skip
