"""Where file dialogs begin: in the folder of the preferences, or where the user was last."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from napari_voxelmorph.engine import preferences
from napari_voxelmorph.engine.errors import VoxelMorphError


def begin_in(name: str = "", sessions: bool = False) -> str:
    """For a dialog: the folder, and in it the proposed `name`; `sessions`: theirs, if it is set."""
    kept = preferences.current()
    chosen = (kept.sessions_folder, kept.last_folder) if sessions else (kept.last_folder,)
    folder = next((f for f in chosen if f and Path(f).expanduser().is_dir()), "")
    return str(Path(folder).expanduser() / name) if folder else name


def remember_place(path: str) -> None:
    """Something was opened or saved there."""
    folder = str(Path(path).absolute().parent)
    with suppress(VoxelMorphError):  # a comfort: without it the next dialog begins elsewhere
        preferences.change(last_folder=folder)
