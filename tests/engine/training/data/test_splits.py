"""Divisions: by person, seeded, never leaking."""

from __future__ import annotations

from pathlib import Path

import pytest

from napari_voxelmorph.engine.errors import InputError
from napari_voxelmorph.engine.training.data.splits import divide
from napari_voxelmorph.engine.training.data.subject import Cohort, Subject


def cohort(count=20, visits=1, splits=()) -> Cohort:
    given = dict(enumerate(splits))
    return Cohort(
        "c",
        tuple(
            Subject(f"s{n}v{v}", Path(f"s{n}v{v}.nii"), split=given.get(n, ""), group=f"s{n}")
            for n in range(count)
            for v in range(visits)
        ),
    )


def groups(divided: Cohort, split: str) -> set[str]:
    return {s.group for s in divided.of(split)}


def test_shares_of_people_not_of_scans() -> None:
    divided = divide(cohort(20, visits=3), 0.2, 0.1, seed=1)
    parts = [groups(divided, split) for split in ("train", "validation", "test")]
    assert [len(p) for p in parts] == [14, 4, 2]
    assert len(set.union(*parts)) == 20  # so nobody is in two


def test_seeded() -> None:
    names = [sorted(groups(divide(cohort(), seed=s), "validation")) for s in (1, 1, 2)]
    assert names[0] == names[1] != names[2]
    backwards = Cohort("c", tuple(reversed(cohort().subjects)))
    assert groups(divide(backwards, seed=1), "validation") == set(names[0])


@pytest.mark.parametrize(("count", "held"), [(2, 0), (4, 0), (5, 2), (9, 2), (30, 3)])
def test_small_cohorts_keep_enough_to_train_on(count: int, held: int) -> None:
    divided = divide(cohort(count), 0.1)
    assert len(divided.of("validation")) == held
    assert len(divided.of("train")) == count - held >= 2


def test_given_splits_stay_and_the_rest_is_trained_on() -> None:
    divided = divide(cohort(6, splits=("test", "validation", "train")), 0.3, 0.3)
    assert groups(divided, "test") == {"s0"}
    assert groups(divided, "validation") == {"s1"}
    assert len(divided.of("train")) == 4


def test_a_missing_held_out_part_is_drawn_from_what_has_no_split() -> None:
    divided = divide(cohort(10, splits=("test", "train", "train")), 0.2)
    assert groups(divided, "test") == {"s0"}
    assert len(divided.of("validation")) == 2
    assert not groups(divided, "validation") & {"s1", "s2"}


def test_scans_of_a_known_person_follow() -> None:
    subjects = (
        Subject("a1", Path("a1"), split="test", group="a"),
        Subject("a2", Path("a2"), group="a"),
        Subject("b", Path("b")),
        Subject("c", Path("c")),
    )
    assert groups(divide(Cohort("c", subjects), 0), "test") == {"a"}
    assert len(divide(Cohort("c", subjects), 0).of("test")) == 2


def test_leaks_are_refused() -> None:
    with pytest.raises(InputError, match="subject “a” is in two splits, test and train"):
        divide(
            Cohort(
                "c",
                (
                    Subject("1", Path("x"), split="train", group="a"),
                    Subject("2", Path("y"), split="test", group="a"),
                ),
            )
        )
    with pytest.raises(InputError, match=r"file “x\.nii” is in two splits"):
        divide(
            Cohort(
                "c",
                (
                    Subject("1", Path("x.nii"), split="train"),
                    Subject("2", Path("x.nii"), split="test"),
                ),
            )
        )


def test_a_file_named_twice_is_used_once() -> None:
    twice = Cohort("c", tuple(Subject(n, Path(f)) for n, f in (("1", "x"), ("2", "x"), ("3", "y"))))
    divided = divide(twice)
    assert [s.name for s in divided.subjects] == ["1", "3"]
    assert "more than once" in divided.notes[0]


def test_nothing_to_train_on() -> None:
    with pytest.raises(InputError, match="no scan to train on"):
        divide(cohort(3, splits=("test",) * 3))
    with pytest.raises(InputError, match="below 1 together"):
        divide(cohort(3), 0.6, 0.5)
