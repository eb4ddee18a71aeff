"""The shelf: the models that come with the package, and those in the user's own folder."""

from __future__ import annotations

import os
import re
import shutil
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from napari_voxelmorph.engine.checkpoints import INDEX, read_card
from napari_voxelmorph.engine.errors import InputError, OutputError, VoxelMorphError
from napari_voxelmorph.engine.files.writing import output_error
from napari_voxelmorph.engine.model_card import ModelCard
from napari_voxelmorph.engine.preferences import current

_PACKAGE = "napari_voxelmorph_models"
#: Hidden, so that it is not taken for a model; keeps so many.
_TRASH, _MOST_TRASH = ".trash", 10
_NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_. -]{0,79}")


@dataclass(frozen=True)
class Entry:
    """A model on the shelf.

    Parameters
    ----------
    folder : Path
    card : ModelCard or None
        None when it cannot be read; then `problem` says why.
    nbytes : int
        Size on disk.
    own : bool
        In the user's folder, so that it may be removed or renamed.
    """

    folder: Path
    card: ModelCard | None
    problem: str
    nbytes: int
    own: bool

    @property
    def name(self) -> str:
        """By which the user and the command line call it: the folder's name."""
        return self.folder.name


def user_folder() -> Path:
    """Where the user's models are: ``NAPARI_VOXELMORPH_MODELS``, the folder of the preferences, or
    the system's data folder."""
    named = os.environ.get("NAPARI_VOXELMORPH_MODELS") or current().models_folder
    if named:
        return Path(named).expanduser()
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Application Support"
    else:
        base = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")
    return base / "napari-voxelmorph" / "models"


def trainings_folder() -> Path:
    """Where the window keeps trainings: the folder of the preferences, or beside the models."""
    named = current().trainings_folder
    return Path(named).expanduser() if named else user_folder().parent / "trainings"


def package_folders() -> list[Path]:
    """Where the models that come with the package are."""
    spec = find_spec(_PACKAGE)
    return [Path(p) for p in (spec.submodule_search_locations or [])] if spec else []


def shelf(packaged: Sequence[Path] | None = None, user: Path | None = None) -> list[Entry]:
    """All models, the user's first, each by name; a damaged one is listed with its problem.

    Parameters
    ----------
    packaged, user : folders, optional
        Default: `package_folders` and `user_folder`.
    """
    places = [(user_folder() if user is None else user, True)]
    places += [(p, False) for p in (package_folders() if packaged is None else packaged)]
    entries = []
    for place, own in places:
        try:
            folders = sorted(p for p in place.iterdir() if (p / INDEX).is_file())
        except OSError:
            continue
        entries += [_entry(f, own) for f in folders if not f.name.startswith(".")]
    return entries


def entry_of(name: str) -> Entry:
    """A model on the shelf by its name; `InputError`, with the names there are, if there is none."""
    entries = shelf()
    for entry in entries:
        if entry.name == name:
            return entry
    names = ", ".join(e.name for e in entries) or "none yet"
    raise InputError(f"There is no model “{name}”. On the shelf: {names}.")


def find(name: str | os.PathLike[str]) -> Path:
    """The folder of a model, by its name on the shelf or by its path.

    Raises
    ------
    InputError
        With the names there are.
    """
    if (Path(name) / INDEX).is_file():
        return Path(name)
    return entry_of(str(name)).folder


def new_folder(name: str, user: Path | None = None) -> Path:
    """Where a new model of that name goes in the user's folder, which is made when needed.

    Raises
    ------
    InputError
        When the name cannot be a folder's, or is taken.
    """
    if not _NAME.fullmatch(name) or name.endswith((" ", ".")):
        raise InputError(
            f"“{name}” cannot be a model's name. Use letters, digits, “-”, “_”, “.” and spaces."
        )
    place = user_folder() if user is None else user
    if (place / name).exists():
        raise InputError(f"There is already a model “{name}”. Choose another name.")
    try:
        place.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise output_error(place, error) from error
    return place / name


def free_name(wanted: str, user: Path | None = None) -> str:
    """`wanted` as the name of a new model, with a number where it is taken."""
    plain = re.sub(r"[^A-Za-z0-9_. -]+", "-", wanted).lstrip(". -")[:70].rstrip(" .-") or "model"
    place, name, number = user_folder() if user is None else user, plain, 2
    while (place / name).exists():
        name, number = f"{plain}-{number}", number + 1
    return name


def rename(entry: Entry, name: str) -> Entry:
    """Give one of the user's models another name."""
    folder = new_folder(name, _own(entry).parent)
    try:
        os.rename(entry.folder, folder)
    except OSError as error:
        raise output_error(folder, error) from error
    return entry_at(folder)


def remove(entry: Entry) -> Path:
    """Move one of the user's models to the shelf's trash; returns where it is, for `restore`.

    The trash keeps the latest few.
    """
    trash = _own(entry).parent / _TRASH
    place = trash / f"{time.time_ns():020d} {entry.name}"
    try:
        trash.mkdir(exist_ok=True)
        os.rename(entry.folder, place)
        for old in sorted(trash.iterdir())[:-_MOST_TRASH]:
            old.unlink() if old.is_symlink() else shutil.rmtree(old)
    except OSError as error:
        raise OutputError(f"The model “{entry.name}” could not be removed: {error}.") from error
    return place


def restore(place: Path) -> Entry:
    """Bring a model back from the trash, under its name, or with a number where that is taken."""
    shelf_folder = place.parent.parent
    folder = new_folder(free_name(place.name.split(" ", 1)[1], shelf_folder), shelf_folder)
    try:
        os.rename(place, folder)
    except OSError as error:
        raise OutputError(f"“{folder.name}” could not be brought back: {error}.") from error
    return entry_at(folder)


def entry_at(folder: Path) -> Entry:
    """One of the user's models, by its folder."""
    return _entry(folder, own=True)


def _own(entry: Entry) -> Path:
    if not entry.own:
        raise InputError(f"The model “{entry.name}” belongs to the package and stays as it is.")
    return entry.folder


def _entry(folder: Path, own: bool) -> Entry:
    try:
        card, problem = read_card(folder), ""
    except VoxelMorphError as error:
        card, problem = None, str(error)
    try:
        nbytes = sum(p.stat().st_size for p in folder.iterdir() if p.is_file())
    except OSError:
        nbytes = 0
    return Entry(folder, card, problem, nbytes, own)
