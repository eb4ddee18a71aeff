"""Reading and writing for the Register dock, in the engine thread.  No Qt here."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Layer
from numpy.typing import NDArray

from napari_voxelmorph.gui.views.landmark_layer import LayerData

if TYPE_CHECKING:
    from napari_voxelmorph.engine.errors import SeveralVolumesError
    from napari_voxelmorph.engine.files.series import Series
    from napari_voxelmorph.engine.files.session import Session
    from napari_voxelmorph.engine.geometry.volume import Kind
    from napari_voxelmorph.engine.registration import Registration

Points = NDArray[np.float64]


def save_as(kind: str, result: Registration | Session, path: str) -> Callable[[], str]:
    """Return the job that writes a result; for `kind` see `register.save_menu.SaveMenu`."""

    def work() -> str:
        from napari_voxelmorph.engine import files
        from napari_voxelmorph.engine.files.dicom_writing import save_dicom
        from napari_voxelmorph.engine.files.transforms.registry import save_transform

        what, _, format = kind.partition(":")
        registration = result.registration if isinstance(result, files.Session) else result
        if what == "session":
            files.save_session(result, path)
        elif what == "moved":
            files.save(registration.moved, path)
        elif what == "dicom":
            save_dicom(registration.moved, registration.fixed, registration.moving, path)
        else:
            save_transform(registration, path, format, inverse=what == "inverse")
        return path

    return work


@dataclass(frozen=True)
class TooLarge:
    """A file that does not fit into the memory, and the voxel size (mm) at which it would.

    `readable`: it could be opened as it is, only not registered.
    """

    sentence: str
    voxel_size: float
    readable: bool


def load_images(
    paths: list[str], kinds: list[Kind], voxel_size: float | None = None, to_register: bool = True
) -> Callable[[], Generator[float, None, list[Layer] | TooLarge]]:
    """Return the job that reads image files; `kinds` are "image" or "labels".

    The layers are made here too: the first one of a session takes napari half a second.
    What is too large, also for a registration (unless `to_register` is False), is found by the
    headers, before anything is read.
    """

    def work() -> Generator[float, None, list[Layer] | TooLarge]:
        from napari_voxelmorph.engine.errors import NotEnoughMemoryError

        rest: list[Kind] = ["image"] * len(paths)
        layers = []
        for path in paths if to_register else ():
            found = _too_large(path, voxel_size)
            if found is not None:
                return found
        try:
            for path, kind in zip(paths, [*kinds, *rest], strict=False):
                # A segmentation over everything would hide the pair; the view shows outlines.
                looks = {"visible": kind != "labels"}
                data = yield from layer_data(path, kind, voxel_size, **looks)
                layers.append(Layer.create(*data))
        except NotEnoughMemoryError as error:
            if error.voxel_size is None:
                raise
            return TooLarge(str(error), error.voxel_size, False)
        return layers

    return work


def layer_data(
    path: str, kind: Kind | None, voxel_size: float | None = None, **looks: Any
) -> Generator[float, None, LayerData]:
    """Read one file as layer data: an image, a segmentation, or a 4-D series of them."""
    from napari_voxelmorph.engine import files
    from napari_voxelmorph.engine.errors import SeveralVolumesError
    from napari_voxelmorph.engine.files.series import is_series, load_series
    from napari_voxelmorph.gui.views.display import layer_from_volume
    from napari_voxelmorph.gui.views.series_layers import layer_from_series

    yield 0.0
    if is_series(Path(path)):
        return layer_from_series(load_series(Path(path)), kind, **looks)
    try:
        volume = yield from files.loading(path, kind, voxel_size=voxel_size)
    except SeveralVolumesError as error:
        series = yield from _one_by_one(path, kind, voxel_size, error)
        return layer_from_series(series, kind, **looks)
    return layer_from_volume(volume, **looks)


def _one_by_one(
    path: str, kind: Kind | None, voxel_size: float | None, error: SeveralVolumesError
) -> Generator[float, None, Series]:
    """The volumes of a file whose kind is not read as a whole (DICOM, NRRD, MGZ)."""
    from napari_voxelmorph.engine import files
    from napari_voxelmorph.engine.files.series import Series

    first = yield from files.loading(path, kind, 0, voxel_size=voxel_size)
    if first.ndim != 3:
        raise error
    data = np.empty((error.count, *first.shape), first.data.dtype)
    data[0] = first.data
    for index in range(1, error.count):
        volume = yield from files.loading(path, first.kind, index, voxel_size=voxel_size)
        data[index] = volume.data
    whole = np.moveaxis(data, 0, -1)
    return Series(Path(path), whole, first.affine, first.oriented, dict(first.header))


def _too_large(path: str, voxel_size: float | None) -> TooLarge | None:
    """Whether a pair of such images could not be registered, even on a coarse work grid."""
    import torch

    from napari_voxelmorph.engine import files
    from napari_voxelmorph.engine.config import DEFAULT
    from napari_voxelmorph.engine.errors import NotEnoughMemoryError, SeveralVolumesError
    from napari_voxelmorph.engine.estimate import check_memory

    try:
        grid = files.peek(path, None, voxel_size)
    except SeveralVolumesError:
        grid = files.peek(path, 0, voxel_size)
    if grid is None:
        return None
    try:
        check_memory(grid, grid, DEFAULT, torch.device("cpu"))
    except NotEnoughMemoryError as error:
        if error.voxel_size is not None:
            sentence = str(error).replace("This pair needs", f"Registering “{grid.name}” needs")
            return TooLarge(sentence, error.voxel_size, True)
    return None


def load_session_layers(folder: str) -> Callable[[], list[Layer]]:
    """Return the job that reads a session; its layers carry it (see `files.sessions`)."""

    def work() -> list[Layer]:
        from napari_voxelmorph.gui.files.sessions import session_layers

        return [Layer.create(*data) for data in session_layers(folder)]

    return work


def load_points(path: str, ndim: int) -> Callable[[], Points]:
    """Return the job that reads a list of landmarks, world mm."""

    def work() -> Points:
        from napari_voxelmorph.engine.files.landmarks import load_landmarks

        return load_landmarks(path, ndim)[0]

    return work


def load_sample() -> dict[str, Layer]:
    """Make the sample pair: layers by role."""
    from napari_voxelmorph.gui.files.sample_data import sample_pair

    return {role: Layer.create(*data) for role, data in sample_pair(3).items()}
