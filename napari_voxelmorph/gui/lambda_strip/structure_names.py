"""What the structures of a pair are called: from tables of labels.  No Qt here."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from napari_voxelmorph.engine.errors import VoxelMorphError

if TYPE_CHECKING:
    from napari_voxelmorph.gui.register.jobs import Outcome


def names_beside(outcome: Outcome) -> dict[int, str]:
    """Names from the table that lies with one of the segmentations' files, the moving one first.

    Empty where there is none; a table that cannot be read is none (the QA dock says why).
    """
    from napari_voxelmorph.engine.files.label_tables import load_label_table, table_beside

    for labels in (outcome.pair.moving_labels, outcome.pair.fixed_labels):
        path = "" if labels is None else str(labels.header.get("path", ""))
        beside = table_beside(Path(path)) if path else None
        if beside is None:
            continue
        try:
            return {label: known.name for label, known in load_label_table(beside).items()}
        except VoxelMorphError:
            return {}
    return {}


def called(label: int, names: dict[int, str]) -> str:
    """The name of a structure with its number, or the number alone."""
    return f"{names[label]} ({label})" if label in names else f"structure {label}"
