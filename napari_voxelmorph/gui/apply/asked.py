"""What the Apply dock shows, as a request for the engine; and what is still missing."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari.layers import Labels, Points

from napari_voxelmorph.engine.errors import InputError
from napari_voxelmorph.gui.apply.apply_jobs import Request
from napari_voxelmorph.gui.register.register_dock import RegisterDock
from napari_voxelmorph.gui.views.display import points_from_layer, volume_from_layer

if TYPE_CHECKING:
    from napari_voxelmorph.engine.apply.items import Item
    from napari_voxelmorph.engine.geometry.volume import Volume
    from napari_voxelmorph.gui.apply.apply_dock import ApplyDock
    from napari_voxelmorph.gui.register.jobs import Outcome


def result_in(viewer: Any) -> Outcome | None:
    """The result that the Register dock of this window shows, or None."""
    window = getattr(getattr(viewer, "window", None), "_qt_window", None)
    dock = None if window is None else window.findChild(RegisterDock)
    return None if dock is None else dock.runner.history.present


def readiness(dock: ApplyDock) -> tuple[str, bool]:
    """Text of the button, and whether it can be pressed."""
    count = len(dock.things.things())
    if dock.transform.from_file and not dock.transform.path:
        return "Choose a transform", False
    if count == 0:
        return "Add what shall be carried over", False
    if not dock.folder:
        return "Choose a folder for the results", False
    return f"Apply to {count} thing{'s' if count > 1 else ''}", True


def asked_for(dock: ApplyDock, outcome: Outcome | None) -> Request:
    """All that is chosen in the dock.

    Raises
    ------
    InputError
        When there is no result to apply, or two results would be one file.
    """
    from napari_voxelmorph.engine.apply.run import Way

    registration = None
    if not dock.transform.from_file:
        if outcome is None:
            raise InputError(
                "There is no result in this window. Register a pair first, or choose a transform "
                "file or a session folder above."
            )
        registration = outcome.registration
    images = {
        role: None if choice.layer is None else volume_from_layer(choice.layer)
        for role, choice in dock.transform.images.items()
    }
    grid = None if dock.grid.layer is None else volume_from_layer(dock.grid.layer)
    way = Way(dock.direction.currentIndex() == 1, grid, dock.mode.currentData())
    items = [_item(dock, thing, labels, way.inverse) for thing, labels in dock.things.things()]
    if len({item.out for item in items}) < len(items):
        raise InputError("Two results would have one name: rename a layer or file, or apply twice.")
    return Request(
        registration, dock.transform.path, dock.transform.format_name, images["fixed"],
        images["moving"], items, way, dock.show_results.isChecked(),
    )  # fmt: skip


def _item(dock: ApplyDock, thing: Any, labels: bool, inverse: bool) -> Item:
    from napari_voxelmorph.engine.apply.items import Item, PointList, kind_of, renamed

    word, folder = "back" if inverse else "moved", Path(dock.folder)
    if isinstance(thing, str):
        path, dicom = Path(thing), dock.dicom.isChecked() and kind_of(Path(thing)) is None
        return Item(path, _out(folder, renamed(path, word), dicom, labels),
                    "labels" if labels else None, None, dicom)  # fmt: skip
    stem = re.sub(r"[^\w.-]+", "_", thing.name)
    if isinstance(thing, Points):
        points = points_from_layer(thing, _image_below(dock, thing))
        return Item(PointList(points, thing.name), folder / f"{stem}_{word}.csv")
    volume: Volume = volume_from_layer(thing)
    dicom = dock.dicom.isChecked()
    is_labels = isinstance(thing, Labels)
    return Item(volume, _out(folder, f"{stem}_{word}.nii.gz", dicom, is_labels), None, None, dicom)


def _out(folder: Path, name: str, dicom: bool, labels: bool) -> Path:
    """A DICOM series is a folder, a DICOM SEG one file."""
    if not dicom:
        return folder / name
    stem = name.removesuffix(".gz")
    stem = stem[: len(stem) - len(Path(stem).suffix)]
    return folder / (f"{stem}.dcm" if labels else stem)


def _image_below(dock: ApplyDock, points: Any) -> Any:
    """The image in whose world points lie: the one that is chosen in the Register dock."""
    window = dock.viewer.window._qt_window
    register = window.findChild(RegisterDock)
    role = "fixed" if dock.direction.currentIndex() == 1 else "moving"
    layer = None if register is None else register.inputs.layer(role)
    if layer is None:
        raise InputError(
            f"To carry the points “{points.name}” over, the {role} image must be chosen in the "
            "Register dock: points lie over an image. Or save them as CSV and add the file."
        )
    return layer
