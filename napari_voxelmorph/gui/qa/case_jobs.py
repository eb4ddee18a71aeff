"""What the engine thread keeps of a judged case: numbers and pictures for the report."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_voxelmorph.gui.qa.qa_jobs import Judged

if TYPE_CHECKING:
    from napari_voxelmorph.engine.review.rows import Row

#: Pictures of so many structures are kept for the report.
_PICTURES = 4


def keep_corrected(folder: Path, case: str, judged: Judged) -> Path:
    """Write a corrected segmentation beside the verdicts; returns where."""
    from napari_voxelmorph.engine.files import save
    from napari_voxelmorph.engine.files.writing import output_error
    from napari_voxelmorph.engine.review.kept import file_name

    place = folder / "corrected"
    try:
        place.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise output_error(place, error) from error
    path = place / f"{file_name(case)}.nii.gz"
    fixed = judged.outcome.registration.fixed
    save(fixed.with_data(judged.moved.labels, kind="labels", name=f"{case}, corrected"), path)
    return path


def keep_case(
    folder: Path, case: str, judged: Judged, rows: Sequence[Row], edits: dict[int, str]
) -> None:
    """Draw the worst structures, and write everything beside the verdicts."""
    from napari_voxelmorph.engine.review.kept import Findings, found_in, keep_findings
    from napari_voxelmorph.engine.review.slices import picture_of, png_of

    result, reference = judged.outcome.registration, judged.outcome.pair.fixed_labels
    found = []
    for n, row in enumerate(rows):
        picture = b""
        at = row.structure.farthest or row.structure.centre if row.structure is not None else ()
        if n < _PICTURES and at:
            drawn = picture_of(
                result.fixed, judged.moved.labels,
                None if reference is None else reference.data, row.id, at,
            )  # fmt: skip
            picture = png_of(drawn)
        found.append(found_in(row, edits.get(row.id, ""), picture))
    keep_findings(folder, Findings(case, tuple(found), about_result(judged)))


def about_result(judged: Judged) -> dict[str, Any]:
    """How the judged result came about."""
    from napari_voxelmorph.engine.files.session_json import config_to

    result = judged.outcome.registration
    return {
        "config": config_to(result.config),
        "metrics": dict(result.metrics),
        "provenance": dict(result.provenance),
    }
