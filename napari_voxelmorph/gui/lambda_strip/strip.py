"""The λ strip: curves and slider over the whole width, figures and buttons in one row below."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QSize, Qt
from qtpy.QtWidgets import QLabel, QStackedWidget, QVBoxLayout, QWidget

from napari_voxelmorph.engine.errors import InputError
from napari_voxelmorph.gui.background.farewell import when_destroyed
from napari_voxelmorph.gui.background.later import later
from napari_voxelmorph.gui.lambda_strip import strip_words as words
from napari_voxelmorph.gui.lambda_strip.curve_picture import curves_of
from napari_voxelmorph.gui.lambda_strip.kept import Kept
from napari_voxelmorph.gui.lambda_strip.lambda_slider import LambdaSlider
from napari_voxelmorph.gui.lambda_strip.opening import (
    canvas_height,
    keep_in_sight,
    put_below,
    side_widths,
)
from napari_voxelmorph.gui.lambda_strip.qa_reference import QaReference
from napari_voxelmorph.gui.lambda_strip.showing import Showing
from napari_voxelmorph.gui.lambda_strip.strip_row import StripRow
from napari_voxelmorph.gui.lambda_strip.structure_names import called
from napari_voxelmorph.gui.lambda_strip.suggesting import Suggesting
from napari_voxelmorph.gui.lambda_strip.tuner import Tuner

if TYPE_CHECKING:
    from napari_voxelmorph.engine.lambda_sweep.curves import LambdaCurves

_STEP = 0.01
_LAID_OUT_MS = 100


class LambdaStrip(QWidget):
    """A dock for the bottom of a napari window."""

    def __init__(self, napari_viewer: Any) -> None:
        super().__init__()
        viewer = getattr(napari_viewer, "__wrapped__", napari_viewer)
        self._viewer = viewer
        self._side_widths, self._canvas_height = side_widths(viewer), canvas_height(viewer)
        self._viewer = viewer
        self.tuner = Tuner(viewer, self)
        self.showing = Showing(self.tuner, self)
        self.suggesting = Suggesting(self.tuner, self.showing, self)
        self.reference = QaReference(viewer, self.tuner)
        self.slider, self.row = LambdaSlider(), StripRow()
        self.slider.setToolTip(f"<qt>{words.HELP}</qt>")
        self.empty = QLabel(words.NOTHING)
        self.empty.setWordWrap(True)
        self.empty.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._lay_out()
        self._connect()
        when_destroyed(self, Kept(viewer, self.tuner, self.showing).leave)
        self.tuner.follow()
        self._on_changed()

    def showEvent(self, event: Any) -> None:
        """Below the canvas, unless the user has put it elsewhere before."""
        super().showEvent(event)
        # Not while the window is still laying it out.
        later(self, self._put_below)

    def _put_below(self) -> None:
        if put_below(self, self._side_widths):
            look = partial(keep_in_sight, self._viewer, self._canvas_height)
            later(self, look, _LAID_OUT_MS)

    def sizeHint(self) -> QSize:
        """As low as the curves can be read."""
        return QSize(900, 160)

    def _lay_out(self) -> None:
        page = QWidget()
        column = QVBoxLayout(page)
        column.setContentsMargins(4, 0, 4, 2)
        column.setSpacing(2)
        column.addWidget(self.slider, 1)
        column.addWidget(self.row)
        self.pages = QStackedWidget()
        self.pages.addWidget(self.empty)
        self.pages.addWidget(page)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.addWidget(self.pages)

    def _connect(self) -> None:
        tuner, showing, row = self.tuner, self.showing, self.row
        tuner.changed.connect(self._on_changed)
        tuner.told.connect(self.row.say)
        showing.moved.connect(self._on_moved)
        showing.pinned.connect(self.reference.give)
        tuner.began.connect(self.reference.drop)
        tuner.present.lambda_curves = self.curves
        self.slider.dragged.connect(self._on_dragged)
        self.slider.released.connect(showing.settle)
        self.slider.stepped.connect(self._on_stepped)
        self.slider.paged.connect(showing.next_knot)
        self.slider.held.connect(showing.hold)
        row.typed.connect(self._on_typed)
        row.paged.connect(showing.next_knot)
        row.source_chosen.connect(tuner.choose_source)
        row.scope_chosen.connect(self._on_changed)
        row.suggest_asked.connect(self._on_suggest)
        row.pin_asked.connect(showing.pin)
        row.held.connect(showing.hold)
        suggesting, reference, present = self.suggesting, self.reference, tuner.present

        def leave() -> None:
            present.lambda_curves = None
            showing.leave()
            suggesting.leave()
            reference.leave()
            tuner.leave()

        when_destroyed(self, leave)

    # What is shown --------------------------------------------------------------------------

    def _on_changed(self) -> None:
        tuner = self.tuner
        source = tuner.source
        self.pages.setCurrentIndex(0 if source is None else 1)
        if source is None:
            self.empty.setText(self._why_empty())
            return
        self.row.set_sources(tuner.sources, source)
        scored = tuner.scores
        labels = sorted({label for _, s in scored for label in s.dice})
        names = {label: called(label, tuner.names) for label in labels}
        self.row.set_structures(names)
        scope = self.row.scope
        label = scope if isinstance(scope, int) else None
        curves = curves_of(scored, label, names.get(label, "") if label is not None else "")
        knots = () if tuner.knots is None else tuple(k.position for k in tuner.knots.knots)
        self.slider.tip = "" if curves else "the curves appear with the first fields"
        self.slider.show_curves(source.scale, curves, knots)
        self._on_moved()

    def _why_empty(self) -> str:
        tuner = self.tuner
        outcome = tuner.present.outcome
        if tuner.present.running:
            return words.RUNNING
        if outcome is None:
            return words.NOTHING
        if tuner.sweeping:
            return words.LOOKING
        return words.NO_FIELD if outcome.registration.field is None else words.NOTHING

    def _on_moved(self) -> None:
        showing, tuner = self.showing, self.tuner
        if tuner.source is None:
            return
        pins = {name: pin.position for name, pin in showing.pins.items()}
        self.slider.show_position(showing.position, pins)
        self.row.show_value(tuner.source.scale.name, showing.value)
        self.row.show_state(showing.state)
        self.row.show_pins(showing.pins)
        text = words.progress(tuner.knots, tuner.sweeping, showing.measuring, showing.held)
        self.row.show_progress(text)

    # What the user does ---------------------------------------------------------------------

    def _on_dragged(self, position: float) -> None:
        self.row.be_quiet()
        self.showing.move(position)

    def _on_stepped(self, direction: int) -> None:
        source = self.tuner.source
        if source is None:
            return
        position = self.showing.position + direction * _STEP
        if source.scale.kind == "odds":
            value = self.showing.value + direction * _STEP
            position = source.scale.position(value)
        self._on_dragged(position)

    def _on_typed(self, text: str) -> None:
        self.row.be_quiet()
        try:
            value = float(text.strip().replace(",", "."))
        except ValueError:
            self.row.say("warning", f"“{text}” is not a number.")
        else:
            try:
                self.showing.set_value(value)
            except InputError as error:
                self.row.say("warning", str(error))
        self._on_moved()

    def _on_suggest(self) -> None:
        self.row.be_quiet()
        self.suggesting.suggest(self.row.scope)

    def curves(self) -> LambdaCurves | None:
        """What is known of the λ of the present result; None while that is nothing."""
        from napari_voxelmorph.engine.lambda_sweep.curves import curves_of_knots

        tuner, showing = self.tuner, self.showing
        if tuner.source is None or tuner.knots is None:
            return None
        is_result = showing.state in ("exact", "registered")
        pins = {name: pin.value for name, pin in showing.pins.items()}
        chosen = showing.value if is_result else None
        return curves_of_knots(tuner.source.scale.name, tuner.knots.knots, chosen, pins)
