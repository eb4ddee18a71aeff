"""Pairs of a prepared cohort: by their number alone, every scan used, held-out ones held out."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
import torch

from napari_voxelmorph.engine.training.data.pairing import held_out_pairs, training_pair
from napari_voxelmorph.engine.training.data.source import CohortSource


def same(a, b) -> bool:
    return all(
        torch.equal(getattr(a, n), getattr(b, n))
        for n in ("moving", "fixed", "moving_labels", "fixed_labels")
    )


def test_a_number_gives_the_same_pair_whatever_was_drawn_before(prepared) -> None:
    first = CohortSource(prepared, seed=3, augmentation=1.0)
    alone = CohortSource(prepared, seed=3, augmentation=1.0, memory=0).draw(17)
    for number in (4, 0, 17):
        sample = first.draw(number)
    assert same(sample, alone)
    assert sample.names == alone.names
    assert not same(alone, first.draw(18))
    assert not same(alone, CohortSource(prepared, seed=4, augmentation=1.0).draw(17))


@pytest.mark.parametrize("count", [2, 3, 7])
def test_every_scan_is_moving_once_and_fixed_once_an_epoch(count: int) -> None:
    orders = []
    for epoch in range(4):
        pairs = [training_pair(n, count, 1) for n in range(epoch * count, (epoch + 1) * count)]
        assert sorted(m for m, _ in pairs) == sorted(f for _, f in pairs) == list(range(count))
        assert all(m != f for m, f in pairs)
        orders.append(tuple(pairs))
    assert len(set(orders)) > 1


@pytest.mark.parametrize(
    ("count", "most"), [(2, 10), (4, 10), (5, 1), (10, 10), (40, 10), (3, 100)]
)
def test_held_out_pairs_are_balanced_and_bounded(count: int, most: int) -> None:
    pairs = held_out_pairs(count, most)
    assert len(set(pairs)) == len(pairs) <= max(most, 2)
    assert all(m != f for m, f in pairs)
    assert Counter(m for m, _ in pairs) == Counter(f for _, f in pairs)
    assert held_out_pairs(1, 10) == held_out_pairs(9, 0) == []


def test_held_out_scans_are_never_drawn(prepared) -> None:
    source = CohortSource(prepared)
    drawn = {name for n in range(60) for name in source.draw(n).names}
    checked = {n for i in range(source.validation_count) for n in source.validation(i).names}
    assert drawn == {i.name for i in prepared.of("train")}
    assert checked == {i.name for i in prepared.of("validation")}
    assert not drawn & checked


def test_a_sample_is_what_the_loop_expects(prepared) -> None:
    source = CohortSource(prepared, augmentation=0.5)
    for sample in (source.draw(0), source.validation(0)):
        for image, labels in (
            (sample.moving, sample.moving_labels),
            (sample.fixed, sample.fixed_labels),
        ):
            assert image.dtype == torch.float32
            assert tuple(image.shape) == (1, *source.shape)
            assert labels.dtype == torch.int16
            assert set(labels.unique().tolist()) == {0, 1, 2}
            # Bright where the labels say so: they went along.
            assert image[0][labels == 2].mean() > 1.5 * image[0][labels == 1].mean()
    assert source.labels == (1, 2)
    assert source.pairs_per_epoch == len(prepared.of("train"))


def test_samples_may_be_changed_without_harm(prepared) -> None:
    source = CohortSource(prepared)
    before = source.validation(0).moving.clone()
    source.validation(0).moving.zero_()
    assert torch.equal(source.validation(0).moving, before)


def test_memory_is_bounded(prepared) -> None:
    one = 4 * int(np.prod(prepared.space.shape)) * 3 // 2  # float32 and int16
    source = CohortSource(prepared, memory=2 * one)
    for n in range(12):
        source.draw(n)
    assert 0 < source._memory.nbytes <= 2 * one
