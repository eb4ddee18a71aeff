"""Anatomy label maps on one grid: read, aligned by an affine map of their structures, uint8.

Maps of different people are brought together as a registration would have done before its
deformable stage: least squares between the centres of the structures (and the poles of the
cerebrum) of every map and their mean over all maps.  Closed form, no image similarity.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_voxelmorph.engine.errors import InputError
from napari_voxelmorph.engine.files import load
from napari_voxelmorph.engine.geometry import kernels
from napari_voxelmorph.engine.geometry.volume import Matrix, Volume
from napari_voxelmorph.engine.parallel import run_slabs
from napari_voxelmorph.engine.synthesis.structures import (
    BRAIN,
    OUTSIDE_FROM,
    LabelTable,
    anatomy_table,
)

#: Axes point to the left, down and to the front, as in the space of the VoxelMorph papers.
ORIENTATION = "LIA"
#: Millimetres along those axes: room for a head and for shifts and turns.
EXTENT = (176, 208, 240)
_CEREBRUM = (2, 3, 41, 42)
_SUFFIXES = (".nii.gz", ".nii", ".mgz")
_FORMAT = 1


@dataclass(frozen=True, eq=False)
class LabelMaps:
    """Label maps of one grid and what their numbers mean.

    Parameters
    ----------
    data : list of ndarray (M0, M1, M2) uint8
        Dense numbers, see `table`; 2-D maps are one slice thick.
    table : LabelTable
    spacing : float
        Voxel size, mm (1 for noise shapes).
    names : tuple of str
    wrap : bool
        The maps repeat themselves beyond their edges.
    """

    data: list[NDArray[np.uint8]]
    table: LabelTable
    spacing: float
    names: tuple[str, ...]
    wrap: bool = False


def find_maps(folder: str | os.PathLike[str]) -> list[Path]:
    """The label maps (NIfTI, MGZ) of a folder, by name.

    Raises
    ------
    InputError
        When there is no such folder or fewer than two maps in it.
    """
    path = Path(folder)
    found = sorted(p for p in path.glob("*") if p.name.lower().endswith(_SUFFIXES))
    if len(found) < 2:
        raise InputError(
            f"“{path}” holds {len(found)} label maps (.nii.gz, .nii or .mgz); training needs at "
            "least two. Give the folder of the maps."
        )
    return found


def load_anatomy(
    paths: Sequence[Path], spacing: float = 1.0, cache: Path | None = None
) -> LabelMaps:
    """Read, align and conform the maps.

    Parameters
    ----------
    paths : sequence of path
        Integer maps with FreeSurfer ids (500 and more: tissue outside the brain).
    spacing : float
        Voxel size of the common grid, mm.
    cache : path, optional
        Folder in which the conformed maps are kept, and looked for first.

    Raises
    ------
    InputError
        When a map has no known structures, or there are more than 255 ids.
    """
    kept = None if cache is None else Path(cache) / f"maps_{_key(paths, spacing)}.npz"
    names = tuple(p.name.split(".")[0] for p in paths)
    if kept is not None and kept.is_file():
        with np.load(kept) as saved:
            table = anatomy_table(saved["ids"].tolist())
            return LabelMaps(list(saved["maps"]), table, spacing, names)
    volumes = [load(path, "labels") for path in paths]
    ids = np.unique(np.concatenate([np.unique(v.data) for v in volumes]))
    if ids.size > 256 or ids[0] < 0:
        raise InputError("The label maps must hold at most 255 ids, all positive, beside 0.")
    table = anatomy_table(ids.tolist())
    places = align([landmarks(v) for v in volumes])
    data = [conform(v, place, table, spacing) for v, place in zip(volumes, places, strict=True)]
    if kept is not None:
        kept.parent.mkdir(parents=True, exist_ok=True)
        part = kept.with_suffix(f".{os.getpid()}.npz")
        np.savez_compressed(part, maps=np.stack(data), ids=np.array(table.ids))
        part.replace(kept)
    return LabelMaps(data, table, spacing, names)


def _key(paths: Sequence[Path], spacing: float) -> str:
    parts = [f"{_FORMAT} {spacing} {EXTENT}"]
    parts += [f"{p.resolve()} {p.stat().st_size} {p.stat().st_mtime_ns}" for p in paths]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def landmarks(volume: Volume) -> NDArray[np.float64]:
    """World mm (P, 3) of the brain structures' centres and the cerebrum's six poles; NaN: absent."""
    ids = [i for members, _ in BRAIN.values() for i in members if i < OUTSIDE_FROM]
    data = np.asarray(volume.data)
    where = np.flatnonzero((data > 0) & (data < OUTSIDE_FROM))
    label, index = data.reshape(-1)[where], np.array(np.unravel_index(where, data.shape))
    points = np.full((len(ids) + 6, 3), np.nan)
    for row, i in enumerate(ids):
        # Fluid around the brain depends on the field of view.
        if i != 24 and (label == i).sum() >= 50:
            points[row] = index[:, label == i].mean(1)
    cerebrum = index[:, np.isin(label, _CEREBRUM)]
    if cerebrum.shape[1] < 1000:
        raise InputError(
            f"“{volume.name}” has no cerebrum (ids 2, 3, 41, 42); label maps must hold FreeSurfer ids."
        )
    world = volume.affine[:3, :3] @ cerebrum
    for axis in range(3):
        low, high = np.percentile(world[axis], (2, 98))
        points[len(ids) + 2 * axis] = cerebrum[:, world[axis] <= low].mean(1)
        points[len(ids) + 2 * axis + 1] = cerebrum[:, world[axis] >= high].mean(1)
    return points @ volume.affine[:3, :3].T + volume.affine[:3, 3]


def align(points: Sequence[NDArray[np.float64]], rounds: int = 5) -> list[Matrix]:
    """For each map, the affine (4, 4) from the common frame (mm, mean centre at 0) to its world."""
    shared = np.isfinite(np.stack(points)).all(axis=(0, 2))
    kept = [p[shared] for p in points]
    mean = np.mean([p - p.mean(0) for p in kept], axis=0)
    size = float(np.linalg.norm(mean))
    for _ in range(rounds):
        moved = [_apply(np.linalg.inv(fit(mean, p)), p) for p in kept]
        mean = np.mean(np.stack(moved), axis=0, dtype=np.float64)
        mean = (mean - mean.mean(0)) * (size / float(np.linalg.norm(mean - mean.mean(0))))
    return [fit(mean, p) for p in kept]


def fit(source: NDArray[np.float64], target: NDArray[np.float64]) -> Matrix:
    """The affine (4, 4) that takes `source` points (P, 3) nearest to `target` points."""
    ones = np.concatenate([source, np.ones((len(source), 1))], axis=1)
    matrix = np.eye(4)
    matrix[:3] = np.linalg.lstsq(ones, target, rcond=None)[0].T
    return matrix


def _apply(matrix: NDArray[Any], points: NDArray[Any]) -> NDArray[np.float64]:
    return np.asarray(points @ matrix[:3, :3].T + matrix[:3, 3])


def conform(volume: Volume, place: Matrix, table: LabelTable, spacing: float) -> NDArray[np.uint8]:
    """`volume` as dense numbers on the common grid: nearest, axes along `ORIENTATION`."""
    shape = tuple(round(n / spacing) for n in EXTENT)
    frame = np.eye(4)
    frame[:3, :3] = np.array([[-1, 0, 0], [0, 0, 1], [0, -1, 0]]) * spacing
    frame[:3, 3] = -frame[:3, :3] @ (np.array(shape) - 1) / 2
    matrix = np.linalg.inv(volume.affine) @ place @ frame
    dense = np.searchsorted(np.array(table.ids), np.asarray(volume.data)).astype(np.float32)
    out = np.empty(shape, np.float32)
    nothing, ones = np.zeros((3, 0, 0, 0), np.float32), np.ones(3)
    order: Any = kernels.NEAREST
    run_slabs(
        kernels.warp_image, shape[0], np.ascontiguousarray(dense), matrix[:3], nothing, ones,
        np.zeros(3), np.zeros(3), ones, order, np.float32(0), out,
    )  # fmt: skip
    return out.astype(np.uint8)
