"""What is pinned is what the Segmentation QA dock compares with, where one is open."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from napari_voxelmorph.gui.lambda_strip.tuner import Tuner
from napari_voxelmorph.gui.qa.qa_dock import QaDock

if TYPE_CHECKING:
    from napari_voxelmorph.engine.result import Registration

LANE = "lambda overlap"


def give_reference(viewer: Any, tuner: Tuner, name: str, result: Registration) -> None:
    """Hand the overlap of a pinned result to the QA dock; measured in the engine thread."""
    base = tuner.base
    if base is None or not _docks(viewer):
        return

    def give(dice: dict[int, float]) -> None:
        for dock in _docks(viewer) if dice else ():
            dock.set_reference(dice, name)

    tuner.engine.submit(
        partial(tuner.jobs.overlap, result, base), lane=LANE,
        on_done=give, on_error=partial(tuner.told.emit, "error"),
    )  # fmt: skip


def _docks(viewer: Any) -> list[QaDock]:
    window = getattr(viewer, "window", None)
    widgets = () if window is None else window.dock_widgets.values()
    return [widget for widget in widgets if isinstance(widget, QaDock)]
