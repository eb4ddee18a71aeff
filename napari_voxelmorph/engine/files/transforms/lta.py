"""FreeSurfer's linear transforms (.lta): moving to fixed, with both grids."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from napari_voxelmorph.engine.errors import FileFormatError
from napari_voxelmorph.engine.files.reading import damaged, reading
from napari_voxelmorph.engine.files.transforms.chain import Chain, empty_grid
from napari_voxelmorph.engine.files.transforms.freesurfer_geometry import affine_of, geometry
from napari_voxelmorph.engine.files.transforms.one_way import one_way
from napari_voxelmorph.engine.files.writing import writing
from napari_voxelmorph.engine.geometry.volume import Matrix, Volume, check_affine
from napari_voxelmorph.engine.result import Registration

_WHAT = "a FreeSurfer transform"
_VOXELS, _RAS = 0, 1
_LARGEST = 100_000


def write(registration: Registration, path: Path, inverse: bool = False) -> None:
    """The affine stage as LINEAR_RAS_TO_RAS; src is the moving and dst the fixed image."""
    way = one_way(registration, inverse)
    lines = ["# written by napari-voxelmorph", f"type      = {_RAS} # LINEAR_RAS_TO_RAS",
             "nxforms   = 1", "mean      = 0.0000 0.0000 0.0000", "sigma     = 1.0000", "1 4 4"]  # fmt: skip
    lines += [_row(row) for row in np.linalg.inv(way.affine)]
    for role, volume in (("src", way.other), ("dst", way.grid)):
        lines += [f"{role} volume info", *_described(volume)]
    with writing(path) as temporary:
        temporary.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _described(volume: Volume) -> list[str]:
    directions, center = geometry(volume)
    return [
        "valid = 1  # volume info valid",
        "filename = none",
        "volume = {} {} {}".format(*volume.shape),
        f"voxelsize = {_row(volume.spacing)}",
        *[f"{axis}ras   = {_row(directions[:, n])}" for n, axis in enumerate("xyz")],
        f"cras   = {_row(center)}",
    ]


def _row(numbers: object) -> str:
    return " ".join(f"{float(n):.15e}" for n in numbers)  # type: ignore[attr-defined]


def read(path: Path, fixed: Volume | None, moving: Volume | None) -> Chain:
    """RAS to RAS or voxel to voxel, one transform."""
    with reading(path, _WHAT):
        if path.stat().st_size > _LARGEST:
            raise damaged(path, _WHAT, "it is far too large")
        text = path.read_text(encoding="utf-8", errors="replace")
        lines = [line.split("#")[0].rstrip() for line in text.splitlines()]
        lines = [line for line in lines if line]
        kind = int(_value(lines, "type"))
        if int(_value(lines, "nxforms")) != 1 or kind not in (_VOXELS, _RAS):
            raise FileFormatError(
                f"“{path.name}” holds {_value(lines, 'nxforms')} transform(s) of type {kind}; one "
                "from RAS to RAS or from voxel to voxel is read. Convert it with FreeSurfer: "
                "lta_convert --inlta FILE --outlta NEW"
            )
        at = lines.index("1 4 4")
        matrix = np.array([[float(n) for n in line.split()] for line in lines[at + 1 : at + 5]])
        check_affine(matrix, 3, path.name)
        grids = {role: _grid(path, lines, role) for role in ("src", "dst")}
        if kind == _VOXELS:
            ends = [grid.affine if grid else None for grid in (grids["dst"], grids["src"])]
            if ends[0] is None or ends[1] is None:
                raise damaged(path, _WHAT, "it counts in voxels and does not say where they lie")
            matrix = ends[0] @ matrix @ np.linalg.inv(ends[1])
    return Chain([_inverse(matrix)], path.name, fixed=grids["dst"], moving=grids["src"])


def _inverse(matrix: Matrix) -> Matrix:
    return np.asarray(np.linalg.inv(matrix), np.float64)


def _grid(path: Path, lines: list[str], role: str) -> Volume | None:
    """What stands under ``src volume info``; None when it is marked as not valid."""
    title = f"{role} volume info"
    if title not in lines:
        return None
    part = lines[lines.index(title) + 1 :][:8]
    if int(_value(part, "valid")) == 0:
        return None

    def numbers(name: str) -> list[float]:
        found = [float(n) for n in _value(part, name).split()]
        if len(found) != 3:
            raise damaged(path, _WHAT, f"“{name}” has {len(found)} numbers")
        return found

    directions = np.array([numbers(f"{axis}ras") for axis in "xyz"]).T
    shape = [int(n) for n in numbers("volume")]
    if min(shape) < 1:
        raise damaged(path, _WHAT, f"its {role} volume has {shape} voxels")
    affine = affine_of(shape, numbers("voxelsize"), directions, numbers("cras"))
    return empty_grid(shape, affine, f"{path.name} ({'moving' if role == 'src' else 'fixed'})")


def _value(lines: list[str], name: str) -> str:
    for line in lines:
        found = re.fullmatch(rf"{name}\s*=\s*(.*)", line.strip())
        if found:
            return found[1].strip()
    raise ValueError(f"it has no line “{name} =”")
