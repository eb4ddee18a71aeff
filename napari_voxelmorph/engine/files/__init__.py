"""Files in and out: images, transforms, sessions."""

from napari_voxelmorph.engine.files.displacement import (
    DisplacementFile,
    load_displacement,
    save_displacement,
)
from napari_voxelmorph.engine.files.images import READERS, WRITERS, load, loading, peek, save
from napari_voxelmorph.engine.files.itk_affine import load_affine, save_affine
from napari_voxelmorph.engine.files.session import (
    Session,
    load_session,
    open_session,
    save_session,
)
from napari_voxelmorph.engine.files.transforms.registry import load_transform, save_transform

__all__ = [
    "READERS",
    "WRITERS",
    "DisplacementFile",
    "Session",
    "load",
    "load_affine",
    "load_displacement",
    "load_session",
    "load_transform",
    "loading",
    "open_session",
    "peek",
    "save",
    "save_affine",
    "save_displacement",
    "save_session",
    "save_transform",
]
