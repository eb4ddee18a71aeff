"""From the files of a cohort to scans on one grid: look, align, conform, keep."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from napari_voxelmorph.engine.errors import InputError, VoxelMorphError
from napari_voxelmorph.engine.networks.space import Place, Space, place
from napari_voxelmorph.engine.training.data import survey as look
from napari_voxelmorph.engine.training.data.alignment import placing
from napari_voxelmorph.engine.training.data.config import DEFAULT, DataConfig
from napari_voxelmorph.engine.training.data.conforming import conform_scan
from napari_voxelmorph.engine.training.data.fingerprint import key_of, source_key
from napari_voxelmorph.engine.training.data.grid import choose_space, typical
from napari_voxelmorph.engine.training.data.prepared import Item, Prepared
from napari_voxelmorph.engine.training.data.progress import Clock, PreparationStep
from napari_voxelmorph.engine.training.data.reading import Scan, read_scan
from napari_voxelmorph.engine.training.data.splits import divide
from napari_voxelmorph.engine.training.data.store import Store
from napari_voxelmorph.engine.training.data.subject import Cohort, Subject, need_subjects
from napari_voxelmorph.engine.training.data.survey import Finding

Steps = Generator[PreparationStep, None, Any]


@dataclass(frozen=True, eq=False)
class _Frame:
    """What all scans are brought to: the reference, and where the grid lies in it."""

    scan: Scan
    key: str
    space: Space
    where: Place


def prepare(
    cohort: Cohort,
    folder: Path,
    config: DataConfig = DEFAULT,
    *,
    seed: int = 0,
    space: Space | None = None,
) -> Generator[PreparationStep, None, Prepared]:
    """Bring a cohort onto one grid.  What was done before, with the same settings, is not redone.

    Parameters
    ----------
    cohort : Cohort
    folder : Path
        For the prepared scans; several runs may share it.
    config : DataConfig
    seed : int
        Of the division into splits, where the cohort does not say.
    space : Space, optional
        Of the model that is trained further; default: one that suits the cohort.

    Yields
    ------
    PreparationStep
        Before every scan, and while one is aligned.  Closing the generator stops at once.

    Raises
    ------
    InputError
        When fewer than two scans (one, with an atlas) can be used, when a scan is in two
        splits, or the atlas cannot be used.
    OutputError
        When the folder cannot be written to.
    """
    store = Store(folder)
    atlas = _atlas_of(config)
    cohort = divide(
        need_subjects(cohort, 1 if atlas else 2),
        config.validation_fraction,
        config.test_fraction,
        seed,
    )
    subjects = [*cohort.subjects, *([atlas] if atlas else [])]
    findings = yield from look.survey(subjects, store)
    cohort, findings, atlas_finding = _usable(cohort, atlas, findings)
    reference, finding = _reference(cohort, findings, atlas, atlas_finding)
    frame = _frame(reference, finding, findings, config, space)
    items, notes = yield from _conformed(cohort.subjects, findings, frame, config, store)
    if atlas is not None:
        atlas_item = yield from _one(atlas, finding, frame, False, store)
    else:
        atlas_item = None
    kept = dataclasses.replace(
        cohort,
        subjects=tuple(s for s, item in zip(cohort.subjects, items, strict=True) if item),
        notes=(*cohort.notes, *notes),
    )
    need_subjects(kept, 1 if atlas else 2)
    used = [n for n, item in enumerate(items) if item]
    scans, known = [cohort.subjects[n] for n in used], [findings[n] for n in used]
    odd = look.oddities(scans, known)
    if atlas is not None and finding.ids:
        scans, known = [*scans, atlas], [*known, finding]
    ids, differ = look.common_ids(scans, known)
    good = tuple(item for item in items if item)
    return Prepared(
        good,
        atlas_item,
        frame.space,
        ids,
        (*kept.notes, *odd, *differ),
        _description(cohort, good, config, seed, ids, atlas is not None),
        store,
    )


def _atlas_of(config: DataConfig) -> Subject | None:
    if not config.atlas:
        return None
    labels = Path(config.atlas_labels) if config.atlas_labels else None
    for path in (Path(config.atlas), labels):
        if path is not None and not path.exists():
            raise InputError(f"The atlas: there is no file “{path}”.")
    return Subject("atlas", Path(config.atlas), labels)


def _usable(
    cohort: Cohort, atlas: Subject | None, findings: list[Finding]
) -> tuple[Cohort, list[Finding], Finding | None]:
    """The scans that can be used beside each other, and the atlas'."""
    atlas_finding = None
    if atlas is not None:
        atlas_finding = findings.pop()
        if atlas_finding.problem:
            raise InputError(f"The atlas cannot be used. {atlas_finding.problem}")
    out = look.misfits(cohort.subjects, findings)
    if atlas_finding is not None:
        ndim = len(atlas_finding.shape)
        for n, (subject, finding) in enumerate(zip(cohort.subjects, findings, strict=True)):
            if n not in out and len(finding.shape) != ndim:
                out[n] = (
                    f"{subject.name} is left out: it is {len(finding.shape)}-D, the atlas {ndim}-D."
                )
    _refuse_copies(cohort.subjects, findings, out)
    kept = [n for n in range(len(findings)) if n not in out]
    cohort = dataclasses.replace(
        cohort,
        subjects=tuple(cohort.subjects[n] for n in kept),
        notes=(*cohort.notes, *(out[n] for n in sorted(out))),
    )
    need_subjects(cohort, 1 if atlas else 2)
    if not cohort.of("train"):
        raise InputError(
            f"“{cohort.name}”: no scan to train on is left. " + " ".join(cohort.notes[:3])
        )
    return cohort, [findings[n] for n in kept], atlas_finding


