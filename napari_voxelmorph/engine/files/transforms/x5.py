# mypy: allow-untyped-calls
"""BIDS X5, the draft that nitransforms implements: displacements in RAS mm with their domain.

One node in ``/TransformGroup/0``; matrix or field maps fixed points to moving points.  The
layout is that of nitransforms 25.1 (io/x5.py); the draft may still change.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from napari_voxelmorph.engine.errors import FileFormatError, InputError
from napari_voxelmorph.engine.files.images import suffix_of
from napari_voxelmorph.engine.files.reading import damaged, reading
from napari_voxelmorph.engine.files.transforms.chain import Chain, Shift, empty_grid
from napari_voxelmorph.engine.files.transforms.dense import plane_voxels, transformed, vectors_of
from napari_voxelmorph.engine.files.transforms.hdf5 import check_hdf5
from napari_voxelmorph.engine.files.transforms.one_way import one_way
from napari_voxelmorph.engine.files.writing import writing
from napari_voxelmorph.engine.geometry.volume import Matrix, Volume, check_affine
from napari_voxelmorph.engine.result import Registration

_WHAT = "a BIDS X5 transform"


def write(registration: Registration, path: Path, inverse: bool = False) -> None:
    """The whole map as one node: a displacement field, or a matrix for an affine result."""
    if suffix_of(path, (".x5", ".h5")) is None:
        raise InputError(f"“{path.name}”: a BIDS X5 transform is saved as .x5.")
    way = one_way(registration, inverse)
    linear = registration.field is None
    with writing(path) as temporary, h5py.File(temporary, "w") as file:
        file.attrs["Format"] = "X5"
        file.attrs["Version"] = np.uint16(1)
        node = file.create_group("TransformGroup/0")
        node.attrs["Type"] = "linear" if linear else "nonlinear"
        node.attrs["SubType"] = "affine" if linear else "densefield"
        node.attrs["Representation"] = "matrix" if linear else "displacements"
        node.attrs["ArrayLength"] = 1
        node.attrs["Metadata"] = json.dumps({"WrittenBy": "napari-voxelmorph"})
        if linear:
            node.create_dataset("Transform", data=way.affine)
        else:
            vectors = np.moveaxis(vectors_of(way, way.grid.affine, np.eye(4)), 0, -1)
            node.create_dataset("Transform", data=vectors, compression=1)
        node["DimensionKinds"] = np.asarray(["space"] * 3 + ["vector"], dtype="S")
        domain = node.create_group("Domain")
        domain["Grid"] = np.uint8(1)
        domain["Size"] = np.asarray(way.grid.shape)
        domain["Mapping"] = way.grid.affine
        domain.attrs["Coordinates"] = "cartesian"


def is_x5(path: Path) -> bool:
    """Whether an HDF5 file says that it is X5."""
    try:
        with h5py.File(path, "r") as file:
            return _text(file.attrs.get("Format")) == "X5"
    except OSError:
        return False


def read(path: Path, fixed: Volume | None, moving: Volume | None) -> Chain:
    """The nodes of a file, chained as ``/TransformChain/0`` says (without it: the only node)."""
    with reading(path, _WHAT), h5py.File(path, "r") as file:
        if _text(file.attrs.get("Format")) != "X5":
            raise damaged(path, _WHAT, "it does not say that it is X5")
        check_hdf5(path, _WHAT, file, copies=2)
        group = file["TransformGroup"]
        order = list(group)
        if "TransformChain" in file:
            order = _text(file["TransformChain/0"][()]).split("/")
        elif len(order) != 1:
            raise FileFormatError(
                f"“{path.name}” holds {len(order)} transforms and does not say in which order they "
                "belong together. Save the one that is wanted into a file of its own."
            )
        nodes = [_node(path, group[name]) for name in order]
    # The first one of the chain acts first on a point (TransformChain.map of nitransforms).
    grid = next((grid for _, grid in nodes if grid is not None), None)
    return Chain([step for step, _ in nodes], path.name, fixed=grid)


def _node(path: Path, node: Any) -> tuple[Matrix | Shift, Volume | None]:
    data = node["Transform"]
    grid = _grid(path, node["Domain"]) if "Domain" in node else None
    kind = _text(node.attrs["Type"])
    if kind == "linear" and data.shape in ((4, 4), (1, 4, 4)):
        matrix = np.asarray(data, dtype=np.float64).reshape(4, 4)
        check_affine(matrix, 3, path.name)
        return matrix, grid
    dense = kind == "nonlinear" and _text(node.attrs.get("SubType", "densefield")) == "densefield"
    if not dense or grid is None or data.shape != (*grid.shape, 3):
        raise FileFormatError(
            f"“{path.name}” holds a transform of a kind that is not read ({kind}, shape "
            f"{data.shape}); an affine matrix or a dense field with its domain is needed."
        )
    vectors = np.ascontiguousarray(np.moveaxis(np.asarray(data, np.float32), -1, 0))
    if not np.isfinite(vectors).all():
        raise damaged(path, _WHAT, "it holds NaN or infinite numbers")
    if _text(node.attrs.get("Representation")) == "deformations":
        vectors -= _places(grid)
    return Shift(vectors, grid), grid


def _grid(path: Path, domain: Any) -> Volume:
    size = [int(n) for n in np.asarray(domain["Size"]).ravel()]
    if len(size) != 3 or min(size) < 1:
        raise damaged(path, _WHAT, f"its domain is {size} voxels")
    return empty_grid(size, np.asarray(domain["Mapping"], np.float64), path.name)


def _places(grid: Volume) -> NDArray[np.float32]:
    """World position of every voxel, (3, *S)."""
    planes = [transformed(grid.affine, plane_voxels(n, grid.shape)) for n in range(grid.shape[0])]
    return np.concatenate(planes).T.reshape(3, *grid.shape).astype(np.float32)


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)
