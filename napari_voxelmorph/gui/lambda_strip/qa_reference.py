"""What is pinned is what the Segmentation QA dock compares with, where one is open."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from napari_voxelmorph.gui.lambda_strip.showing import Pin
from napari_voxelmorph.gui.lambda_strip.tuner import Tuner
from napari_voxelmorph.gui.qa.qa_dock import QaDock

if TYPE_CHECKING:
    from napari_voxelmorph.engine.result import Registration

_LANE, _NAMES = "lambda pin ", ("A", "B")


class QaReference:
    """Hands pins, and what they are called, to the QA docks of a window."""

    def __init__(self, viewer: Any, tuner: Tuner) -> None:
        self._viewer, self._tuner = viewer, tuner

    def give(self, name: str, pin: Pin) -> None:
        """A result was pinned; for one that is seen as a preview only, the exact one is made."""
        base, source = self._tuner.base, self._tuner.source
        if base is None or source is None or not self._docks():
            return
        words = f"{source.scale.name} {pin.value:.3g}"
        self._tuner.engine.forget(_LANE + name)
        if pin.result is not None:
            self._hand_over(name, words, pin.result)
            return
        jobs, value = self._tuner.jobs, pin.value
        self._tuner.engine.submit(
            lambda: jobs.exact(source, base, value, ""), lane=_LANE + name, gives_way=1,
            on_done=partial(self._hand_over, name, words),
            on_error=partial(self._tuner.told.emit, "error"),
        )  # fmt: skip

    def _hand_over(self, name: str, words: str, result: Registration) -> None:
        for dock in self._docks():
            dock.pins.pin_tuned(name, words, result)

    def drop(self) -> None:
        """The pins are gone."""
        self.leave()
        for dock in self._docks():
            dock.pins.forget_tuned()

    def leave(self) -> None:
        """The strip is gone."""
        self._tuner.engine.forget(*(_LANE + name for name in _NAMES))

    def _docks(self) -> list[QaDock]:
        window = getattr(self._viewer, "window", None)
        widgets = () if window is None else window.dock_widgets.values()
        return [widget for widget in widgets if isinstance(widget, QaDock)]