def _refuse_copies(
    subjects: Sequence[Subject], findings: Sequence[Finding], out: dict[int, str]
) -> None:
    """Copies of one scan under two names: used once, and refused in two splits."""
    first: dict[str, int] = {}
    for n, finding in enumerate(findings):
        if n in out:
            continue
        other = first.setdefault(finding.digest, n)
        if other == n:
            continue
        names = f"“{subjects[other].name}” and “{subjects[n].name}”"
        if subjects[other].split != subjects[n].split:
            raise InputError(
                f"{names} are the same scan, and in two splits ({subjects[other].split} and "
                f"{subjects[n].split}): the scores would not be of unseen scans. Leave one out, or "
                "give both one split."
            )
        out[n] = f"{subjects[n].name} is left out: it is the same scan as {subjects[other].name}."


def _reference(
    cohort: Cohort, findings: list[Finding], atlas: Subject | None, atlas_finding: Finding | None
) -> tuple[Subject, Finding]:
    """The atlas, or the training scan of the most usual size."""
    if atlas is not None and atlas_finding is not None:
        return atlas, atlas_finding
    train = [n for n, s in enumerate(cohort.subjects) if s.split == "train"]
    chosen = train[typical([findings[n] for n in train])]
    return cohort.subjects[chosen], findings[chosen]


def _frame(
    reference: Subject,
    finding: Finding,
    findings: list[Finding],
    config: DataConfig,
    space: Space | None,
) -> _Frame:
    if space is not None and space.shape is not None and len(space.shape) != len(finding.shape):
        raise InputError(
            f"The model to start from registers {len(space.shape)}-D images, and the scans are "
            f"{len(finding.shape)}-D. Choose another model, or none."
        )
    chosen = choose_space(findings, finding, config.spacing, config.multiple, config.affine, space)
    scan = read_scan(reference)
    return _Frame(scan, source_key(reference), chosen, place(chosen, scan.image))


def _conformed(
    subjects: Sequence[Subject],
    findings: Sequence[Finding],
    frame: _Frame,
    config: DataConfig,
    store: Store,
) -> Generator[PreparationStep, None, tuple[list[Item | None], list[str]]]:
    """Every scan's item, None where it failed, and why."""
    items: list[Item | None] = []
    notes = []
    clock = Clock("Aligning the scans" if config.affine else "Preparing", len(subjects))
    for n, (subject, finding) in enumerate(zip(subjects, findings, strict=True)):
        step = clock.step(n, subject.name)
        yield step
        try:
            work = _one(subject, finding, frame, config.affine, store)
            item = yield from _repeating(step, work)
        except VoxelMorphError as error:
            if isinstance(error, OSError):
                raise
            notes.append(f"{subject.name} is left out: {error}")
            item = None
        items.append(item)
    return items, notes


def _repeating(step: PreparationStep, work: Generator[Any, None, Item]) -> Steps:
    """While one scan is worked on, its step is told again, so that a watcher can stop it."""
    try:
        while True:
            try:
                next(work)
            except StopIteration as finished:
                return finished.value
            yield step
    finally:
        work.close()


def _one(
    subject: Subject, finding: Finding, frame: _Frame, affine: bool, store: Store
) -> Generator[Any, None, Item]:
    key = source_key(subject)
    name = key_of("conformed", key, frame.key, frame.space.to_json(), affine)
    values = store.values(name)
    shape = frame.where.shape
    whole = values is not None and store.array(name, "image", shape) is not None
    if whole and values is not None and values["ids"]:
        whole = store.array(name, "labels", shape) is not None
    if not whole or values is None:
        scan = read_scan(subject)
        itself = key == frame.key
        world = np.eye(scan.image.ndim + 1)
        if not itself:
            world = yield from placing(scan.image, key, frame.scan.image, frame.key, affine, store)
        made = conform_scan(scan, frame.scan.image, frame.where, frame.space, world)
        points = [] if made.landmarks is None else made.landmarks.tolist()
        values = {
            "ids": list(made.ids),
            "landmarks": dict(zip(made.landmark_names, points, strict=False)),
        }
        arrays: dict[str, Any] = {"image": made.image}
        if made.labels is not None:
            arrays["labels"] = made.labels
        store.keep(name, values, arrays)
    return Item(
        subject.name,
        name,
        subject.split,
        subject.group,
        finding.digest,
        tuple(values["ids"]),
        {k: np.array(v, np.float64) for k, v in values["landmarks"].items()},
    )


def _description(
    cohort: Cohort,
    items: tuple[Item, ...],
    config: DataConfig,
    seed: int,
    ids: tuple[int, ...],
    to_atlas: bool,
) -> dict[str, Any]:
    """For the card.  Scans are named by their content: a model that is passed on tells no names."""
    splits = {
        split: sorted(item.digest for item in items if item.split == split)
        for split in ("train", "validation", "test")
    }
    settings = dataclasses.asdict(config)
    for private in ("atlas", "atlas_labels", "memory"):
        settings.pop(private)
    return {
        "cohort": cohort.name,
        "scans": len(items),
        "labelled": sum(bool(item.ids) for item in items),
        "counts": dict(Counter(item.split for item in items)),
        "pairs": "each scan to the atlas" if to_atlas else "scan to scan",
        "labels": list(ids),
        "settings": settings,
        "seed": seed,
        "splits": splits,
    }
