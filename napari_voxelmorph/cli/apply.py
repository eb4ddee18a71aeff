"""``napari-voxelmorph apply``: a saved transform, applied to whatever belongs to the scan."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from napari_voxelmorph.cli.given_files import read_volume, split_volume
from napari_voxelmorph.cli.more_results import label_names
from napari_voxelmorph.cli.progress import Progress
from napari_voxelmorph.cli.register import use_threads
from napari_voxelmorph.cli.results import prepare_folder
from napari_voxelmorph.engine.apply.items import Item, Kind, kind_of, renamed
from napari_voxelmorph.engine.apply.run import Way, carry_over
from napari_voxelmorph.engine.apply.transform import read_transform
from napari_voxelmorph.engine.errors import InputError
from napari_voxelmorph.engine.files.images import WRITERS, suffix_of
from napari_voxelmorph.engine.geometry.volume import Volume
from napari_voxelmorph.engine.registration import Registration


def apply(arguments: argparse.Namespace) -> None:
    """Run the command; all places to write to are checked before the first input is read."""
    use_threads(arguments.threads)
    items = [_item(given, arguments) for given in arguments.inputs]
    if len({item.out for item in items}) < len(items):
        raise InputError(
            "Two inputs would be written to one file: rename one, or apply one by one."
        )
    size = arguments.voxel_size
    grid = read_volume(arguments.onto, "image", size) if arguments.onto else None
    registration = _transform(arguments, items, grid)
    names = label_names(arguments.label_names)
    way = Way(arguments.inverse, grid, arguments.mode, arguments.fill, size, names)
    with Progress(arguments.quiet) as progress:
        for step in carry_over(registration, items, way):
            progress(step)
    if not arguments.quiet:
        for given, item in zip(arguments.inputs, items, strict=True):
            print(f"{given} -> {item.out}")


def _transform(arguments: Any, items: list[Item], grid: Volume | None) -> Registration:
    """The transform, and the images for which it was made as far as they are known.

    Files of other programs often do not tell the grids: then the image that is carried over lies
    on the one, and the grid that is asked for is the other.
    """
    path, inverse = arguments.transform, arguments.inverse
    named = {r: vars(arguments)[r] for r in ("fixed", "moving")}
    known = {r: read_volume(name, "image") if name else None for r, name in named.items()}
    if Path(path).is_file():
        source = "fixed" if inverse else "moving"
        if known[source] is None:
            known[source] = next(_images(items), None)
        target = "moving" if inverse else "fixed"
        known[target] = grid if known[target] is None else known[target]
    format, then = arguments.transform_format, arguments.then
    return read_transform(path, format, known["fixed"], known["moving"], inverse, then)


def _images(items: list[Item]) -> Iterator[Volume]:
    """The grids of the images among the inputs."""
    from napari_voxelmorph.engine import files

    for item in items:
        source = item.source
        if isinstance(source, Path) and source.exists() and _kind(source, item.kind) is None:
            # Of a 4-D series any volume will do.
            index = item.volume_index if item.volume_index is not None else _first_of(source)
            yield files.peek(source, index) or files.load(source, None, index)


def _first_of(path: Path) -> int | None:
    from napari_voxelmorph.engine.files.series import is_series

    return 0 if is_series(path) else None


def _kind(path: Path, kind: Kind | None) -> Kind | None:
    """Points and surfaces; None for images and segmentations."""
    return None if kind in ("image", "labels") else kind or kind_of(path)


def _item(given: str, arguments: Any) -> Item:
    """One input and where its result goes; the folder is made and proved to be writable."""
    name, index = split_volume(given)
    source = Path(name)
    if not source.exists():
        raise InputError(f"There is no file or folder “{name}”.")
    asked: tuple[Kind, ...] = ("labels", "image", "points")
    kind = next((k for k in asked if vars(arguments)[k]), None)
    dicom = arguments.dicom and _kind(source, kind) is None
    out = _output(source, index, kind, dicom, arguments)
    return Item(source, out, kind, index, dicom)


def _output(source: Path, index: int | None, kind: Kind | None, dicom: bool, given: Any) -> Path:
    word = "back" if given.inverse else "moved"
    name = renamed(source, word if index is None else f"{index}_{word}", kind)
    if dicom:
        stem = name[: -len(suffix_of(Path(name), WRITERS) or "")]
        name = f"{stem}.dcm" if given.labels else stem
    if given.out is None:
        return prepare_folder(str(source.parent)) / name
    out = Path(given.out)
    is_file = not out.is_dir() and _is_file_name(out, _kind(source, kind), dicom and given.labels)
    if is_file and len(given.inputs) > 1:
        raise InputError(f"--out {out} is one file, and there are {len(given.inputs)} inputs.")
    folder = prepare_folder(str(out.parent if is_file else out))
    return out if is_file else folder / name


def _is_file_name(out: Path, kind: Kind | None, segmentation: bool) -> bool:
    """Whether --out names a file and no folder."""
    if segmentation:
        return out.suffix.lower() == ".dcm"
    if kind == "surface":
        return kind_of(out) == kind
    endings = (".csv", ".mrk.json") if kind == "points" else tuple(WRITERS)
    return suffix_of(out, endings) is not None
