"""The Register dock: inputs, method, view and result, with one button below them."""

from __future__ import annotations

import time
from typing import Any

from qtpy.QtCore import QSize, QTimer
from qtpy.QtWidgets import (
    QSizePolicy,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from napari_voxelmorph.gui.apply.opening import open_apply
from napari_voxelmorph.gui.background.engine_thread import engine_thread_of
from napari_voxelmorph.gui.background.farewell import when_destroyed
from napari_voxelmorph.gui.background.later import later
from napari_voxelmorph.gui.files.opening import Opening
from napari_voxelmorph.gui.files.sessions import session_of
from napari_voxelmorph.gui.lambda_strip.opening import open_strip
from napari_voxelmorph.gui.message import Message
from napari_voxelmorph.gui.models.model_offer import ModelOffer
from napari_voxelmorph.gui.register.inputs_section import InputsSection
from napari_voxelmorph.gui.register.landmark_use import LandmarkUse
from napari_voxelmorph.gui.register.method_section import MethodSection
from napari_voxelmorph.gui.register.readiness import readiness
from napari_voxelmorph.gui.register.result_section import ResultSection
from napari_voxelmorph.gui.register.run_controls import RunControls
from napari_voxelmorph.gui.register.runner import Runner
from napari_voxelmorph.gui.register.spread_result import SpreadResult
from napari_voxelmorph.gui.register.view_section import ViewSection
from napari_voxelmorph.gui.register.welcome import WelcomePage
from napari_voxelmorph.gui.section import Section, scrolling
from napari_voxelmorph.gui.views.spread_row import SpreadRow
from napari_voxelmorph.gui.views.spread_work import SpreadWork
from napari_voxelmorph.gui.views.views import PairView

_CHECK_AFTER_MS = 150
_LAID_OUT_MS = 200
_STRIP_MS = 60
#: So long after a result has come, other docks may still take room from this one (seconds).
_SETTLES = 5.0


class RegisterDock(QWidget):
    """Everything needed to register the pair of a napari window."""

    def __init__(self, napari_viewer: Any) -> None:
        super().__init__()
        # napari hands plugins a proxy that wraps every layer anew; identity needs the real one.
        self.viewer = getattr(napari_viewer, "__wrapped__", napari_viewer)
        self.engine = engine_thread_of(self.viewer)
        self.inputs = InputsSection(self.viewer)
        self.method = MethodSection()
        self.pair_view = PairView(self.viewer)
        self.view = Section("3  View", "view")
        self.view.inside.setContentsMargins(0, 4, 0, 8)  # it needs all the width there is
        self.result = ResultSection()
        self.message = Message()
        self.controls = RunControls()
        self.opening = Opening(self.viewer, self.inputs, self.engine, self)
        self.models = ModelOffer(self)
        self.runner = Runner(self)
        self.landmarks = LandmarkUse(self.viewer, self.inputs, self.method, self.runner.present)
        self.spread = SpreadWork(self.pair_view, self.engine, self.runner.masks)
        view_section = ViewSection(self.pair_view)
        view_section.below_overlays.addWidget(SpreadRow(self.pair_view, self.spread))
        view_section.setMinimumWidth(0)
        self.view.add(view_section)
        self.result.later.addWidget(SpreadResult(self.pair_view, self.spread))
        #: Whether the λ strip has been opened once; from then on it is the user's.
        self._tuned = False
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.setInterval(_CHECK_AFTER_MS)
        self._laid_out = QTimer(self)
        self._laid_out.setSingleShot(True)
        self._lay_out()
        self._connect()
        self.runner.warm_up()
        self.refresh()
        for layer in self.viewer.layers:
            session = session_of(layer)
            if session is not None:
                self.runner.adopt(session)

    #: Until then the result stays in sight when the dock becomes lower.
    _in_sight_until = 0.0

    def sizeHint(self) -> QSize:
        """Wide enough to read, narrow enough for a laptop."""
        return QSize(380, 700)

    def resizeEvent(self, event: Any) -> None:
        """Scroll to a result that has just come once more: the λ strip opens with it."""
        super().resizeEvent(event)
        if time.monotonic() < self._in_sight_until:
            self._laid_out.start(_LAID_OUT_MS)

    def _lay_out(self) -> None:
        self.setMinimumWidth(360)
        inner = QWidget()
        column = QVBoxLayout(inner)
        column.setContentsMargins(0, 4, 0, 4)
        column.setSpacing(6)
        for section in (self.inputs, self.method, self.view, self.result):
            column.addWidget(section)
        column.addStretch(1)
        self.scroll_area = scrolling(inner)
        self.pages = QStackedWidget()
        self.pages.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Expanding)
        self.welcome = WelcomePage()
        self.pages.addWidget(self.welcome)
        self.pages.addWidget(self.scroll_area)
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.setSpacing(0)
        outer.addWidget(self.pages, 1)
        outer.addLayout(_with_margins(self.message))
        outer.addWidget(self.controls)

    def _connect(self) -> None:
        self.welcome.sample_asked.connect(self.opening.sample)
        self.welcome.open_asked.connect(self.opening.ask_two)
        self.welcome.session_asked.connect(self.opening.ask_session)
        self.inputs.open_asked.connect(self.opening.ask_for)
        self.opening.failed.connect(lambda text, more: self.message.show_text("error", text, more))
        self.opening.working.connect(self._on_opening)
        self.opening.opened.connect(self._on_opened)
        self.opening.ended.connect(self._on_opening_ended)
        self.inputs.changed.connect(self.refresh)
        self.method.changed.connect(self.refresh)
        events = self.viewer.layers.events
        events.inserted.connect(self._on_layers)
        events.removed.connect(self._on_layers)
        self._timer.timeout.connect(self.runner.check)
        self._laid_out.timeout.connect(
            lambda: self.scroll_area.ensureWidgetVisible(self.result.buttons, 0, 8)
        )
        self.controls.register_asked.connect(self.runner.register)
        self.controls.cancel_asked.connect(self.runner.cancel)
        self.controls.stop_asked.connect(self.runner.stop)
        self.inputs.show_asked.connect(self.runner.show_together)
        self.result.undo_asked.connect(self.runner.undo)
        self.result.redo_asked.connect(self.runner.redo)
        self.result.save_asked.connect(self.runner.save)
        self.result.apply_asked.connect(lambda: open_apply(self.viewer))
        self.result.tune_asked.connect(self.tune)
        runner, inputs, layers, models = self.runner, self.inputs, self._on_layers, self.models
        when_destroyed(self, lambda: _leave(runner, inputs, events, layers, models))
        when_destroyed(self, self.spread.leave)
        when_destroyed(self, self.landmarks.leave)

    def refresh(self, *_: Any) -> None:
        """Say on the button what is missing; look closer at the pair a moment later."""
        self._show_page()
        self.show_readiness()
        self._timer.start()

    def show_readiness(self) -> None:
        """Update the text of the button."""
        problem = self.inputs.message.text.text() if self.inputs.message.kind == "error" else ""
        moving, fixed = self.inputs.image("moving"), self.inputs.image("fixed")
        self.controls.set_ready(readiness(moving, fixed, problem))

    def show_result(self) -> None:
        """Open the result section and scroll to it, once it has its size; the λ strip too."""
        self.result.set_open(True)
        outcome = self.runner.history.present
        if outcome is not None and outcome.registration.field is not None and not self._tuned:
            self._tuned = True
            # Once the result has been painted: each of the two takes long enough.
            later(self, self.tune, _STRIP_MS)
        self._in_sight_until = time.monotonic() + _SETTLES
        self._laid_out.start(_LAID_OUT_MS)

    def tune(self) -> None:
        """Open the strip on which λ is chosen."""
        self._tuned = True
        open_strip(self.viewer)

    def _show_page(self) -> None:
        has_images = len(self.inputs.choices["moving"].layers) > 0
        page = 1 if has_images or self.engine.busy or self.runner.history.can_redo() else 0
        self.pages.setCurrentIndex(page)
        self.controls.setVisible(page == 1)

    def _on_layers(self, event: Any = None) -> None:
        self._show_page()
        session = session_of(event.value) if event is not None else None
        if session is not None and event.type == "inserted":
            # The other layers of the session come after this one.
            later(self, lambda: self.runner.adopt(session))

    def _on_opening(self, text: str) -> None:
        self.message.clear()
        self.welcome.show_work(text)
        if self.pages.currentIndex() != 0:
            self.viewer.status = text

    def _on_opening_ended(self) -> None:
        self.welcome.show_work("")
        self.viewer.status = "Ready"

    def _on_opened(self, roles: list[str]) -> None:
        self.refresh()
        if "moving" in roles and self.inputs.show_both.isEnabled():
            self.runner.show_together()


def _with_margins(widget: QWidget) -> QVBoxLayout:
    column = QVBoxLayout()
    column.setContentsMargins(8, 4, 8, 0)
    column.addWidget(widget)
    return column


def _leave(
    runner: Runner, inputs: InputsSection, events: Any, on_layers: Any, models: ModelOffer
) -> None:
    """The dock is gone: stop what runs and listen to nothing any more."""
    runner.leave()
    models.leave()
    inputs.disconnect_layers()
    events.inserted.disconnect(on_layers)
    events.removed.disconnect(on_layers)
