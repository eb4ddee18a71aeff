"""Medical image files, DICOM folders and session folders, opened by napari."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from napari_voxelmorph.gui.views.landmark_layer import LayerData

_ENDINGS = (
    ".nii", ".nii.gz", ".mgz", ".mgh", ".img", ".hdr", ".nrrd", ".nhdr", ".mha", ".mhd", ".dcm",
)  # fmt: skip
_MOST_FILES_LOOKED_AT = 20

Reader = Callable[[Any], list[LayerData]]


def get_reader(path: str | list[str]) -> Reader | None:
    """Return a reader when the path is ours (npe2's first question), else None."""
    paths = [path] if isinstance(path, str) else list(path)
    return read if paths and all(_is_ours(Path(p)) for p in paths) else None


def read(path: str | list[str]) -> list[LayerData]:
    """Return the layers behind one path or several."""
    from napari_voxelmorph.engine.files.reading import to_the_end
    from napari_voxelmorph.gui.files.file_jobs import layer_data
    from napari_voxelmorph.gui.files.session_dock import show_dock
    from napari_voxelmorph.gui.files.sessions import session_layers

    layers: list[LayerData] = []
    for one in [path] if isinstance(path, str) else path:
        if session_in(Path(one)) is not None:
            layers += session_layers(str(session_in(Path(one))))
            show_dock()
        else:
            layers.append(to_the_end(layer_data(one, kind=None)))
    return layers


def is_session(folder: Path) -> bool:
    """Whether a folder holds a saved session."""
    from napari_voxelmorph.engine.files import session

    return folder.is_dir() and (folder / session.INDEX).is_file()


def session_in(folder: Path) -> Path | None:
    """The session that a folder is, or that the command line wrote into it; else None.

    The ``session.json`` of a session stands for its folder.
    """
    if folder.name == "session.json" and folder.is_file():
        folder = folder.parent
    return next((f for f in (folder, folder / "session") if is_session(f)), None)


def _is_ours(path: Path) -> bool:
    if session_in(path) is not None:
        return True
    if path.is_dir():
        return _holds_dicom(path)
    return path.name.lower().endswith(_ENDINGS)


def _holds_dicom(folder: Path) -> bool:
    """Whether one of the first files carries the DICOM mark."""
    looked_at = 0
    for file in sorted(folder.iterdir()):
        if not file.is_file():
            continue
        with file.open("rb") as stream:
            if stream.read(132)[128:] == b"DICM":
                return True
        looked_at += 1
        if looked_at >= _MOST_FILES_LOOKED_AT:
            break
    return False
