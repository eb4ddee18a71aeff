"""The plugin's page in napari's Preferences, held equal with the preferences of the engine.

napari shows the page by the manifest and keeps its values in a file of its own; the command line
and the engine have theirs.  Whichever was changed since the two last agreed is followed.
"""

from __future__ import annotations

import dataclasses
import json
from contextlib import suppress
from functools import partial
from typing import Any

from napari.utils.notifications import show_warning
from qtpy.QtCore import QObject, Qt

from napari_voxelmorph.engine import preferences
from napari_voxelmorph.engine.errors import VoxelMorphError
from napari_voxelmorph.engine.preferences import SECTIONS, Preferences
from napari_voxelmorph.gui.background import memory
from napari_voxelmorph.gui.background.engine_thread import engine_thread_of
from napari_voxelmorph.gui.background.farewell import when_destroyed
from napari_voxelmorph.gui.register.present import present_of

_PLUGIN = "napari-voxelmorph"
_AGREED = "preferences/agreed"


def page() -> Any:
    """The values of napari's page; None where napari does not know it (a plugin switched off)."""
    try:
        from napari.settings import get_plugin_settings

        return get_plugin_settings(_PLUGIN)
    except (ImportError, KeyError):
        return None


class PreferencesPage(QObject):
    """Follows the page for one window."""

    def __init__(self, viewer: Any, parent: QObject) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._page = page()
        self._busy = False
        problem = preferences.load()[1]
        if problem:
            show_warning(problem)
        self._used = preferences.current()
        if self._used.threads:
            self._use_threads()
        if self._page is None:
            return
        follow = self.agree
        sections = [getattr(self._page, section) for section in SECTIONS]
        for section in sections:
            section.events.connect(follow)
        when_destroyed(self, partial(_let_go, sections, follow))
        self.agree()

    def agree(self, event: Any = None) -> None:
        """Take over what was changed in napari, and show there what was changed elsewhere."""
        if self._busy:
            return
        ours, told, agreed = preferences.current(), self._told(), _agreed()
        changed = {name: value for name, value in told.items() if value != agreed[name]}
        try:
            ours = preferences.change(**changed) if changed else ours
        except VoxelMorphError as error:
            show_warning(str(error))
        self._show(ours)
        memory.remember(_AGREED, json.dumps(dataclasses.asdict(ours)))
        self._use(ours)

    def _told(self) -> dict[str, Any]:
        return {
            name: getattr(getattr(self._page, section), name)
            for section, (_, names) in SECTIONS.items()
            for name in names
        }

    def _show(self, ours: Preferences) -> None:
        self._busy = True
        try:
            for section, (_, names) in SECTIONS.items():
                shown = getattr(self._page, section)
                for name in names:
                    with suppress(ValueError):  # such as cuda:7, which the page does not offer
                        setattr(shown, name, getattr(ours, name))
        finally:
            self._busy = False

    def _use(self, ours: Preferences) -> None:
        """What is not looked up whenever it is needed."""
        before, self._used = self._used, ours
        if ours.threads != before.threads:
            self._use_threads()
        view = present_of(self._viewer).view
        if ours.convention != before.convention and view is not None:
            view.set_convention(ours.convention)

    def _use_threads(self) -> None:
        # torch counts threads for each thread that asks: it is the engine's that computes.
        engine_thread_of(self._viewer).submit(_use_threads, lane="threads")


def _use_threads() -> None:
    from napari_voxelmorph.engine.parallel import use_threads

    use_threads()


def _agreed() -> dict[str, Any]:
    """The values when napari and the engine last agreed."""
    usual = dataclasses.asdict(Preferences())
    try:
        found = json.loads(memory.recall_text(_AGREED, "{}"))
    except ValueError:
        return usual
    return {**usual, **found} if isinstance(found, dict) else usual


def _let_go(sections: list[Any], follow: Any) -> None:
    for section in sections:
        section.events.disconnect(follow)


def follow_preferences(viewer: Any) -> None:
    """Once per window."""
    window = getattr(getattr(viewer, "window", None), "_qt_window", None)
    direct = Qt.FindChildOption.FindDirectChildrenOnly
    if window is not None and window.findChild(PreferencesPage, options=direct) is None:
        PreferencesPage(viewer, window)
