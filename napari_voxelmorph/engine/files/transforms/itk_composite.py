# mypy: allow-untyped-calls
"""ITK's composite transforms (.h5), as ANTs and Slicer write and read them.

A group per transform in ``/TransformGroup``; the *last* one acts first on a fixed point.  Ours
holds the affine stage and before it the deformation on the fixed grid.  Read through SimpleITK,
so that every kind of transform that ITK knows is understood (itkHDF5TransformIO.cxx).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import h5py
import numpy as np
import SimpleITK as sitk
from numpy.typing import NDArray

from napari_voxelmorph.engine.errors import InputError
from napari_voxelmorph.engine.files import frames
from napari_voxelmorph.engine.files.images import suffix_of
from napari_voxelmorph.engine.files.reading import damaged, reading
from napari_voxelmorph.engine.files.transforms.chain import Chain, Shift, empty_grid
from napari_voxelmorph.engine.files.transforms.dense import vectors_of
from napari_voxelmorph.engine.files.transforms.hdf5 import check_hdf5
from napari_voxelmorph.engine.files.transforms.one_way import one_way
from napari_voxelmorph.engine.files.writing import writing
from napari_voxelmorph.engine.geometry.volume import Matrix, Volume
from napari_voxelmorph.engine.result import Registration

_WHAT = "an ITK transform"


def write(registration: Registration, path: Path, inverse: bool = False) -> None:
    """Write affine and deformation as one file (an affine result: the matrix alone)."""
    if suffix_of(path, (".h5", ".hdf5")) is None:
        raise InputError(f"“{path.name}”: an ITK composite transform is saved as .h5.")
    way = one_way(registration, inverse)
    ndim = registration.ndim
    to_itk = frames.world_to_itk(way.grid)
    matrix = frames.world_to_itk(way.other) @ way.affine @ np.linalg.inv(to_itk)
    parts: list[tuple[str, NDArray[Any], NDArray[Any]]] = [
        ("CompositeTransform", np.zeros(0), np.zeros(0)),
        ("AffineTransform", _numbers(matrix), np.zeros(ndim)),
    ]
    if registration.field is not None:
        there = to_itk @ np.linalg.inv(way.affine)
        vectors = vectors_of(way, frames.itk_affine(way.grid), np.asarray(there))
        # The component runs fastest, then the first axis.
        parts.append(("DisplacementFieldTransform", vectors.ravel(order="F"), _place(way.grid)))
    with writing(path) as temporary, h5py.File(temporary, "w") as file:
        for name in ("ITKVersion", "HDFVersion", "OSName", "OSVersion"):
            file[name] = np.array([b"napari-voxelmorph"])
        group = file.create_group("TransformGroup")
        for number, (kind, parameters, fixed) in enumerate(parts):
            _write_part(group.create_group(str(number)), f"{kind}_double_{ndim}_{ndim}",
                        parameters, fixed)  # fmt: skip


def _write_part(group: Any, kind: str, parameters: NDArray[Any], fixed: NDArray[Any]) -> None:
    group["TransformType"] = np.array([kind.encode()], dtype=h5py.string_dtype("ascii"))
    if parameters.size == 0:
        return
    packed: dict[str, Any] = {} if parameters.size < 1000 else {"compression": 1, "chunks": True}
    group.create_dataset("TransformParameters", data=parameters, **packed)
    group["TransformFixedParameters"] = fixed


def _numbers(matrix: Matrix) -> NDArray[np.float64]:
    return np.concatenate([matrix[:-1, :-1].ravel(), matrix[:-1, -1]])


def _place(grid: Volume) -> NDArray[np.float64]:
    """Size, origin, spacing, direction."""
    affine, spacing = frames.itk_affine(grid), np.array(grid.spacing)
    directions = affine[:-1, :-1] / spacing
    return np.concatenate([grid.shape, affine[:-1, -1], spacing, directions.ravel()])


def read(path: Path, fixed: Volume | None, moving: Volume | None) -> Chain:
    """Read a composite, or a single transform, of any kind that ITK knows.

    Parameters
    ----------
    fixed : Volume, optional
        Its grid is needed for B-splines and other maps that are no displacement field.
    """
    with reading(path, _WHAT):
        if h5py.is_hdf5(path):
            _check(path)
        with sitk_quiet():
            whole = sitk.CompositeTransform(sitk.ReadTransform(str(path)))
            whole.FlattenTransform()
            ndim = whole.GetDimension()
            frame = frames.flip_lps(ndim) if fixed is None else frames.world_to_itk(fixed)
            parts = [whole.GetNthTransform(n) for n in range(whole.GetNumberOfTransforms())]
            steps = [_step(path, part, frame, fixed) for part in reversed(parts)]
    if moving is not None and moving.ndim == ndim:
        change = np.linalg.inv(frames.world_to_itk(moving)) @ frame
        if not np.array_equal(change, np.eye(ndim + 1)):
            steps.append(np.asarray(change))
    return Chain(steps, path.name)


def _check(path: Path) -> None:
    """Refuse what would not fit into memory: ITK allocates whatever the file promises."""
    with h5py.File(path, "r") as file:
        check_hdf5(path, _WHAT, file, copies=3)
        if not isinstance(file.get("TransformGroup"), h5py.Group):
            raise damaged(path, _WHAT, "it holds no group of transforms")


def _step(path: Path, part: Any, frame: Matrix, fixed: Volume | None) -> Matrix | Shift:
    part = part.Downcast()
    ndim = part.GetDimension()
    back = np.asarray(np.linalg.inv(frame))
    if part.IsLinear():
        ends = [part.TransformPoint(p.tolist()) for p in np.vstack([np.zeros(ndim), np.eye(ndim)])]
        matrix = np.eye(ndim + 1)
        matrix[:-1, -1] = ends[0]
        matrix[:-1, :-1] = (np.array(ends[1:]) - ends[0]).T
        return np.asarray(back @ matrix @ frame)
    if isinstance(part, sitk.DisplacementFieldTransform):
        field = part.GetDisplacementField()
    elif fixed is None:
        raise InputError(
            f"“{path.name}” holds a {part.GetName()}, which has no grid of its own. Name the fixed "
            "image as well (--fixed)."
        )
    else:
        place = frames.itk_affine(fixed)
        field = sitk.TransformToDisplacementField(
            part, sitk.sitkVectorFloat64, fixed.shape, place[:-1, -1].tolist(), fixed.spacing,
            (place[:-1, :-1] / fixed.spacing).ravel().tolist(),
        )  # fmt: skip
    return _shift(path, field, back)


def _shift(path: Path, field: Any, back: Matrix) -> Shift:
    ndim = field.GetDimension()
    affine = np.eye(ndim + 1)
    affine[:-1, :-1] = np.array(field.GetDirection()).reshape(ndim, ndim) * field.GetSpacing()
    affine[:-1, -1] = field.GetOrigin()
    vectors = sitk.GetArrayViewFromImage(field).T  # (D, *S)
    turned = np.tensordot(back[:-1, :-1], vectors, 1).astype(np.float32)
    if not np.isfinite(turned).all():
        raise damaged(path, _WHAT, "it holds NaN or infinite numbers")
    return Shift(turned, empty_grid(vectors.shape[1:], np.asarray(back @ affine), path.name))


class sitk_quiet:
    """ITK prints its warnings; they are no business of the user's terminal."""

    def __enter__(self) -> None:
        self._before = sitk.ProcessObject.GetGlobalWarningDisplay()
        sitk.ProcessObject.SetGlobalWarningDisplay(False)

    def __exit__(self, *_: object) -> None:
        sitk.ProcessObject.SetGlobalWarningDisplay(self._before)
