"""Landmarks in whole registrations: they start it, pull it, are remembered, and are refused in words."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from napari_voxelmorph.engine.config import DEFAULT
from napari_voxelmorph.engine.errors import InputError
from napari_voxelmorph.engine.evaluation.metrics import target_registration_error
from napari_voxelmorph.engine.geometry.volume import Volume
from napari_voxelmorph.engine.landmarks import LandmarkPairs, landmark_pairs, landmarks_of
from napari_voxelmorph.engine.optimization.landmark_affine import fit_landmarks
from napari_voxelmorph.engine.registration import Registrar
from napari_voxelmorph.engine.report.findings import find
from napari_voxelmorph.engine.report.summary import summarize

QUICK = replace(DEFAULT, affine_similarity="mi", iterations=(30, 20, 0))
IMAGE = Volume(np.random.default_rng(0).random((20, 24)).astype(np.float32))


def registrar(pair, fixed=None, moving=None):
    found = Registrar("cpu")
    found.set_pair(pair.moving, pair.fixed, fixed_landmarks=fixed, moving_landmarks=moving)
    return found


@pytest.fixture(scope="module")
def pulled(pair_2d):
    """Pulled to places that the images do not show, a little off the true ones."""
    fixed = pair_2d.fixed_landmarks
    moving = pair_2d.moving_landmarks + np.array([0.0, 2.5])
    made = registrar(pair_2d, fixed, moving)
    return made.register(replace(QUICK, landmark_weight=10.0)), fixed, moving


def test_they_pull_and_are_remembered(pulled, pair_2d):
    result, fixed, moving = pulled
    plain = registrar(pair_2d, fixed, moving).register(QUICK)
    error, before = (target_registration_error(r, fixed, moving).mean() for r in (result, plain))
    assert error < 0.5 * before
    assert result.metrics["ndv_percent"] == 0
    told = landmarks_of(result.provenance)
    np.testing.assert_array_equal(told.fixed, fixed)
    np.testing.assert_array_equal(told.moving, moving)
    assert landmarks_of(plain.provenance) is None and "landmarks" not in plain.provenance
    report = summarize(result, find(result, None, (moving, fixed)))
    assert report["findings"]["landmarks_used"] is True
    assert "used" in find(result, None, (moving, fixed)).landmark_words
    assert "used" not in find(plain, None, (moving, fixed)).landmark_words


def test_other_smoothness_keeps_to_them(pulled):
    """The λ strip begins at the result; what pulled it goes on pulling."""
    from napari_voxelmorph.engine.lambda_sweep.optimizer_source import OptimizerSource

    result, fixed, moving = pulled
    errors = []
    for base in (result, replace(result, provenance={})):
        source = OptimizerSource(base, (None, None), Registrar("cpu").device)
        steps = source.field(4.0)
        while True:
            try:
                next(steps)
            except StopIteration as end:
                stiff = replace(result, field=end.value)
                break
        errors.append(target_registration_error(stiff, fixed, moving).mean())
    assert errors[0] < 0.8 * errors[1]


def test_a_saved_result_still_knows_them(pulled, tmp_path):
    from napari_voxelmorph.engine.files import load_session, save_session

    result, fixed, _ = pulled
    save_session(result, tmp_path / "session")
    again = load_session(tmp_path / "session")
    np.testing.assert_allclose(landmarks_of(again.provenance).fixed, fixed)
    assert again.config.landmark_weight == 10.0


def test_the_start_on_landmarks_is_their_least_squares_map(pair_2d):
    fixed, moving = pair_2d.fixed_landmarks, pair_2d.moving_landmarks
    config = replace(QUICK, start="landmarks", affine="none", transform="none")
    alone = registrar(pair_2d, fixed, moving).register(config)
    truth = fit_landmarks(LandmarkPairs(fixed, moving))
    np.testing.assert_allclose(alone.affine, truth)
    assert landmarks_of(alone.provenance) is not None
    rigid = registrar(pair_2d, fixed, moving).register(replace(config, affine="rigid"))
    linear = rigid.affine[:2, :2]
    np.testing.assert_allclose(linear @ linear.T, np.eye(2), atol=1e-6)


def test_landmarks_find_a_scan_that_lies_upside_down(pair_2d):
    """Far from every start that is tried otherwise; three points tell where to begin."""
    turn = np.array([[-1.0, 0, 30], [0, -1, -400], [0, 0, 1]])
    moving = replace(pair_2d.moving, affine=turn @ pair_2d.moving.affine)
    points = pair_2d.moving_landmarks @ turn[:2, :2].T + turn[:2, 2]
    made = Registrar("cpu")
    made.set_pair(
        moving, pair_2d.fixed, fixed_landmarks=pair_2d.fixed_landmarks[:3],
        moving_landmarks=points[:3],
    )  # fmt: skip
    result = made.register(replace(QUICK, start="landmarks", affine="rigid", transform="none"))
    left_out = target_registration_error(result, pair_2d.fixed_landmarks[3:], points[3:])
    headers = made.register(replace(QUICK, start="header", affine="none", transform="none"))
    before = target_registration_error(headers, pair_2d.fixed_landmarks[3:], points[3:])
    assert left_out.mean() < 8 < 100 < before.mean()


@pytest.mark.parametrize(
    "changes, words",
    [
        ({"landmark_weight": 1.0, "transform": "none"}, "Deform"),
        ({"landmark_weight": 1.0, "model": "brain-3d", "refine": False}, "Refine"),
    ],
)
def test_settings_that_cannot_use_them_are_refused(pair_2d, changes, words):
    made = registrar(pair_2d, pair_2d.fixed_landmarks, pair_2d.moving_landmarks)
    with pytest.raises(InputError, match=words):
        made.estimate(replace(QUICK, **changes))


def test_without_landmarks_they_are_asked_for(pair_2d):
    for changes in ({"landmark_weight": 1.0}, {"start": "landmarks"}):
        for given in ((None, None), (pair_2d.fixed_landmarks, None)):
            with pytest.raises(InputError, match="no landmarks were given"):
                next(registrar(pair_2d, *given).steps(replace(QUICK, **changes)))
    # Only measured, a list that does not fit is none of the optimiser's business.
    registrar(pair_2d, pair_2d.fixed_landmarks[:2], pair_2d.moving_landmarks).estimate(QUICK)


@pytest.mark.parametrize(
    "fixed, moving, words",
    [
        (np.zeros((3, 2)), np.zeros((2, 2)), "2 moving and 3 fixed"),
        (np.zeros((3, 3)), np.zeros((3, 2)), "expected"),
        (np.full((3, 2), 900.0), np.zeros((3, 2)), "far outside"),
        (np.full((3, 2), np.nan), np.zeros((3, 2)), "no pair"),
        (np.zeros((1001, 2)), np.zeros((1001, 2)), "at most 1000"),
    ],
)
def test_lists_that_do_not_fit_are_refused(fixed, moving, words):
    with pytest.raises(InputError, match=words):
        landmark_pairs(fixed, moving, IMAGE)


@pytest.mark.parametrize("role", ["fixed", "moving"])
def test_a_damaged_number_is_named(role):
    """One point out of this world would bend the whole image, or overflow."""
    points = {r: np.full((4, 2), 5.0) for r in ("fixed", "moving")}
    points[role][2, 1] = 1e300
    with pytest.raises(InputError, match=f"A {role} landmark lies 1e\\+300 mm away"):
        landmark_pairs(points["fixed"], points["moving"], IMAGE)


def test_unknown_positions_are_left_out():
    fixed = np.array([[1.0, 2.0], [np.nan, 3.0], [4.0, 5.0]])
    found = landmark_pairs(fixed, np.array([[1.0, 2], [3, 4], [np.inf, 6]]), IMAGE)
    assert len(found) == 1
    again = landmarks_of({"landmarks": found.to_json()})
    np.testing.assert_array_equal(again.fixed, found.fixed)
    for odd in ({}, {"landmarks": 3}, {"landmarks": {"fixed": [[1, 2]]}}, {"landmarks": {
        "fixed": [[1, 2]], "moving": []}}):  # fmt: skip
        assert landmarks_of(odd) is None
