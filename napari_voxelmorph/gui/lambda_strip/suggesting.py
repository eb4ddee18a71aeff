"""“Suggest λ”: for the whole image, one structure, or a box that the user draws."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import QObject

from napari_voxelmorph.gui.lambda_strip.box_layer import block_of, box_layer, draw_box
from napari_voxelmorph.gui.lambda_strip.showing import Showing
from napari_voxelmorph.gui.lambda_strip.structure_names import called
from napari_voxelmorph.gui.lambda_strip.tuner import Tuner

if TYPE_CHECKING:
    from napari_voxelmorph.engine.lambda_sweep.knots import Knots, Scores

WHOLE, BOX = "whole", "box"
_LANE = "lambda box"
_DRAW = (
    "Draw a rectangle on the canvas (layer “λ box”), then press Suggest again. It counts as deep "
    "as its shorter side."
)
_WAIT = "The fields are still being computed; try again when all of them are there."
_NOTHING = "Nothing can be said of λ there: the images hold nothing, or not this structure."


class Suggesting(QObject):
    """Finds the λ and moves there; says why."""

    def __init__(self, tuner: Tuner, showing: Showing, parent: QObject) -> None:
        super().__init__(parent)
        self._tuner, self._showing = tuner, showing
        tuner.began.connect(self.leave)

    def suggest(self, scope: str | int) -> None:
        """For `WHOLE`, `BOX`, or a structure's label."""
        tuner = self._tuner
        knots = tuner.knots
        if tuner.base is None or knots is None or tuner.sweeping:
            tuner.told.emit("note", _WAIT, "")
        elif scope == BOX:
            self._look_into_box(knots)
        else:
            scores = [k.scores for k in knots.knots if k.scores is not None]
            self._take(knots, scores, None if scope == WHOLE else int(scope))

    def _look_into_box(self, knots: Knots) -> None:
        tuner, view = self._tuner, self._tuner.present.view
        base = tuner.base
        if base is None or view is None or not view.has_pair:
            return
        layer = box_layer(view.viewer)
        if layer is None or not len(layer.data):
            draw_box(view.viewer, view.layers.scene.grid)
            tuner.told.emit("note", _DRAW, "")
            return
        block = block_of(layer, view.layers.scene.grid)
        if block is None:
            tuner.told.emit("warning", "The box lies outside the fixed image; draw it anew.", "")
            return
        tuner.engine.submit(
            lambda: tuner.jobs.box(base, knots, block), lane=_LANE,
            on_done=lambda scores: self._take(knots, scores, None, " in the box"),
            on_error=lambda sentence, details: tuner.told.emit("error", sentence, details),
        )  # fmt: skip

    def _take(self, knots: Knots, scores: list[Scores], label: int | None, where: str = "") -> None:
        from napari_voxelmorph.engine.lambda_sweep.suggestion import suggest

        name = "" if label is None else called(label, self._tuner.names)
        found = suggest(scores, label, name)
        if found is None:
            self._tuner.told.emit("warning", _NOTHING, "")
            return
        value = knots.knots[found.index].value
        self._showing.set_value(value, f"suggested: {found.why}{where}")
        self._tuner.told.emit("done", f"Suggested {value:.3g}: {found.why}{where}.", "")

    def leave(self) -> None:
        """Whatever was under way is void."""
        self._tuner.engine.forget(_LANE)
