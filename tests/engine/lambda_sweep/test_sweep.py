"""Knots come where they are needed, as many as fit, and say how good the preview is."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from napari_voxelmorph.engine.geometry.volume import Volume
from napari_voxelmorph.engine.lambda_sweep.preview import preview
from napari_voxelmorph.engine.lambda_sweep.sweep import GOOD, LEAST, MOST, affordable, sweep
from napari_voxelmorph.engine.networks.architecture import Architecture
from napari_voxelmorph.engine.networks.hyper import weight_path
from napari_voxelmorph.engine.networks.registry import build


def run(steps):
    pictures = []
    while True:
        try:
            step = next(steps)
        except StopIteration as end:
            return end.value, pictures
        if step.partial is not None:
            pictures.append(step.partial())


def test_ends_and_middle_come_first_and_every_step_shows_what_is_ready(base, make_source):
    source = make_source(lambda s: 2 - s)
    knots, pictures = run(sweep(source, base))
    asked = [source.scale.position(v) for v in source.asked]
    np.testing.assert_allclose(asked[:5], [0, 1, 0.5, 0.25, 0.75], atol=1e-9)
    counts = [len(k.knots) for k in pictures]
    assert counts == sorted(counts) and counts[0] == 1 and counts[-1] == len(knots.knots)
    for picture in pictures:
        assert (np.diff([k.position for k in picture.knots]) > 0).all()
    # The slider works before anything is measured, and in the end all is.
    third = next(k for k in pictures if len(k.knots) == 3)
    assert all(k.scores is None for k in third.knots)
    assert all(k.scores is not None for k in knots.knots)


def test_a_straight_line_needs_no_more_than_the_least(base, make_source):
    knots, _ = run(sweep(make_source(lambda s: 2 - s), base))
    assert len(knots.knots) == LEAST and knots.worst < GOOD and not knots.note


def test_more_knots_where_the_field_bends(base, make_source):
    source = make_source(lambda s: 2 * (1 - s) ** 6)
    knots, _ = run(sweep(source, base))
    places = np.array([k.position for k in knots.knots])
    assert LEAST <= len(places) <= MOST
    assert np.diff(places)[0] < np.diff(places)[-1]


@pytest.mark.parametrize("power", [2, 4, 6])
def test_the_expected_error_is_the_error(base, make_source, power):
    source = make_source(lambda s: 3 * (1 - s) ** power)
    knots, _ = run(sweep(source, base))
    worst = 0.0
    for position in np.linspace(0, 1, 41):
        exact = replace(base, field=source.at(source.scale.value(position)))
        error = preview(base, knots.blend(position)).displacement - exact.displacement
        worst = max(worst, float(np.percentile(np.sqrt((error**2).sum(axis=0)), 99)))
    assert worst < 1.5 * knots.worst + 4e-3
    assert worst > 0.3 * knots.worst


def test_small_memory_means_fewer_knots_and_says_so(base, make_source):
    source = make_source(lambda s: 2 - s)
    one = 3 * int(np.prod([-(-n // 2) for n in base.fixed.shape])) * 2
    knots, _ = run(sweep(source, base, free=one * 20))
    assert len(knots.knots) == 5 and "5" in knots.note and "Memory" in knots.note
    assert {k.position for k in knots.knots} == {0, 0.25, 0.5, 0.75, 1}
    assert affordable(10**9, 10) == 2 and affordable(1, 10**9) == MOST


def test_members_are_all_there_is(base, make_source):
    members = (0.1, 0.3, 1.0, 5.0, 10.0)
    source = make_source(lambda s: 2 - s, members)
    knots, _ = run(sweep(source, base))
    assert tuple(k.value for k in knots.knots) == members
    assert source.asked[:2] == [0.1, 10.0]


def test_it_can_be_closed_at_any_step(base, make_source):
    steps = sweep(make_source(lambda s: 2 - s), base)
    for _ in range(7):
        next(steps)
    steps.close()


def test_curves_follow_the_truth(base, make_source):
    """The moving image is the fixed one: similarity and overlap are best where nothing moves."""
    ids = Volume((base.fixed.data > 0.9).astype(np.uint8), base.fixed.affine, "labels")
    same = replace(base, moving=base.fixed)
    knots, _ = run(sweep(make_source(lambda s: 1 - s), same, (ids, ids)))
    similarity = [k.scores.similarity for k in knots.knots]
    overlap = [k.scores.dice[1] for k in knots.knots]
    folded = [k.scores.ndv for k in knots.knots]
    assert (np.diff(similarity) > 0).all() and similarity[-1] > 0.99
    assert overlap[-1] == 1 == max(overlap) and knots.knots[-1].scores.mean_dice == 1
    assert folded[-1] == 0 and folded[0] > 0 and (np.diff(folded) <= 1e-9).all()


def test_bends_that_are_known_beforehand_get_knots(base, make_source):
    """A kink between two evenly placed knots, which evenly placed fields would not show."""

    def bend(s):
        return 2 - 8 * max(0.0, s - 0.55) + 16 * max(0.0, s - 0.58) - 8 * max(0.0, s - 0.61)

    source = make_source(bend)
    source.path = lambda places: np.array([[bend(s), 0.0] for s in places])
    knots, _ = run(sweep(source, base))
    places = np.array([k.position for k in knots.knots])
    for kink in (0.55, 0.58, 0.61):
        assert np.abs(places - kink).min() < 1 / 100
    assert knots.worst < 0.2  # of a field that changes by two voxels there


def test_the_path_of_the_weights_is_that_of_the_hypernetwork():
    architecture = Architecture(ndim=2, encoder=(4, 4), decoder=((4,), (4,)), hyper=2, rank=3)
    network = build(architecture, torch.Generator().manual_seed(0))
    path = weight_path(network, [0.0, 0.4, 1.0])
    assert network.hypernetwork.condition == (0.5, 0.5)
    first, last = network.at(0.0, 0.5).state_dict(), network.at(1.0, 0.5).state_dict()
    moved = sum(float((last[n] - first[n]).square().sum()) for n in first)
    # Nearly orthogonal directions: distances on the path are those of the weights.
    assert np.linalg.norm(path[2] - path[0]) == pytest.approx(moved**0.5, rel=0.3)
