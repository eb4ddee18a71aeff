"""Takes up how uncertain the shown result is, structure by structure, as soon as it is known."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Signal

from napari_voxelmorph.gui.background.engine_thread import EngineThread
from napari_voxelmorph.gui.qa.qa_jobs import Judged, Sure, look_at_spread

if TYPE_CHECKING:
    from napari_voxelmorph.engine.result import Registration
    from napari_voxelmorph.gui.views.spread_work import SpreadWork
    from napari_voxelmorph.gui.views.views import PairView

LANE = "qa certainty"


class CertaintyWork(QObject):
    """Watches the spreads of a view.  Main thread only.

    Attributes
    ----------
    found : Sure or None
        Of the segmentation that was last looked at.
    """

    #: `found` is another one.
    changed = Signal()
    failed = Signal(str, str)

    def __init__(self, engine: EngineThread, parent: QObject) -> None:
        super().__init__(parent)
        self._engine = engine
        self._view: PairView | None = None
        self._work: SpreadWork | None = None
        self._judged: Judged | None = None
        self._seen: tuple[Any, ...] = ()
        self.found: Sure | None = None

    def watch(self, view: PairView | None) -> None:
        """The window's view."""
        if view is self._view:
            return
        if self._view is not None:
            self._view.changed.disconnect(self.consider, missing_ok=True)
        self._view = view
        if view is not None:
            view.changed.connect(self.consider)

    def look(self, judged: Judged | None) -> None:
        """Another segmentation is judged, or none; what is known of its surfaces is kept."""
        self._judged, self._seen = judged, ()
        if judged is None:
            self._engine.forget(LANE)
            self.found = None
        self.consider()

    def consider(self) -> None:
        """Look at the spread when it, or the segmentation, is another one."""
        view, judged, result = self._view, self._judged, self._result()
        if view is None or judged is None or result is None:
            return
        known = view.spreads.has(result)
        now = (judged, result, known, view.spreads.is_measured(result))
        if all(a is b for a, b in zip(now, self._seen or (None,) * 4, strict=True)):
            return
        self._seen = now
        if not known:
            self._put(None)
            return
        spreads, before = view.spreads, self.found
        self._engine.submit(
            lambda: look_at_spread(lambda: spreads.of(result), judged, before), lane=LANE,
            gives_way=1, on_done=self._put, on_error=self.failed.emit,
        )  # fmt: skip

    def _result(self) -> Registration | None:
        """What the view shows, if it is what is judged."""
        shown = None if self._view is None else self._view.registration
        if shown is None or self._judged is None:
            return None
        # A result that got its numbers later is another object with the same field.
        judged = self._judged.outcome.registration
        return shown if shown is judged or shown.field is judged.field else None

    def _put(self, found: Sure | None) -> None:
        if found is not self.found:
            self.found = found
            self.changed.emit()

    # Measuring ----------------------------------------------------------------------------

    @property
    def can_measure(self) -> bool:
        """Whether more can be found out than is known."""
        result, view = self._result(), self._view
        if view is None or result is None or result.field is None:
            return False
        return not view.spreads.is_measured(result)

    def measure(self, work: SpreadWork) -> None:
        """Have the spread measured; `changed` follows, or `failed`."""
        if work is not self._work:
            self._work = work
            work.changed.connect(self._on_work)
        work.estimate()

    @property
    def measuring(self) -> bool:
        """Whether the spread is being measured because of us."""
        return self._work is not None and self._work.working

    def _on_work(self) -> None:
        if self._work is not None and self._work.problem:
            self.failed.emit(self._work.problem, "")

    def leave(self) -> None:
        """The dock is gone."""
        self._engine.forget(LANE)
        for source, slot in ((self._view, self.consider), (self._work, self._on_work)):
            if source is not None:
                with suppress(RuntimeError):
                    source.changed.disconnect(slot, missing_ok=True)
        self._view = self._work = None
