"""Open a cohort, whatever it is kept in."""

from __future__ import annotations

from pathlib import Path

from napari_voxelmorph.engine.errors import InputError
from napari_voxelmorph.engine.training.data.folder import cohort_from_folder
from napari_voxelmorph.engine.training.data.subject import Cohort
from napari_voxelmorph.engine.training.data.table import cohort_from_table

TABLES = (".csv", ".tsv", ".txt")


def open_cohort(path: Path | str, images: str = "", labels: str = "") -> Cohort:
    """The cohort of a table (CSV, TSV), of a BIDS tree or of any other folder.

    Parameters
    ----------
    images, labels : str
        For a folder: patterns such as ``*_t1.nii.gz`` and ``*_aseg.nii.gz``.

    Raises
    ------
    InputError, FileFormatError
        When there is nothing that can be used; see the readers.
    """
    path = Path(path)
    if path.is_dir():
        described = (path / "dataset_description.json").is_file()
        if described and not images and any(path.glob("sub-*/")):
            from napari_voxelmorph.engine.training.data.bids import cohort_from_bids

            cohort: Cohort = cohort_from_bids(path)
            return cohort
        return cohort_from_folder(path, images, labels)
    if not path.exists():
        raise InputError(f"There is no file or folder “{path}”.")
    if path.suffix.lower() in TABLES:
        return cohort_from_table(path)
    raise InputError(
        f"“{path.name}” is no cohort. Expected a folder of scans, a BIDS tree, or a table of files "
        "(.csv, .tsv)."
    )
