"""The held-out pair of a training in the viewer, refreshed in place while the network learns."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from qtpy.QtCore import QObject

from napari_voxelmorph.gui.background.turns import Pieces, Turns
from napari_voxelmorph.gui.views.views import PairView

if TYPE_CHECKING:
    from napari_voxelmorph.gui.training.training_preview import Picture, PreviewPair


class TrainPreview:
    """Fixed in magenta, moved in green, label outlines over both.  Main thread only.

    The view exists only while there is something to show, so that it does not meddle with the
    camera of a window in which nobody trains.
    """

    def __init__(self, viewer: Any, parent: QObject, on_error: Callable[[str, str], None]) -> None:
        self._viewer = viewer
        self._turns = Turns(parent, on_error)
        self._view: PairView | None = None
        self._pair: PreviewPair | None = None
        #: Read in the engine thread: whether pictures are to be made.
        self.wanted = threading.Event()

    def switch(self, on: bool) -> None:
        """From now on show the pair, or take it away."""
        if on:
            self.wanted.set()
        else:
            self.wanted.clear()
            self.clear()

    @property
    def view(self) -> PairView | None:
        """What shows the pair now, or None."""
        return self._view

    def show(self, picture: Picture) -> None:
        """Show a picture; the layers are made with the first one of a pair, in pieces."""
        if self._turns.waiting:
            return
        if self._pair is not picture.pair or not self._is_there():
            self._pair = picture.pair
            self._turns.add(self._opening(picture))
        else:
            self._update(picture)

    def _opening(self, picture: Picture) -> Pieces:
        pair = picture.pair
        if self._view is None:
            self._view = PairView(self._viewer)
        yield from self._view.showing(
            pair.fixed, pair.moving, picture.registration.affine,
            pair.moving_labels, pair.fixed_labels,
        )  # fmt: skip
        for overlay in ("fixed labels", "moved labels"):
            yield None
            self._view.set_overlay(overlay, True)
        yield None
        self._update(picture)

    def _update(self, picture: Picture) -> None:
        if self._view is not None:
            self._view.update(picture.registration, live=True)
            self._viewer.status = f"Held-out pair after step {picture.step:,}"

    def _is_there(self) -> bool:
        """Whether the user has left our layers where they were."""
        return self._view is not None and self._view.has_pair and len(self._view.stack) > 0

    def settle(self) -> None:
        """The training has ended: ranges and marks follow the last state."""
        self._turns.finish()
        if self._view is not None and self._view.registration is not None and self._is_there():
            self._view.update(self._view.registration)

    def clear(self) -> None:
        """Take the pair away; the user's layers show again."""
        self._turns.drop()
        if self._view is not None:
            self._view.clear()
            self._view.close()
        self._view = self._pair = None

    def leave(self) -> None:
        """The window is closing."""
        self._turns.drop()
        if self._view is not None:
            self._view.close()
        self._view = self._pair = None
