"""Models come onto the shelf from folders, zip files and the papers' Keras files, and leave it."""

from __future__ import annotations

import shutil
from pathlib import Path

from napari_voxelmorph.engine.checkpoints import INDEX, WEIGHTS, load_model, save_model
from napari_voxelmorph.engine.errors import FileFormatError
from napari_voxelmorph.engine.files.writing import folder_writing
from napari_voxelmorph.engine.keras_import import import_keras_model
from napari_voxelmorph.engine.model_zip import unpacked, write_zip
from napari_voxelmorph.engine.shelf import Entry, entry_at, free_name, new_folder

#: Endings of Keras files.
KERAS = (".h5", ".hdf5", ".keras")


def add(source: Path, name: str | None = None, user: Path | None = None) -> Entry:
    """Copy a model onto the shelf, after reading it whole.

    Parameters
    ----------
    source : Path
        A model folder (or a file in it), a zip file of one, or a Keras file (.h5) of the papers.
    name : str, optional
        Default: that of the folder or file; a number is added where it is taken.

    Raises
    ------
    InputError, FileFormatError, OutputError
        As `new_folder`, `load_model`, `import_keras` and `unpacked` do.
    """
    source = Path(source)
    if not source.exists():
        raise FileFormatError(f"There is no file or folder “{source}”.")
    kind = source.suffix.lower()
    own_name = source.resolve().name if source.is_dir() else source.stem
    if not source.is_dir() and kind in KERAS:
        network, card = import_keras_model(source)
        folder = new_folder(name or free_name(own_name, user), user)
        save_model(network, card, folder)
        return entry_at(folder)
    if not source.is_dir() and kind == ".zip":
        with unpacked(source) as inside:
            return _copied(inside, name or free_name(own_name, user), user)
    if not source.is_dir() and source.name not in (INDEX, WEIGHTS):
        raise FileFormatError(
            f"“{source.name}” is not a model that can be imported. Choose a model folder, a zip "
            "file of one, or a Keras file (.h5) of the VoxelMorph papers."
        )
    place = source if source.is_dir() else source.resolve().parent
    return _copied(place, name or free_name(place.name, user), user)


def _copied(source: Path, name: str, user: Path | None) -> Entry:
    """Read a model folder whole, then copy its two files as they are (so the hash stays)."""
    load_model(source)
    folder = new_folder(name, user)
    _copy(source, folder)
    return entry_at(folder)


def _copy(source: Path, target: Path) -> None:
    with folder_writing(target, INDEX) as temporary:
        for file in (WEIGHTS, INDEX):
            shutil.copyfile(source / file, temporary / file)


def export(entry: Entry, target: Path) -> Path:
    """Write a model as a zip file (a name that ends in .zip) or as a folder of its own.

    Raises
    ------
    FileFormatError
        When the model is damaged: it would be of no use elsewhere.
    OutputError
        When it cannot be written, or other files would be lost.
    """
    load_model(entry.folder)
    target = Path(target)
    if target.suffix.lower() == ".zip":
        write_zip([entry.folder / INDEX, entry.folder / WEIGHTS], target, entry.name)
    else:
        _copy(entry.folder, target)
    return target
