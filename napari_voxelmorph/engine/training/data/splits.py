"""Who is trained on, and who is held out: by subject, never by scan."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from napari_voxelmorph.engine.errors import InputError
from napari_voxelmorph.engine.training.data.subject import Cohort, Split, Subject


def divide(cohort: Cohort, validation: float = 0.1, test: float = 0.0, seed: int = 0) -> Cohort:
    """Give every subject a split.

    Splits that are given stay; held-out parts that are not given at all are drawn from the
    subjects without a split, whole groups at a time, leaving at least two to train on.

    Parameters
    ----------
    validation, test : float
        Shares of all groups, 0 to 1.
    seed : int
        The same seed and names give the same division.

    Raises
    ------
    InputError
        When a file or a group is in two splits, or nothing is left to train on.
    """
    if validation < 0 or test < 0 or validation + test >= 1:
        raise InputError(
            f"The shares held out must be from 0 to below 1 together, got {validation} for "
            f"validation and {test} for test."
        )
    cohort = once_each(cohort)
    given = _splits_of_groups(cohort.subjects)
    groups = sorted({s.group for s in cohort.subjects})
    undecided = [g for g in groups if not given.get(g)]
    np.random.default_rng(seed).shuffle(undecided)
    known = set(given.values())
    spare = len(undecided) - (0 if "train" in known else 2)
    parts: tuple[tuple[Split, float], ...] = (("test", test), ("validation", validation))
    for split, share in parts:
        if split in known:
            continue
        count = min(_count(share, len(groups)), max(spare, 0))
        spare -= count
        for group in undecided[:count]:
            given[group] = split
        undecided = undecided[count:]
    divided = tuple(replace(s, split=given.get(s.group) or "train") for s in cohort.subjects)
    if not any(s.split == "train" for s in divided):
        raise InputError(
            f"“{cohort.name}” leaves no scan to train on: all are validation or test. Give some the "
            f"split train. {' '.join(cohort.notes[:3])}".rstrip()
        )
    return replace(cohort, subjects=divided)


def once_each(cohort: Cohort) -> Cohort:
    """Every file once.

    Raises
    ------
    InputError
        When a file or a group is in two splits.
    """
    kept, notes = _without_doubles(cohort)
    _splits_of_groups(kept)
    return replace(cohort, subjects=tuple(kept), notes=(*cohort.notes, *notes))


def _count(share: float, groups: int) -> int:
    """So many groups are held out; two make pairs, so it is none or at least two."""
    if share == 0 or groups < 5:
        return 0
    return max(2, round(share * groups))


def _without_doubles(cohort: Cohort) -> tuple[list[Subject], list[str]]:
    """Every file once; refuses one that is in two splits."""
    seen: dict[str, Subject] = {}
    kept, notes = [], []
    for subject in cohort.subjects:
        if isinstance(subject.image, Path):
            path = str(subject.image.resolve())
            first = seen.setdefault(path, subject)
            if first is not subject:
                if first.split != subject.split:
                    raise _in_two(f"The file “{subject.image.name}”", first.split, subject.split)
                notes.append(f"“{subject.image.name}” is named more than once and used once.")
                continue
        kept.append(subject)
    return kept, notes


def _splits_of_groups(subjects: Sequence[Subject]) -> dict[str, Split]:
    found: dict[str, set[Split]] = defaultdict(set)
    for subject in subjects:
        if subject.split:
            found[subject.group].add(subject.split)
    for group, splits in found.items():
        if len(splits) > 1:
            raise _in_two(f"The subject “{group}”", *sorted(splits)[:2])
    return {group: next(iter(splits)) for group, splits in found.items()}


def _in_two(what: str, first: str, second: str) -> InputError:
    return InputError(
        f"{what} is in two splits, {first or 'none'} and {second or 'none'}: the scores would not be "
        "of unseen scans. Give all scans of a subject one split."
    )
