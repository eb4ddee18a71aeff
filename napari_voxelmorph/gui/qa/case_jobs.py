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


def keep_case(
    folder: Path,
    case: str,
    judged: Judged,
    rows: Sequence[Row],
    edits: dict[int, str],
    more: dict[str, Any],
) -> None:
    """Draw the worst structures, and write everything beside the verdicts.

    Parameters
    ----------
    more : dict
        To be kept with the provenance of the result: limits of the flags, curves over λ.
    """
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
    keep_findings(folder, Findings(case, tuple(found), about_result(judged) | more))


def about_result(judged: Judged) -> dict[str, Any]:
    """How the judged result came about."""
    from napari_voxelmorph.engine.files.session_json import config_to

    result = judged.outcome.registration
    return {
        "config": config_to(result.config),
        "metrics": dict(result.metrics),
        "provenance": dict(result.provenance),
    }
