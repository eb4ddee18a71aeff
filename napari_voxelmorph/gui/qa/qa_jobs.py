"""What the engine thread does for the QA dock.  No Qt here; heavy imports come late."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Generator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from napari_voxelmorph.engine.evaluation.certainty import Certainty
    from napari_voxelmorph.engine.evaluation.plausibility import Plausibility
    from napari_voxelmorph.engine.evaluation.structures import Measured, Segmented, Structure
    from napari_voxelmorph.engine.files.label_tables import LabelName
    from napari_voxelmorph.engine.geometry.volume import Volume
    from napari_voxelmorph.engine.result import Registration
    from napari_voxelmorph.engine.uncertainty.spread import Spread
    from napari_voxelmorph.gui.register.jobs import Outcome, Pair


@dataclass(frozen=True, eq=False)
class Judged:
    """What is known of the structures of a result.

    Parameters
    ----------
    moved : Segmented
        The moved segmentation on the fixed grid, as computed or as edited.
    computed : ndarray
        As computed, to tell what was edited.
    compared : bool
        Whether there is a fixed segmentation to compare with.
    names : dict
        Names that lie beside the segmentation files.
    """

    outcome: Outcome
    moved: Segmented
    computed: NDArray[Any]
    structures: dict[int, Structure]
    own: dict[int, Plausibility] = field(default_factory=dict)
    compared: bool = True
    names: dict[int, LabelName] = field(default_factory=dict)
    names_problem: str = ""


@dataclass(frozen=True, eq=False)
class Sure:
    """What a spread says of the structures of a segmentation."""

    spread: Spread
    moved: Segmented
    structures: dict[int, Certainty]


class QaJobs:
    """Keeps what does not change between two measurements.  Engine thread only."""

    def __init__(self) -> None:
        self._seen: dict[str, tuple[Any, int, Segmented]] = {}

    def measure(
        self, outcome: Outcome, nearest: bool, before: Judged | None, edited: NDArray[Any] | None
    ) -> Generator[Measured, None, Judged]:
        """Measure the structures of a result; of what was measured `before`, only what changed.

        Parameters
        ----------
        nearest : bool
            Carry the segmentation by nearest neighbour instead of by shares.
        edited : ndarray, optional
            The moved segmentation as the user has changed it; array order of the fixed image.
        """
        from napari_voxelmorph.engine.evaluation.structures import Measured, compare

        result, labels = outcome.registration, outcome.pair.moving_labels
        assert labels is not None
        yield Measured(0.0)
        if edited is not None and before is not None:
            moved, computed = edited, before.computed
        else:
            moved = result.warp(labels, "nearest") if nearest else result.warp_labels(labels)
            computed = moved
        yield Measured(0.2)
        seen, changed = self._changed(moved, result.fixed.spacing, before)
        yield Measured(0.4)
        fixed_labels = outcome.pair.fixed_labels
        names, problem = _names(labels, fixed_labels)
        judged = Judged(outcome, seen, computed, {}, {}, fixed_labels is not None, names, problem)
        reference = seen if fixed_labels is None else self._segmented("fixed", fixed_labels)
        if before is not None and not _same_reference(before.outcome, outcome):
            changed = None
        found = yield from compare(reference, seen, changed)
        if before is not None and changed is not None:
            kept = reference.sizes.keys() | seen.sizes.keys()
            found = {i: s for i, s in {**before.structures, **found}.items() if i in kept}
        return replace(judged, structures=found)

    def look_alone(self, judged: Judged) -> Generator[Measured, None, dict[int, Plausibility]]:
        """What the moved segmentation says about itself."""
        from napari_voxelmorph.engine.evaluation.plausibility import plausibility

        outcome = judged.outcome
        labels = outcome.pair.moving_labels
        assert labels is not None
        moving = self._segmented("moving", labels)
        return (yield from plausibility(outcome.registration, labels, moving, judged.moved))

    def _segmented(self, role: str, volume: Volume) -> Segmented:
        """A segmentation, looked at again only when it is another or was painted on."""
        from napari_voxelmorph.engine.evaluation.structures import segmented

        data = np.ascontiguousarray(volume.data)
        mark = zlib.adler32(data.data)
        kept = self._seen.get(role)
        if kept is None or not _same_array(kept[0], volume.data) or kept[1] != mark:
            kept = (volume.data, mark, segmented(data, volume.spacing))
            self._seen[role] = kept
        return kept[2]

    def _changed(
        self, moved: NDArray[Any], spacing: tuple[float, ...], before: Judged | None
    ) -> tuple[Segmented, list[int] | None]:
        """The moved segmentation, and the labels that differ from before (None: all)."""
        from napari_voxelmorph.engine.evaluation.structures import segmented

        if before is None or before.moved.labels.shape != moved.shape:
            return segmented(moved, spacing), None
        old = before.moved
        differs = moved != old.labels
        changed = sorted({*np.unique(moved[differs]).tolist(),
                          *np.unique(old.labels[differs]).tolist()} - {0})  # fmt: skip
        fresh = segmented(moved, spacing, changed)
        parts = {
            name: {i: v for i, v in getattr(old, name).items() if i not in changed}
            | getattr(fresh, name)
            for name in ("sizes", "centres", "surfaces")
        }
        return replace(fresh, **parts), changed


def look_at_spread(
    spread_of: Callable[[], Spread | None], judged: Judged, before: Sure | None
) -> Generator[Measured, None, Sure | None]:
    """What the spread of a result means for its structures; looks only at what changed."""
    from napari_voxelmorph.engine.evaluation.structures import Measured
    from napari_voxelmorph.engine.uncertainty.per_structure import certainty

    yield Measured(0.0)
    spread = spread_of()
    if spread is None:
        return None
    known = {}
    if before is not None and before.spread is spread:
        surfaces, old = judged.moved.surfaces, before.moved.surfaces
        known = {i: before.structures[i].uncertainty for i in old if surfaces.get(i) is old[i]}
    found = yield from certainty(spread, judged.moved, judged.computed, known)
    return Sure(spread, judged.moved, found)


def overlap(result: Registration, pair: Pair, nearest: bool) -> dict[int, float]:
    """Dice of every structure for another result of a pair; empty without both segmentations."""
    from napari_voxelmorph.engine.evaluation.metrics import dice

    moving, fixed = pair.moving_labels, pair.fixed_labels
    if moving is None or fixed is None:
        return {}
    moved = result.warp(moving, "nearest") if nearest else result.warp_labels(moving)
    return dice(fixed.data, moved)


def _same_reference(before: Outcome, now: Outcome) -> bool:
    first, second = before.pair.fixed_labels, now.pair.fixed_labels
    if first is None or second is None:
        return first is second
    return _same_array(first.data, second.data)


def _same_array(first: NDArray[Any], second: NDArray[Any]) -> bool:
    """Whether two views show the same memory in the same way."""
    one, other = first.__array_interface__, second.__array_interface__
    return all(one[k] == other[k] for k in ("data", "shape", "strides", "typestr"))


def _names(*volumes: Volume | None) -> tuple[dict[int, LabelName], str]:
    """Names from a table beside one of the segmentations' files, and what is wrong with it."""
    from napari_voxelmorph.engine.errors import VoxelMorphError
    from napari_voxelmorph.engine.files.label_tables import load_label_table, table_beside

    for volume in volumes:
        path = "" if volume is None else str(volume.header.get("path", ""))
        beside = table_beside(Path(path)) if path else None
        if beside is not None:
            try:
                return load_label_table(beside), ""
            except VoxelMorphError as error:
                return {}, str(error)
    return {}, ""
