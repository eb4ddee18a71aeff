"""Follows the window's result, and has the fields over λ computed for it."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject, Signal

from napari_voxelmorph.gui.background.engine_thread import engine_thread_of
from napari_voxelmorph.gui.lambda_strip.jobs import LambdaJobs, labels_of
from napari_voxelmorph.gui.register.jobs import Outcome
from napari_voxelmorph.gui.register.present import present_of

if TYPE_CHECKING:
    from napari_voxelmorph.engine.lambda_sweep.knots import Knots, Scores
    from napari_voxelmorph.engine.lambda_sweep.source import LambdaSource
    from napari_voxelmorph.engine.lambda_sweep.sources import Sources

_SOURCES, _KNOTS = "lambda sources", "lambda knots"


class Tuner(QObject):
    """What there is to tune, by what, and the knots so far.

    Attributes
    ----------
    base : Outcome or None
        The result that λ is chosen for; None while there is none, or while a run is on.
    sources : tuple of LambdaSource
    source : LambdaSource or None
        The one in use.
    knots : Knots or None
    names : dict
        What the structures of the base are called, as far as a table of labels says.
    """

    #: What there is to tune, by what, or the knots.
    changed = Signal()
    #: The base is another one, or is gone: whatever was under way for it is void.
    began = Signal()
    #: Kind, sentence, details.
    told = Signal(str, str, str)

    def __init__(self, viewer: Any, parent: QObject) -> None:
        super().__init__(parent)
        self.engine, self.present = engine_thread_of(viewer), present_of(viewer)
        self.jobs = LambdaJobs()
        self.base: Outcome | None = None
        self.sources: tuple[LambdaSource, ...] = ()
        self.source: LambdaSource | None = None
        self.knots: Knots | None = None
        self.names: dict[int, str] = {}
        self._kept: tuple[Outcome, Sources, LambdaSource, Knots | None] | None = None
        self.present.changed.connect(self.follow)

    # Following the Register dock ----------------------------------------------------------

    def follow(self) -> None:
        """Take up the window's present result."""
        outcome, view = self.present.outcome, self.present.view
        if self.present.running or view is None or outcome is None:
            if self.base is not None:
                self._let_go()
            return
        base = outcome
        if outcome.tuned_from is not None:
            base = replace(outcome.tuned_from, pair=outcome.pair)
        if self.base is not None and _same(base, self.base):
            self.changed.emit()
            return
        self._forget()
        self.base, self.knots, self.source, self.sources = base, None, None, ()
        self.began.emit()
        if self._kept is not None and _same(base, self._kept[0]):
            _, found, source, knots = self._kept
            self._take_up(found, source, knots)
            return
        self.engine.submit(
            lambda: (self.jobs.sources(base), self.jobs.names(base)), lane=_SOURCES,
            on_done=self._on_found, on_error=self._on_error,
        )  # fmt: skip

    def _let_go(self) -> None:
        self._forget()
        self.base, self.source, self.sources, self.knots = None, None, (), None
        self.began.emit()
        self.changed.emit()

    def _forget(self) -> None:
        self.engine.forget(_SOURCES, _KNOTS)

    def _on_found(self, found: tuple[Sources, dict[int, str]]) -> None:
        self.names = found[1]
        self._on_sources(found[0])

    def _on_sources(self, found: Sources) -> None:
        if found.sources:
            self._take_up(found, found.sources[0], None)
        else:
            self.changed.emit()
        if found.note:
            self.told.emit("note", found.note, "")

    # The knots ----------------------------------------------------------------------------

    def choose_source(self, index: int) -> None:
        """Tune by another source."""
        if self.base is None or not 0 <= index < len(self.sources):
            return
        if self.sources[index] is not self.source and self._kept is not None:
            self._forget()
            self._take_up(self._kept[1], self.sources[index], None)

    def _take_up(self, found: Sources, source: LambdaSource, knots: Knots | None) -> None:
        assert self.base is not None
        base = self.base
        self.sources, self.source, self.knots = found.sources, source, knots
        self._kept = (base, found, source, knots)
        self.began.emit()
        self.changed.emit()
        if knots is None:
            self.engine.submit(
                lambda: self.jobs.sweep(source, base), lane=_KNOTS, gives_way=1,
                on_step=self._on_step, on_done=self._on_knots, on_error=self._on_error,
            )  # fmt: skip

    @property
    def sweeping(self) -> bool:
        """Whether knots are still being computed."""
        return self.engine.works_on(_KNOTS) or self.engine.works_on(_SOURCES)

    def _on_step(self, step: Any, knots: Knots | None) -> None:
        if knots is not None:
            self.knots = knots
            self.changed.emit()

    def _on_knots(self, knots: Knots) -> None:
        assert self._kept is not None
        self.knots = knots
        self._kept = (*self._kept[:3], knots)
        if knots.note:
            self.told.emit("warning", knots.note, "")
        self.changed.emit()

    @property
    def scores(self) -> list[tuple[float, Scores]]:
        """Position and scores of the knots that have been measured."""
        knots = () if self.knots is None else self.knots.knots
        return [(k.position, k.scores) for k in knots if k.scores is not None]

    def _on_error(self, sentence: str, details: str) -> None:
        self.told.emit("error", sentence, details)
        self.changed.emit()

    def leave(self) -> None:
        """The strip is gone."""
        self._forget()
        with suppress(RuntimeError):  # the window, and with it what was followed, is gone
            self.present.changed.disconnect(self.follow)


def _same(one: Outcome, other: Outcome) -> bool:
    """Whether two outcomes have the same knots and the same curves."""
    if one.registration is not other.registration:
        return False
    first, second = labels_of(one) or (None, None), labels_of(other) or (None, None)
    return all(a is b for a, b in zip(first, second, strict=True))
