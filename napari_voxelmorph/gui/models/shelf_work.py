"""What the Models dock does to the shelf, in the engine thread, one thing at a time."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_voxelmorph.gui.models import model_lines
from napari_voxelmorph.gui.models.shelf_events import shelf_events

if TYPE_CHECKING:
    from napari_voxelmorph.gui.models.models_dock import ModelsDock

LANE = "model work"


class ShelfWork:
    """Import, export, rename, remove and bring back."""

    def __init__(self, dock: ModelsDock) -> None:
        self._dock, self._engine = dock, dock.engine
        self._trash: Path | None = None

    def bring(self, paths: list[str]) -> None:
        """Import models from files and folders."""
        if paths:
            work = model_lines.importing(paths)
            self._do("Importing…", work, lambda names: self._changed(names[-1], _added(names)))

    def send(self, name: str, target: str) -> None:
        """Export a model to a zip file or a folder."""
        work = model_lines.exporting(name, target)
        self._do("Exporting…", work, lambda where: self._done(f"“{name}” is in {where}"))

    def rename(self, name: str, new: str) -> None:
        """Give a model another name."""
        if new and new != name:
            work = model_lines.renaming(name, new)
            self._do("Renaming…", work, lambda now: self._changed(now, f"Renamed to “{now}”."))

    def remove(self, name: str) -> None:
        """Move a model to the trash; a button offers it back."""

        def removed(place: Path) -> None:
            self._changed("", f"“{name}” is in the trash.")
            self._trash = place
            self._dock.back.setText(f"Bring “{name}” back")
            self._dock.back.show()

        self._do("Removing…", model_lines.removing(name), removed)

    def bring_back(self) -> None:
        """Take the model that was removed last out of the trash."""
        if self._trash is not None:
            work = model_lines.restoring(self._trash)
            self._do("Bringing back…", work, lambda name: self._changed(name, f"“{name}” is back."))

    def _do(self, words: str, work: Callable[[], Any], done: Callable[[Any], None]) -> None:
        """The button says what is being done, until it is done."""
        if self._engine.works_on(LANE):
            return
        dock = self._dock
        dock.message.clear()
        dock.back.hide()
        dock.come.setText(words)
        self._enable(False)

        def end(then: Callable[..., None]) -> Callable[..., None]:
            def ended(*result: Any) -> None:
                dock.come.setText("Import…")
                self._enable(True)
                then(*result)

            return ended

        self._engine.submit(work, lane=LANE, on_done=end(done), on_error=end(self._failed))

    def _enable(self, enabled: bool) -> None:
        for widget in (self._dock.come, self._dock.details.buttons):
            widget.setEnabled(enabled)

    def _changed(self, name: str, words: str) -> None:
        self._done(words)
        self._trash = None
        shelf_events.changed.emit(name)

    def _done(self, words: str) -> None:
        self._dock.message.show_text("done", words)

    def _failed(self, sentence: str, details: str) -> None:
        self._dock.message.show_text("error", sentence, details)
        # Of several files, some may have come.
        shelf_events.changed.emit("")


def _added(names: list[str]) -> str:
    listed = ", ".join(f"“{name}”" for name in names)
    verb = "is" if len(names) == 1 else "are"
    return f"{listed} {verb} on the shelf: choose it in the Register dock."
