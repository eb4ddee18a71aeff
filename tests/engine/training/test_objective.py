"""The terms of the loss against closed forms and plain torch in double precision."""

from dataclasses import replace

import pytest
import torch

from napari_voxelmorph.engine.errors import InputError
from napari_voxelmorph.engine.geometry.warp import warp
from napari_voxelmorph.engine.losses.lncc import lncc
from napari_voxelmorph.engine.losses.variational import kl_divergence, smoothing_sigma
from napari_voxelmorph.engine.networks.architecture import PRESETS
from napari_voxelmorph.engine.networks.field_grid import both_displacements
from napari_voxelmorph.engine.networks.registry import build
from napari_voxelmorph.engine.training.batch import stack
from napari_voxelmorph.engine.training.objective import (
    Fields,
    displacements,
    loss_terms,
    predict_fields,
)

CPU = torch.device("cpu")


def fields_of(u, inverse=None):
    return Fields(u, None, u, inverse)


@pytest.mark.parametrize("shape", [(32, 28), (14, 13, 12)])
def test_fields_are_those_of_the_networks_package(shape):
    # Odd shapes too: the field's grid is then larger than half the image's.
    architecture = replace(PRESETS["velocity"], ndim=len(shape))
    half = [-(-n // 2) for n in shape]
    velocity = torch.randn(2, len(shape), *half)
    ours = displacements(velocity, shape, architecture, both=True)
    exact = both_displacements(velocity.double(), shape, architecture)
    for a, b in zip(ours, exact, strict=True):
        assert torch.allclose(a.double(), b, atol=2e-5)
    alone, none = displacements(velocity, shape, architecture, both=False)
    assert torch.equal(alone, ours[0]) and none is None


def test_the_true_field_has_the_least_loss(make_sample, quick):
    sample = make_sample((32, 28))
    batch, u = stack([sample], CPU), sample.displacement[None]
    config = replace(
        quick, segmentation_weight=1.0, landmark_weight=1.0, field_weight=1.0, smoothness=0.0
    )
    right, zero, wrong = (
        loss_terms(fields_of(v), batch, config, 1, 2) for v in (u, torch.zeros_like(u), -u)
    )
    for name in right:
        assert right[name] < zero[name] < wrong[name], name
    assert right["known field"] == 0
    assert right["landmarks"] < 0.01  # linear interpolation between voxels
    assert zero["landmarks"] == pytest.approx(
        float((sample.moving_landmarks - sample.fixed_landmarks).square().sum(1).mean()), rel=1e-5
    )


def test_both_directions_count_half(make_sample, quick):
    batch = stack([make_sample((24, 20))], CPU)
    u, back = torch.randn(2, 1, 2, 24, 20)
    terms = loss_terms(fields_of(u, back), batch, quick, 2)
    there = lncc(batch.fixed, warp(batch.moving, u), quick.radius)
    home = lncc(batch.moving, warp(batch.fixed, back), quick.radius)
    assert torch.allclose(terms["similarity"], (there + home) / 2, atol=1e-6)


def test_smoothness_of_a_slope(make_sample, quick):
    # u_0 = 0.3 x_0: one of D² differences is 0.3, so the mean over axes and components is 0.09 / D².
    batch = stack([make_sample((24, 20))], CPU)
    u = torch.zeros(1, 2, 12, 10)
    u[:, 0] = 0.3 * torch.arange(12.0)[:, None]
    full = torch.zeros(1, 2, 24, 20)
    terms = loss_terms(Fields(u, None, full, None), batch, replace(quick, smoothness=5.0), 2)
    assert float(terms["smoothness"]) == pytest.approx(5.0 * 2 * 0.09 / 4, rel=1e-5)


@pytest.mark.parametrize("mode", ["exact", "reference"])
@pytest.mark.parametrize("posterior", ["smoothed", "diagonal"])
def test_probabilistic_terms(make_sample, quick, mode, posterior):
    batch = stack([make_sample((24, 20))], CPU)
    config = replace(
        quick, similarity="mse", kl_mode=mode, posterior=posterior, smoothness=10.0, image_sigma=0.1
    )
    mean, log_variance = torch.randn(1, 2, 12, 10), torch.randn(1, 2, 12, 10) - 5
    zero = torch.zeros(1, 2, 24, 20)
    terms = loss_terms(Fields(mean, log_variance, zero, None), batch, config, 2)
    squares = (batch.fixed - batch.moving).square().mean()
    assert torch.allclose(terms["similarity"], squares / 0.01 * (0.5 if mode == "exact" else 1))
    smoothing = smoothing_sigma(10.0, 2) if posterior == "smoothed" else 0.0
    assert torch.allclose(terms["kl"], kl_divergence(mean, log_variance, 10.0, mode, smoothing))
    assert set(terms) == {"similarity", "kl"}


def test_samples_differ_by_their_generator_only(make_sample, quick):
    architecture = replace(PRESETS["voxelmorph-diff"], ndim=2)
    network = build(architecture, torch.Generator().manual_seed(0))
    batch = stack([make_sample((32, 32), seed) for seed in (0, 1)], CPU)

    def drawn(*seeds):
        noise = [torch.Generator().manual_seed(s) for s in seeds]
        with torch.no_grad():
            return predict_fields(network, batch, quick, noise=noise).forward

    first, again, other = drawn(1, 2), drawn(1, 2), drawn(1, 3)
    assert torch.equal(first, again)
    assert torch.equal(first[0], other[0]) and not torch.equal(first[1], other[1])
    with torch.no_grad():
        mean = predict_fields(network, batch, quick).forward
    assert not torch.equal(mean, first)


def test_a_batch_is_the_mean_of_its_pairs(make_sample, quick):
    # So that processes that take a pair each can average; one of them has no extras at all.
    full, bare = make_sample((24, 20), 0), make_sample((24, 20), 1)
    bare = replace(bare, moving_labels=None, fixed_labels=None, displacement=None)
    bare = replace(bare, moving_landmarks=None, fixed_landmarks=None)
    config = replace(quick, segmentation_weight=1.0, landmark_weight=0.1, field_weight=0.2)
    batch, u = stack([full, bare], CPU), torch.randn(2, 2, 24, 20)
    both = loss_terms(fields_of(u), batch, config, 1, 2)
    parts = [
        loss_terms(fields_of(u[b : b + 1]), stack([s], CPU), config, 1, 2)
        for b, s in enumerate((full, bare))
    ]
    for name, value in both.items():
        mean = sum(float(p.get(name, 0.0)) for p in parts) / 2
        assert float(value) == pytest.approx(mean, rel=1e-5), name
    for b in range(2):
        one = loss_terms(fields_of(u[b : b + 1]), batch.pair(b), config, 1, 2)
        assert float(sum(one.values())) == pytest.approx(float(sum(parts[b].values())), rel=1e-5)


def test_pairs_must_share_the_grid(make_sample):
    with pytest.raises(InputError, match=r"moving segmentation.*24x21.*24x20"):
        wrong = replace(make_sample((24, 20)), moving_labels=torch.zeros(24, 21))
        stack([wrong], CPU)
    with pytest.raises(InputError, match=r"moving 1.*32x20"):
        stack([make_sample((24, 20)), make_sample((32, 20), 1)], CPU)
    with pytest.raises(InputError, match="8 moving and 7 fixed landmarks"):
        sample = make_sample((24, 20))
        stack([replace(sample, fixed_landmarks=sample.fixed_landmarks[:7])], CPU)
