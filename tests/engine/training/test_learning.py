"""Every network learns with every loss: on one pair, the loss falls and the overlap rises."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from napari_voxelmorph.engine.geometry.warp import warp_points
from napari_voxelmorph.engine.training.batch import stack
from napari_voxelmorph.engine.training.objective import predict_fields

NETWORKS = ["velocity", "pyramid", "voxelmorph-1", "voxelmorph-2", "voxelmorph-diff"]
SMOOTHNESS = {"lncc": 0.1, "mse": 0.01, "mi": 0.1}


def displacement(network, sample, config):
    with torch.no_grad():
        return predict_fields(network, stack([sample], torch.device("cpu")), config).forward


@pytest.mark.parametrize("similarity", SMOOTHNESS)
@pytest.mark.parametrize("network", NETWORKS)
def test_loss_falls_and_overlap_rises(short, make_source, network, similarity):
    smoothness = 10.0 if network == "voxelmorph-diff" else SMOOTHNESS[similarity]
    steps, model = short(
        make_source(), network=network, similarity=similarity, smoothness=smoothness
    )
    losses = [s.loss for s in steps if s.phase == "Training" and s.validation is None]
    last = steps[-1].validation
    assert losses[-1] < losses[0] - 0.2 * abs(losses[0])
    assert last.dice > last.dice_before + 0.05
    assert last.similarity > last.similarity_before
    assert last.ndv < 1.0
    assert model.card.scores["dice"] == max(s.validation.dice for s in steps if s.validation)


@pytest.mark.parametrize("bidirectional", [True, False])
def test_three_dimensions(short, make_source, bidirectional):
    source = make_source((16, 18, 14), count=2)
    steps, _ = short(
        source, bidirectional=bidirectional, batch=2, learning_rate=1e-3, segmentation_weight=1.0
    )
    assert set(steps[0].terms) == {"similarity", "smoothness", "segmentations"}
    assert steps[-1].loss < steps[0].loss - 0.1
    assert steps[-1].validation.dice > steps[-1].validation.dice_before + 0.05


def test_a_known_field_is_learned(short, make_source, quick):
    source = make_source()
    values = {"similarity": "none", "field_weight": 1.0, "smoothness": 0.0, "steps": 80}
    _, model = short(source, **values)
    sample = source.training[0]
    error = displacement(model.network, sample, replace(quick, **values))[0] - sample.displacement
    length = sample.displacement.norm(dim=0).mean()
    assert error.norm(dim=0).mean() < 0.2 * length


def test_landmarks_alone_bring_the_points_together(short, make_source, quick):
    source = make_source()
    values = {"similarity": "none", "landmark_weight": 1.0, "smoothness": 0.5, "steps": 60}
    _, model = short(source, **values)
    sample = source.training[0]
    u = displacement(model.network, sample, replace(quick, **values))
    moving, fixed = sample.moving_landmarks, sample.fixed_landmarks
    before = (fixed - moving).norm(dim=1).mean()
    after = (warp_points(fixed[None], u)[0] - moving).norm(dim=1).mean()
    assert after < 0.3 * before


def test_segmentations_help_where_the_images_say_nothing(short, make_source):
    source = make_source()
    sample = source.training[0]
    grey = replace(sample, moving=0 * sample.moving + 0.5, fixed=0 * sample.fixed + 0.5)
    source.training = source.held_out = [grey]
    steps, _ = short(source, similarity="none", segmentation_weight=1.0, smoothness=0.05)
    assert steps[-1].validation.dice > steps[-1].validation.dice_before + 0.05


def test_both_directions_are_close_when_both_are_trained(short, make_source, quick):
    # Without the inverse term nothing holds the fixed image's way back.
    source = make_source()
    _, model = short(source, steps=40)
    sample = source.training[0]
    fields = predict_fields(
        model.network, stack([sample], torch.device("cpu")), replace(quick, bidirectional=True)
    )
    there, back = fields.forward.detach(), fields.inverse.detach()
    points = sample.fixed_landmarks[None]
    around = warp_points(warp_points(points, there), back)
    moved = (warp_points(points, there) - points).norm(dim=2).mean()
    assert (around - points).norm(dim=2).mean() < 0.1 * moved
    assert np.isfinite(float(moved))
