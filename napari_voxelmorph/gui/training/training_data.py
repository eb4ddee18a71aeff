"""From what is chosen in the Train dock to a cohort, to words about it, and to its pairs.

Runs in the engine thread; no Qt, heavy imports late.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from napari_voxelmorph.engine.errors import InputError
from napari_voxelmorph.gui.training.training_choice import DataChoice, Found

if TYPE_CHECKING:
    from napari_voxelmorph.engine.networks.space import Space
    from napari_voxelmorph.engine.training.config import TrainingConfig
    from napari_voxelmorph.engine.training.data.config import DataConfig
    from napari_voxelmorph.engine.training.data.inspection import Inspected
    from napari_voxelmorph.engine.training.data.subject import Cohort, Subject
    from napari_voxelmorph.engine.training.data.survey import Finding
    from napari_voxelmorph.engine.training.samples import PairSource

_LEFT_OUT = " is left out: "
_SMALL = 20


def prepared_folder() -> Path:
    """Where prepared scans are kept, for all trainings of this user."""
    from napari_voxelmorph.engine.shelf import user_folder

    return user_folder().parent / "prepared"


def open_choice(choice: DataChoice) -> Cohort:
    """The cohort that is chosen; `InputError` or `FileFormatError` when there is none."""
    from napari_voxelmorph.engine.training.data import folder, table, volumes

    if choice.source == "layers":
        return volumes.cohort_from_volumes(
            [s.image for s in choice.scans], [s.labels for s in choice.scans]
        )
    path = Path(choice.path).expanduser()
    if choice.source == "table":
        return table.cohort_from_table(path)
    if choice.source == "bids":
        from napari_voxelmorph.engine.training.data.bids import cohort_from_bids

        return cohort_from_bids(path)
    if path.is_file():
        raise InputError(f"“{path.name}” is a file. Choose its folder, or “A table” above.")
    return folder.cohort_from_folder(path)


def pairs(choice: DataChoice, config: TrainingConfig) -> Generator[Any, None, PairSource]:
    """Prepare the cohort, a step per scan; returns the pairs of the training."""
    from napari_voxelmorph.engine.training.data.source import preparing

    cohort = open_choice(choice)
    return (
        yield from preparing(
            cohort, config, prepared_folder(), choice.data, space_of(config.start_from)
        )
    )


def space_of(model: str) -> Space | None:
    """The space of the model that is trained further, or None."""
    if not model:
        return None
    from napari_voxelmorph.engine.checkpoints import read_card
    from napari_voxelmorph.engine.shelf import find

    return read_card(find(model)).space


def look(choice: DataChoice, model: str = "", seed: int = 0) -> Generator[Any, None, Found]:
    """Read every scan once and say what is there; a second look is quick.

    Parameters
    ----------
    model : str
        That is trained further, whose grid is kept; empty: none.
    """
    from napari_voxelmorph.engine.errors import VoxelMorphError
    from napari_voxelmorph.engine.training.data.inspection import inspect_cohort
    from napari_voxelmorph.engine.training.data.store import Store

    try:
        store, cohort, space = Store(prepared_folder()), open_choice(choice), space_of(model)
        found = yield from inspect_cohort(cohort, store, choice.data, seed=seed, space=space)
        return in_words(found, choice.data, model)
    except VoxelMorphError as error:
        return Found(problem=str(error))


def in_words(found: Inspected, data: DataConfig, model: str = "") -> Found:
    """What was found, for people."""
    from napari_voxelmorph.engine.training.data.agreement import common_ids, oddities
    from napari_voxelmorph.engine.training.data.lacks import share_a_name

    cohort, findings, to_atlas = found.cohort, found.findings, found.atlas is not None
    subjects = cohort.subjects
    labelled = sum(bool(f.ids) for f in findings)
    ids, differ = common_ids(*found.all_segmented())
    skipped, others = left_out(cohort.notes)
    facts = [sizes_in_words(findings), *structures_in_words(ids, labelled)]
    facts += more_in_words(subjects, findings)
    facts += [split_in_words(subjects, to_atlas)]
    shape, size = found.space.shape or found.finding.shape, found.space.spacing
    spacing = f"{size:g}\u00a0mm" if size else "the scans’ own voxels"
    by = f", as “{model}” was trained" if model else ""
    facts.append(f"The network will see {_times(shape)} voxels of {spacing}{by}")
    warnings = [*others, *oddities(subjects, findings), *differ]
    if model:
        warnings += misfits_in_words(model, findings)
    if not any(s.split == "validation" for s in subjects):
        warnings.append("No scan is held out: nothing will tell when the network stops improving.")
    if len(subjects) < _SMALL and not to_atlas:
        warnings.append(f"{len(subjects)} scans are few: the recipe “Small cohort” suits them.")
    trained_on = [(s, f) for s, f in zip(subjects, findings, strict=True) if s.split == "train"]
    return Found(
        headline_in_words(len(subjects), labelled),
        facts,
        warnings,
        skipped,
        structures=len(ids),
        shape=shape,
        landmarks=share_a_name(
            [f.landmarks for _, f in trained_on], found.finding.landmarks if to_atlas else None
        ),
        transforms=to_atlas and any(s.transform is not None for s, _ in trained_on),
    )


def more_in_words(subjects: Sequence[Subject], findings: Sequence[Finding]) -> list[str]:
    """“12 with landmarks, 160 with known transforms”; nothing where there is nothing."""
    counts = {
        "landmarks": sum(bool(f.landmarks) for f in findings),
        "known transforms": sum(s.transform is not None for s in subjects),
        "attributes": sum(bool(s.attributes) for s in subjects),
    }
    known = [f"{count} with {what}" for what, count in counts.items() if count]
    return [", ".join(known)] if known else []


def misfits_in_words(model: str, findings: Sequence[Finding]) -> list[str]:
    """What speaks against training this model further on these scans."""
    from napari_voxelmorph.engine.checkpoints import read_card
    from napari_voxelmorph.engine.model_checks import unlike
    from napari_voxelmorph.engine.shelf import find

    card = read_card(find(model))
    extents = [f.extent for f in findings]
    return unlike(card, extents, [f.profile for f in findings])


def headline_in_words(scans: int, labelled: int) -> str:
    """“160 scans, all with segmentations”."""
    if labelled == 0:
        return f"{scans} scans, without segmentations"
    return f"{scans} scans, {'all' if labelled == scans else labelled} with segmentations"


def sizes_in_words(findings: Sequence[Finding]) -> str:
    """Shape and voxel size of all, or their ranges."""
    shapes = [f.shape for f in findings]
    low = tuple(map(min, zip(*shapes, strict=True)))
    high = tuple(map(max, zip(*shapes, strict=True)))
    size = _times(low) if low == high else f"{_times(low)} to {_times(high)}"
    steps = Counter(tuple(round(s, 2) for s in f.spacing) for f in findings)
    (usual, count), *rest = steps.most_common()
    spacing = f"{usual[0]:g}" if len(set(usual)) == 1 else _times(usual)
    more = "" if not rest else f" (most; {len(findings) - count} differ)"
    return f"{len(low)}-D, {size} voxels of {spacing}\u00a0mm{more}"


def structures_in_words(ids: Sequence[int], labelled: int) -> list[str]:
    """“2 structures: 1, 2”; nothing without segmentations."""
    if not labelled:
        return []
    shown = ", ".join(map(str, ids[:8])) + (", …" if len(ids) > 8 else "")
    return [f"{len(ids)} structure{'s' if len(ids) != 1 else ''}: {shown}"]


def split_in_words(subjects: Sequence[Subject], to_atlas: bool) -> str:
    """“144 to learn from, 16 held out to judge by”."""
    count = Counter(s.split for s in subjects)
    words = f"{count['train']} to learn from, {count['validation']} held out to judge by"
    if count["test"]:
        words += f", {count['test']} kept for a test"
    return words + ("; each to the atlas" if to_atlas else "")


def left_out(notes: Sequence[str]) -> tuple[list[tuple[str, str]], list[str]]:
    """Notes on scans that are not used, as (name, reason); and the other notes."""
    skipped, others = [], []
    for note in notes:
        name, found, reason = note.partition(_LEFT_OUT)
        if found:
            skipped.append((name, reason))
        else:
            others.append(note)
    return skipped, others


def _times(numbers: Sequence[float]) -> str:
    return "\u00a0×\u00a0".join(f"{n:g}" for n in numbers)
