"""A quick canvas for results that pass by, as while λ is dragged.

napari slices every layer anew, and OpenGL sends each of its pixels through limits, gamma and a
table of colours: on a processor 9 ms a layer, beside 20 ms for letters and bars.  While a result
moves, the changing layers are coloured here, slice by slice, and drawn as one picture or few;
all that stands still is drawn once.  Whatever else happens, the canvas is given back at once.
"""

from __future__ import annotations

import logging
import time
from contextlib import suppress
from typing import Any

from napari.components import ViewerModel
from napari.settings import get_settings
from qtpy.QtCore import QTimer

from napari_voxelmorph.gui.ticker import Ticker
from napari_voxelmorph.gui.views.layer_stack import LayerStack
from napari_voxelmorph.gui.views.live_scene import LiveScene
from napari_voxelmorph.gui.views.live_sheets import plan

_LOG = logging.getLogger(__name__)
#: Seconds between two results that belong to one movement.
_MOVING = 1.0
#: Milliseconds after which a movement has ended.
_REST = 300
#: Of vispy's canvas: somebody wants to use what napari draws.
_TOUCHED = ("mouse_press", "mouse_move", "mouse_wheel", "key_press")


class LiveCanvas:
    """Takes the canvas over while results follow each other quickly, and gives it back.

    Parameters
    ----------
    viewer : ViewerModel
    stack : LayerStack
        Its lazy layers are sliced again when the canvas is given back.
    """

    def __init__(self, viewer: ViewerModel, stack: LayerStack) -> None:
        self._viewer, self._stack = viewer, stack
        self._scene: LiveScene | None = None
        self._watched: list[Any] = []
        self._due = False
        self._last = -1.0
        self._impossible = False
        self._rest = Ticker(viewer, self.leave, _REST)

    @property
    def is_live(self) -> bool:
        """Whether the canvas is taken over."""
        return self._scene is not None

    def show(self) -> bool:
        """The stage holds another passing result: paint it with the next frame, at most once.

        Returns False when napari has to do it: for a first result, which may be the only one, in
        3-D, side by side, and with layers whose look is not known here.
        """
        now = time.monotonic()
        moving, self._last = now - self._last < _MOVING, now
        if self._scene is None and not (moving and self._take_over()):
            return False
        assert self._scene is not None
        self._due = True
        self._scene.update()
        self._rest.start()
        return True

    def leave(self, refresh: bool = True) -> None:
        """Give the canvas back, if it was taken; `refresh`: with the present slices."""
        scene, self._scene = self._scene, None
        if scene is None:
            return
        self._rest.stop()
        self._forget()
        with suppress(RuntimeError):  # the window is gone
            scene.close()
        if refresh:
            try:
                self._stack.refresh()
            except Exception:  # whoever shows the next result is told
                _LOG.debug("slices after a movement", exc_info=True)

    # Inside -------------------------------------------------------------------------------

    def _take_over(self) -> bool:
        if self._impossible or get_settings().experimental.async_:
            return False
        found = plan(self._viewer) if LiveScene.is_possible(self._viewer) else None
        if found is None:
            return False
        scene = None
        try:
            scene = LiveScene(self._viewer, self._before_painting)
            if scene.open(found):
                self._watch(scene)
                self._scene, scene = scene, None
        except Exception:  # another napari, or another driver, than those known
            _LOG.debug("no quick canvas", exc_info=True)
            self._impossible = True
        if scene is not None:
            scene.close()
        return self._scene is not None

    def _before_painting(self) -> None:
        if not self._due or self._scene is None:
            return
        self._due = False
        try:
            self._scene.draw()
        except Exception:  # not in the middle of a painting: the next result will tell
            _LOG.debug("slices of a movement", exc_info=True)
            self._last = -1.0
            QTimer.singleShot(0, self.leave)

    def _watch(self, scene: LiveScene) -> None:
        """Whatever happens to the viewer ends it; our own way of showing makes no events."""
        viewer = self._viewer
        groups = [viewer.layers, viewer.dims, viewer.scene.camera, viewer.canvas,
                  viewer.canvas.grid, viewer, *viewer.layers,
                  *viewer.canvas.overlays.values(), *viewer.scene.overlays.values()]  # fmt: skip
        self._watched = [group.events for group in groups]
        self._watched += [getattr(scene.scene.events, name) for name in _TOUCHED]
        for events in self._watched:
            events.connect(self._on_event)

    def _forget(self) -> None:
        for events in self._watched:
            with suppress(RuntimeError, ValueError):
                events.disconnect(self._on_event)
        self._watched = []

    def _on_event(self, event: Any = None) -> None:
        self.leave()
