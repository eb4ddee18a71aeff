"""What `register` writes on demand: transforms for other programs, and DICOM."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from napari_voxelmorph.engine.geometry.volume import Volume
from napari_voxelmorph.engine.registration import Registration


@dataclass(frozen=True)
class MoreResults:
    """Names of formats of transforms, whether DICOM is wanted, and what labels are called in it."""

    formats: tuple[str, ...] = ()
    dicom: bool = False
    names: Mapping[int, str] = field(default_factory=dict)


NO_MORE = MoreResults()


def more_results(arguments: argparse.Namespace) -> MoreResults:
    """What the options ask for; unknown names are told at once."""
    from napari_voxelmorph.engine.files.transforms.formats import format_of

    formats = tuple(dict.fromkeys(arguments.transform_format))
    for name in formats:
        format_of(name)
    return MoreResults(formats, arguments.dicom, label_names(arguments.label_names))


def label_names(path: str | None) -> dict[int, str]:
    """What the labels of a table are called; nothing without one."""
    from napari_voxelmorph.engine.files.label_tables import load_label_table

    table = load_label_table(path) if path else {}
    return {number: label.name for number, label in table.items()}


def check(wanted: MoreResults, fixed: Volume, moving: Volume, labels: bool) -> None:
    """Raise `InputError` for what cannot be written, before the work begins."""
    from napari_voxelmorph.engine.files.dicom_reference import fixed_datasets, require
    from napari_voxelmorph.engine.files.transforms.formats import check_format

    for name in wanted.formats:
        check_format(name, fixed, moving)
        check_format(name, moving, fixed)
    if wanted.dicom:
        fixed_datasets(fixed)
        if labels:
            require("highdicom")


def write(
    wanted: MoreResults, result: Registration, moved_labels: Volume | None, folder: Path
) -> dict[str, Path]:
    """Write it into `folder`; what is where."""
    from napari_voxelmorph.engine.files.dicom_segmentation import save_segmentation
    from napari_voxelmorph.engine.files.dicom_writing import save_dicom
    from napari_voxelmorph.engine.files.transforms.formats import FORMATS
    from napari_voxelmorph.engine.files.transforms.registry import save_transform

    written: dict[str, Path] = {}
    for name in wanted.formats:
        ending = FORMATS[name].suffixes[0]
        for inverse, what in ((False, "transform"), (True, "inverse")):
            path = folder / f"{what}_{name}{ending}"
            save_transform(result, path, name, inverse)
            written[f"{what}_{name}"] = path
    if wanted.dicom:
        written["moved_dicom"] = folder / "moved_dicom"
        save_dicom(result.moved, result.fixed, result.moving, written["moved_dicom"])
        if moved_labels is not None:
            written["moved_labels_dicom"] = folder / "moved_labels.dcm"
            path = written["moved_labels_dicom"]
            save_segmentation(moved_labels, result.fixed, path, wanted.names)
    return written
