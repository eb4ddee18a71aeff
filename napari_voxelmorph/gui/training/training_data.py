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
    from napari_voxelmorph.engine.training.data.progress import PreparationStep
    from napari_voxelmorph.engine.training.data.subject import Cohort, Subject
    from napari_voxelmorph.engine.training.data.survey import Finding
    from napari_voxelmorph.engine.training.samples import PairSource

    Steps = Generator[PreparationStep, None, Any]

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


def look(choice: DataChoice, seed: int = 0) -> Generator[Any, None, Found]:
    """Read every scan once and say what is there; a second look is quick."""
    from napari_voxelmorph.engine.errors import VoxelMorphError

    try:
        return (yield from _look(choice, seed))
    except VoxelMorphError as error:
        return Found(problem=str(error))


def _look(choice: DataChoice, seed: int) -> Generator[Any, None, Found]:
    """As `engine.training.data.prepare` begins."""
    from napari_voxelmorph.engine.training.data.selection import reference_of, usable
    from napari_voxelmorph.engine.training.data.splits import divide
    from napari_voxelmorph.engine.training.data.store import Store
    from napari_voxelmorph.engine.training.data.subject import Subject, need_subjects
    from napari_voxelmorph.engine.training.data.survey import survey

    data, atlas = choice.data, None
    if data.atlas:
        if not Path(data.atlas).is_file():
            raise InputError(f"The atlas: there is no file “{data.atlas}”.")
        atlas = Subject("atlas", Path(data.atlas))
    cohort = need_subjects(open_choice(choice), 1 if atlas else 2)
    cohort = divide(cohort, data.validation_fraction, data.test_fraction, seed)
    subjects = [*cohort.subjects, *([atlas] if atlas else [])]
    findings = yield from survey(subjects, Store(prepared_folder()))
    cohort, findings, of_atlas = usable(cohort, atlas, findings)
    _, reference = reference_of(cohort, findings, atlas, of_atlas)
    return in_words(cohort, findings, reference, data)


def in_words(
    cohort: Cohort, findings: Sequence[Finding], reference: Finding, data: DataConfig
) -> Found:
    """What was found, for people."""
    from napari_voxelmorph.engine.training.data.agreement import common_ids, oddities
    from napari_voxelmorph.engine.training.data.grid import choose_space

    subjects = cohort.subjects
    labelled = sum(bool(f.ids) for f in findings)
    ids, differ = common_ids(subjects, findings)
    skipped, others = left_out(cohort.notes)
    space = choose_space(findings, reference, data.spacing, data.multiple, data.affine)
    facts = [sizes_in_words(findings), *structures_in_words(ids, labelled)]
    facts += [split_in_words(subjects, bool(data.atlas))]
    shape = space.shape or reference.shape
    spacing = f"{space.spacing:g}\u00a0mm" if space.spacing else "the scans’ own voxels"
    facts.append(f"The network will see {_times(shape)} voxels of {spacing}")
    warnings = [*others, *oddities(subjects, findings), *differ]
    if not any(s.split == "validation" for s in subjects):
        warnings.append("No scan is held out: nothing will tell when the network stops improving.")
    if len(subjects) < _SMALL and not data.atlas:
        warnings.append(f"{len(subjects)} scans are few: the recipe “Small cohort” suits them.")
    return Found(
        headline_in_words(len(subjects), labelled),
        facts,
        warnings,
        skipped,
        structures=len(ids),
        shape=shape,
    )


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
