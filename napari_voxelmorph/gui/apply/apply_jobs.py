"""What the engine thread does for the Apply dock.  No Qt here; heavy imports come late."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari.layers import Layer

if TYPE_CHECKING:
    from napari_voxelmorph.engine.apply.items import Item
    from napari_voxelmorph.engine.apply.run import Way
    from napari_voxelmorph.engine.geometry.volume import Volume
    from napari_voxelmorph.engine.result import Registration


@dataclass(frozen=True, eq=False)
class Request:
    """All that was chosen in the dock.

    Parameters
    ----------
    registration : Registration or None
        The result that is shown; None: `path` is read.
    fixed, moving : Volume or None
        The images for which a file was made, where it does not tell.
    show : bool
        Whether the results shall be layers too.
    """

    registration: Registration | None
    path: str
    format: str | None
    fixed: Volume | None
    moving: Volume | None
    items: Sequence[Item]
    way: Way
    show: bool


@dataclass(frozen=True, eq=False)
class Done:
    """The files that were written, and the layers that show them."""

    written: list[Path]
    layers: list[Layer]


def format_titles() -> dict[str, str]:
    """Title and use of each format of transform files, by name."""
    from napari_voxelmorph.engine.files.transforms.formats import FORMATS

    return {name: f"{known.title} ({known.help})" for name, known in FORMATS.items()}


def applying(request: Request) -> Generator[Any, None, Done]:
    """Carry everything over; yields steps."""
    from napari_voxelmorph.engine.apply.run import Progress, carry_over
    from napari_voxelmorph.engine.apply.transform import read_transform

    registration = request.registration
    if registration is None:
        yield Progress("Reading the transform", 0.0)
        fixed, moving = _known(request)
        registration = read_transform(
            request.path, request.format, fixed, moving, request.way.inverse
        )
    written = yield from carry_over(registration, request.items, request.way)
    layers = []
    if request.show:
        target = request.way.grid or (
            registration.moving if request.way.inverse else registration.fixed
        )
        for item in request.items:
            yield Progress("Opening the results", 1.0)
            layers += _shown(item, target)
    return Done(written, layers)


def _known(request: Request) -> tuple[Volume | None, Volume | None]:
    """The images of a transform file: those that were named, else what is carried over."""
    from napari_voxelmorph.engine.apply.items import kind_of
    from napari_voxelmorph.engine.files import load, peek
    from napari_voxelmorph.engine.files.series import is_series
    from napari_voxelmorph.engine.geometry.volume import Volume

    known = {"fixed": request.fixed, "moving": request.moving}
    source, target = ("fixed", "moving") if request.way.inverse else ("moving", "fixed")
    for item in request.items:
        if known[source] is not None:
            break
        if isinstance(item.source, Volume):
            known[source] = item.source
        elif isinstance(item.source, Path) and item.kind is None and not kind_of(item.source):
            index = 0 if is_series(item.source) else None
            known[source] = peek(item.source, index) or load(item.source, None, index)
    if known[target] is None:
        known[target] = request.way.grid
    return known["fixed"], known["moving"]


def _shown(item: Item, target: Volume) -> list[Layer]:
    """The layer of one result; series, surfaces and DICOM are left to be opened by hand."""
    from napari_voxelmorph.engine.apply.items import PointList, kind_of
    from napari_voxelmorph.engine.files import load
    from napari_voxelmorph.engine.files.landmarks import load_landmarks
    from napari_voxelmorph.engine.files.series import is_series
    from napari_voxelmorph.gui.views.display import layer_from_volume
    from napari_voxelmorph.gui.views.landmark_layer import landmark_layer

    if item.dicom or is_series(item.out) or kind_of(item.out) == "surface":
        return []
    if isinstance(item.source, PointList) or kind_of(item.out) == "points":
        points, _ = load_landmarks(item.out, target.ndim)
        return [Layer.create(*landmark_layer(item.out.name, points, target))]
    return [Layer.create(*layer_from_volume(load(item.out, None)))]
