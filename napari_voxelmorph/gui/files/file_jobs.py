"""Reading and writing for the Register dock, in the engine thread.  No Qt here."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from napari.layers import Layer
from numpy.typing import NDArray

if TYPE_CHECKING:
    from napari_voxelmorph.engine.geometry.volume import Kind
    from napari_voxelmorph.engine.registration import Registration

Points = NDArray[np.float64]


def save_as(kind: str, registration: Registration, path: str) -> Callable[[], str]:
    """Return the job that writes a result; `kind` is session, moved or displacement."""

    def work() -> str:
        from napari_voxelmorph.engine import files

        writers: dict[str, Any] = {
            "session": lambda: files.save_session(registration, path),
            "moved": lambda: files.save(registration.moved, path),
            "displacement": lambda: files.save_displacement(registration, path),
        }
        writers[kind]()
        return path

    return work


def load_images(paths: list[str], kinds: list[Kind]) -> Callable[[], list[Layer]]:
    """Return the job that reads image files; `kinds` are "image" or "labels".

    The layers are made here too: the first one of a session takes napari half a second.
    """

    def work() -> list[Layer]:
        from napari_voxelmorph.engine import files
        from napari_voxelmorph.gui.views.display import layer_from_volume

        rest: list[Kind] = ["image"] * len(paths)
        layers = []
        for path, kind in zip(paths, [*kinds, *rest], strict=False):
            # A segmentation over everything would hide the pair; the view shows outlines.
            data = layer_from_volume(files.load(path, kind), visible=kind != "labels")
            layers.append(Layer.create(*data))
        return layers

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
