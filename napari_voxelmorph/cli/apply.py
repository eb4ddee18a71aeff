"""``napari-voxelmorph apply``: a saved transform, applied to images, labels and points."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from napari_voxelmorph.cli.given_files import read_volume, split_volume
from napari_voxelmorph.cli.register import use_threads
from napari_voxelmorph.cli.results import prepare_folder
from napari_voxelmorph.engine import files
from napari_voxelmorph.engine.errors import InputError
from napari_voxelmorph.engine.files.landmarks import load_landmarks, save_landmarks
from napari_voxelmorph.engine.geometry.volume import Kind, Volume
from napari_voxelmorph.engine.onto import onto
from napari_voxelmorph.engine.registration import Registration

_POINT_ENDINGS = (".csv", ".tsv", ".txt", ".fcsv", ".pts")
_IMAGE_ENDINGS = (".nii.gz", ".nii", ".mgz", ".mgh", ".nrrd", ".mha", ".png", ".tif", ".tiff")


#: Gives the transform for one input; a displacement field needs to know the moving side.
Transform = Callable[[Volume | None], Registration]


def apply(arguments: argparse.Namespace) -> None:
    """Run the command; all places to write to are checked before the first input is read."""
    use_threads(arguments.threads)
    outputs = [_output(i, arguments) for i in arguments.inputs]
    if len(set(outputs)) < len(outputs):
        raise InputError(
            "Two inputs would be written to one file: rename one, or apply one by one."
        )
    size = arguments.voxel_size
    grid = read_volume(arguments.onto, "image", size) if arguments.onto else None
    transform = read_transform(arguments.transform, arguments.inverse)
    for name, out in zip(arguments.inputs, outputs, strict=True):
        if _is_points(name, arguments):
            _apply_to_points(transform(grid), name, out, arguments.inverse)
        else:
            _apply_to_image(transform, name, out, grid, arguments)
        if not arguments.quiet:
            print(f"{name} -> {out}")


def read_transform(path: str, inverse: bool) -> Transform:
    """A session folder, a folder that `register` wrote, or a displacement field.

    Raises
    ------
    InputError
        When there is none of these.
    """
    place = Path(path)
    if not place.exists():
        raise InputError(f"There is no transform “{path}”.")
    if place.is_dir():
        inner = place / "session"
        registration = files.load_session(inner if inner.is_dir() else place)
        return lambda _: registration
    field = files.load_displacement(place)

    def from_field(moving: Volume | None) -> Registration:
        if moving is None and inverse:
            raise InputError(
                "A displacement field does not know the moving image's grid: name that image with "
                "--onto, or apply a session folder."
            )
        return field.registration(field.grid if moving is None else moving)

    return from_field


def _apply_to_points(registration: Registration, name: str, out: Path, inverse: bool) -> None:
    points, names = load_landmarks(name, registration.ndim)
    go = registration.fixed_to_moving if inverse else registration.moving_to_fixed
    save_landmarks(go(points), out, names)


def _apply_to_image(
    transform: Transform, name: str, out: Path, grid: Volume | None, arguments: Any
) -> None:
    kind: Kind | None = "labels" if arguments.labels else "image" if arguments.image else None
    volume = read_volume(name, kind, arguments.voxel_size)
    registration = transform(grid if arguments.inverse else volume)
    if volume.ndim != registration.ndim:
        raise InputError(f"“{name}” is {volume.ndim}-D and the transform is {registration.ndim}-D.")
    target = grid or (registration.moving if arguments.inverse else registration.fixed)
    if grid is None:
        warped = _warp(registration, volume, arguments, arguments.inverse)
    else:
        warped = _warp(onto(registration, grid, arguments.inverse), volume, arguments, True)
    oriented = volume.oriented and target.oriented
    files.save(
        Volume(warped, target.affine, volume.kind, volume.name, oriented, target.header), out
    )


def _warp(
    registration: Registration, volume: Volume, arguments: Any, inverse: bool
) -> NDArray[Any]:
    if arguments.mode == "majority":
        if volume.kind != "labels":
            raise InputError("--mode majority is for segmentations; add --labels if this is one.")
        return registration.warp_labels(volume, inverse=inverse)
    return registration.warp(volume, arguments.mode, fill=arguments.fill, inverse=inverse)


def _is_points(name: str, arguments: Any) -> bool:
    asked_for_voxels = arguments.labels or arguments.image
    return arguments.points or (not asked_for_voxels and name.lower().endswith(_POINT_ENDINGS))


def _output(given: str, arguments: Any) -> Path:
    """Where the result of one input goes; the folder is made and proved to be writable."""
    path, index = split_volume(given)
    source, points = Path(path), _is_points(given, arguments)
    word = "back" if arguments.inverse else "moved"
    name = _renamed(source, word if index is None else f"{index}_{word}", points)
    if arguments.out is None:
        prepare_folder(str(source.parent))
        return source.parent / name
    out = Path(arguments.out)
    endings: tuple[str, ...] = (".csv",) if points else _IMAGE_ENDINGS
    is_file = out.name.lower().endswith(endings) and not out.is_dir()
    if is_file and len(arguments.inputs) > 1:
        raise InputError(f"--out {out} is one file, and there are {len(arguments.inputs)} inputs.")
    folder = prepare_folder(str(out.parent if is_file else out))
    return out if is_file else folder / name


def _renamed(source: Path, word: str, points: bool) -> str:
    """``scan.nii.gz`` -> ``scan_moved.nii.gz``; formats that cannot be written become NIfTI."""
    lowered = source.name.lower()
    endings = _POINT_ENDINGS if points else _IMAGE_ENDINGS
    ending = next((e for e in endings if lowered.endswith(e)), "")
    stem = source.name[: len(source.name) - len(ending)] if ending else source.stem
    return f"{stem}_{word}{'.csv' if points else ending or '.nii.gz'}"
