"""Writes what is found in a case beside the verdicts, and exports of the whole review."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Signal

from napari_voxelmorph.gui.qa.case_jobs import keep_case
from napari_voxelmorph.gui.qa.qa_jobs import Judged

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from napari_voxelmorph.engine.geometry.volume import Volume
    from napari_voxelmorph.engine.review.rows import Row
    from napari_voxelmorph.gui.qa.reviewing import Reviewing


class Keeping(QObject):
    """Of the case that is open in a `Reviewing`; everything in the engine thread."""

    #: A corrected segmentation was written: case, path.
    corrected = Signal(str, object)
    #: One could not be written: case.
    unkept = Signal(str)
    #: One that was discarded was put aside: case, path.
    aside = Signal(str, object)

    def __init__(self, reviewing: Reviewing) -> None:
        super().__init__(reviewing)
        self._reviewing = reviewing

    def findings(
        self, judged: Judged, rows: Sequence[Row], edits: dict[int, str], more: dict[str, Any]
    ) -> None:
        """Keep numbers and pictures for the report; `more` as for `keep_case`."""
        place, listed = self._place(), tuple(rows)
        if place is not None:
            # A lane of its own for every case: the next one must not push this one out.
            self._submit(
                lambda: keep_case(*place, judged, listed, edits, more), f"keep findings {place[1]}"
            )

    def correction(self, fixed: Volume, labels: NDArray[Any]) -> None:
        """Keep the moved segmentation as it was corrected; `corrected` follows."""
        place = self._place()

        def work() -> Path:
            from napari_voxelmorph.engine.review.corrected import keep_corrected

            assert place is not None
            return keep_corrected(*place, fixed, labels)

        if place is not None:
            case, done, unkept = place[1], self.corrected.emit, self.unkept.emit
            failed = self._reviewing.failed.emit

            def on_error(sentence: str, details: str) -> None:
                unkept(case)
                failed(sentence, details)

            self._submit(work, f"corrected {case}", on_error, on_done=lambda path: done(case, path))

    def set_aside(self) -> None:
        """The kept correction was discarded; `aside` follows."""
        place = self._place()

        def work() -> Path | None:
            from napari_voxelmorph.engine.review.corrected import set_aside

            assert place is not None
            return set_aside(*place)

        if place is not None:
            case = place[1]
            done = self.aside.emit
            self._submit(work, f"corrected {case}", on_done=lambda path: path and done(case, path))

    def write(self, path: str, done: Any) -> None:
        """Write the report (``.html``) or the table (``.csv``, ``.tsv``); `done(path)` follows."""
        worklist = self._reviewing.worklist
        if worklist is None:
            return

        def work() -> str:
            from napari_voxelmorph.engine.review.export import export_table
            from napari_voxelmorph.engine.review.page import save_page

            if Path(path).suffix.lower() in (".html", ".htm"):
                save_page(worklist, path)
            else:
                export_table(worklist, path)
            return path

        self._submit(work, "export", on_done=done)

    def page(self, done: Any) -> None:
        """Draw the report for paper; `done(page)` follows."""
        worklist = self._reviewing.worklist
        if worklist is None:
            return

        def work() -> str:
            from napari_voxelmorph.engine.review.page import report_page

            return report_page(worklist, on_paper=True)

        self._submit(work, "export", on_done=done)

    def _place(self) -> tuple[Path, str] | None:
        worklist, case = self._reviewing.worklist, self._reviewing.case
        return None if worklist is None or case is None else (worklist.folder, case.name)

    def _submit(self, work: Any, lane: str, on_error: Any = None, **callbacks: Any) -> None:
        failed = on_error or self._reviewing.failed.emit
        self._reviewing.engine.submit(work, lane=lane, on_error=failed, **callbacks)
