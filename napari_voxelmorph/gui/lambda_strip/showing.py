"""What is seen of λ: a preview while it moves, the exact result when it rests."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from qtpy.QtCore import QObject, QTimer, Signal

from napari_voxelmorph.engine.errors import InputError
from napari_voxelmorph.gui.lambda_strip.tuner import Tuner
from napari_voxelmorph.gui.plain_words import sentence_and_details

if TYPE_CHECKING:
    from napari_voxelmorph.engine.result import Registration
    from napari_voxelmorph.gui.register.jobs import Outcome

#: registered: the result as the run gave it; exact: computed for this λ; preview: nearly.
State = Literal["none", "registered", "preview", "computing", "exact"]
_REST = 100  # ms
_EXACT, _MEASURE = "lambda exact", "lambda measure"
_DIGITS = 4


@dataclass(frozen=True)
class Pin:
    """A λ to come back to; its exact result where there was one."""

    position: float
    value: float
    result: Registration | None


class Showing(QObject):
    """Moves λ, and answers with pictures.

    Attributes
    ----------
    position : float
        On the slider, 0 to 1.
    value : float
        λ.
    state : State
    """

    #: λ, or what is seen of it.
    moved = Signal()
    #: A name, and the `Pin` that was set under it.
    pinned = Signal(str, object)

    def __init__(self, tuner: Tuner, parent: QObject) -> None:
        super().__init__(parent)
        self._tuner = tuner
        self.position, self.value = 0.5, 0.0
        self.state: State = "none"
        self.pins: dict[str, Pin] = {}
        self._chosen = ""
        self._held = False
        self._seen: Outcome | None = None
        self._late: Registration | None = None
        self._rest = QTimer(self)
        self._rest.setSingleShot(True)
        self._rest.setInterval(_REST)
        self._rest.timeout.connect(self.settle)
        tuner.began.connect(self._on_began)
        tuner.changed.connect(self._on_changed)

    # Following ----------------------------------------------------------------------------

    def _on_began(self) -> None:
        self._drop()
        self.pins = {}
        self._held = False
        self.state = "none"
        self._seen = None
        self._on_changed()

    def _on_changed(self) -> None:
        """The present result is another one (a run, an undo, our own): λ goes with it."""
        source, outcome = self._tuner.source, self._tuner.present.outcome
        if self._tuner.base is None or source is None or outcome is None:
            self.moved.emit()
            return
        if outcome is self._seen:
            return
        self._seen = outcome
        self._drop()
        told = outcome.registration.provenance.get("lambda")
        tuned = outcome.tuned_from is not None and isinstance(told, dict)
        same = tuned and told["source"] == source.kind  # type: ignore[index]
        value = told["value"] if same else source.registered  # type: ignore[index]
        self._place(source.scale.position(value), value)
        self.state = "exact" if same else "registered"
        self.moved.emit()

    # Moving -------------------------------------------------------------------------------

    def move(self, position: float) -> None:
        """λ from the slider; called for every movement of the mouse."""
        source = self._tuner.source
        if source is None:
            return
        position = min(max(position, 0.0), 1.0)
        self._go(position, float(f"{source.scale.value(position):.{_DIGITS}g}"))

    def set_value(self, value: float, chosen: str = "") -> None:
        """A λ that was typed or suggested; raises `InputError` when it is out of range."""
        source = self._tuner.source
        if source is None:
            raise InputError("There is nothing to tune yet: register a pair first.")
        value = source.scale.checked(value)
        self._go(source.scale.position(value), value)
        self._chosen = chosen
        self.settle()

    def next_knot(self, direction: int) -> None:
        """To the next computed λ above (1) or below (-1)."""
        knots = self._tuner.knots
        knot = None if knots is None else knots.beside(self.position, direction)
        if knot is not None:
            self._go(knot.position, knot.value)

    def _go(self, position: float, value: float) -> None:
        view = self._tuner.present.view
        if view is not None and view.showing_before:
            view.show_before(False)
        self._drop()
        self._place(position, value)
        self._chosen = ""
        self.state = "preview" if self._draw_preview(position) else "computing"
        self._rest.start()
        self.moved.emit()

    def _place(self, position: float, value: float) -> None:
        self.position, self.value = position, value

    def _draw_preview(self, position: float) -> bool:
        base, knots, view = self._tuner.base, self._tuner.knots, self._tuner.present.view
        if base is None or view is None or knots is None or len(knots.knots) < 2:
            return False
        from napari_voxelmorph.engine.lambda_sweep.preview import preview

        return self._drawn(preview(base.registration, knots.blend(position)))

    def _drawn(self, result: Registration, rests: bool = False) -> bool:
        """Show a result in passing, or for good; False when it could not be."""
        view = self._tuner.present.view
        if view is None or not view.accepts(result):
            return False
        try:
            if rests:
                view.update(result)
            else:
                view.preview(result)
            return True
        except Exception as error:  # a layer was taken away under our hands
            self._tuner.told.emit("error", *sentence_and_details(error))
            return False

    # Resting ------------------------------------------------------------------------------

    def settle(self) -> None:
        """The hand rests: marks for the preview, and the exact result as soon as it can be."""
        self._rest.stop()
        base, source, view = self._tuner.base, self._tuner.source, self._tuner.present.view
        if base is None or source is None or view is None:
            return
        if self.state not in ("preview", "computing"):
            return
        if self.state == "preview" and view.has_pair:
            view.layers.redraw_marks()
        value, chosen = self.value, self._chosen
        self._tuner.engine.submit(
            lambda: self._tuner.jobs.exact(source, base, value, chosen), lane=_EXACT,
            on_done=self._on_exact, on_error=self._on_error,
        )  # fmt: skip

    def _on_exact(self, result: Registration) -> None:
        base, view = self._tuner.base, self._tuner.present.view
        source = self._tuner.source
        self._late = result if self._held else None
        if self._held or base is None or source is None or view is None:
            return
        if not self._drawn(result, rests=True):  # another pair is in view
            return
        value = result.provenance["lambda"]["value"]
        self._place(source.scale.position(value), value)
        self.state = "exact"
        self.moved.emit()
        self._tuner.engine.submit(
            lambda: self._tuner.jobs.measure(result, base), lane=_MEASURE,
            on_done=self._tuner.present.tuned.emit, on_error=self._on_error,
        )  # fmt: skip

    @property
    def measuring(self) -> bool:
        """Whether the numbers of the exact result are on their way."""
        return self._tuner.engine.works_on(_MEASURE)

    def _on_error(self, sentence: str, details: str) -> None:
        self._tuner.told.emit("error", sentence, details)
        self.moved.emit()

    def _drop(self) -> None:
        self._rest.stop()
        self._late = None
        self._tuner.engine.forget(_EXACT, _MEASURE)

    # Comparing ----------------------------------------------------------------------------

    def pin(self, name: str) -> None:
        """Remember what is shown under a name, “A” or “B”."""
        view = self._tuner.present.view
        if self.state == "none" or view is None:
            return
        exact = self.state in ("exact", "registered")
        result = view.registration if exact else None
        self.pins[name] = Pin(self.position, self.value, result)
        self.pinned.emit(name, self.pins[name])
        self.moved.emit()

    def other_pin(self) -> str:
        """The pin that is held up for comparison: A, or B while A is shown; “” without one."""
        names = [n for n in ("A", "B") if n in self.pins]
        away = [n for n in names if abs(self.pins[n].position - self.position) > 1e-6]
        return (away or names)[0] if names else ""

    def hold(self, on: bool) -> None:
        """Show the other pin for as long as a button is held."""
        name, view = self.other_pin(), self._tuner.present.view
        if on == self._held or view is None or (on and not name):
            return
        self._held = on
        if on:
            pin = self.pins[name]
            shown = pin.result is not None and self._drawn(pin.result)
            if not shown:
                self._draw_preview(pin.position)
        elif self._late is not None:
            self._on_exact(self._late)
        elif self.state in ("exact", "registered") and view.registration is not None:
            self._drawn(view.registration, rests=True)
        else:
            self._draw_preview(self.position)
        self.moved.emit()

    @property
    def held(self) -> str:
        """The pin that is held up now, or “”."""
        return self.other_pin() if self._held else ""

    def leave(self) -> None:
        """The strip is gone; what it showed in passing goes back to the result."""
        self._drop()
        view = self._tuner.present.view
        if self.state in ("preview", "computing") and view is not None and view.registration:
            with suppress(Exception):  # the window may be half gone already
                view.update(view.registration)
