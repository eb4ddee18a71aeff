"""The spread of a posterior: in closed form, by sampling, in mm, along the right axes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import ndimage, stats

from napari_voxelmorph.engine.errors import InputError
from napari_voxelmorph.engine.geometry.field import Field
from napari_voxelmorph.engine.geometry.integration import integrate_array
from napari_voxelmorph.engine.geometry.jacobian import folding
from napari_voxelmorph.engine.geometry.posterior import Posterior
from napari_voxelmorph.engine.geometry.volume import Volume
from napari_voxelmorph.engine.losses.variational import gaussian_taps
from napari_voxelmorph.engine.result import Registration
from napari_voxelmorph.engine.uncertainty.closed_form import closed_form, velocity_variance
from napari_voxelmorph.engine.uncertainty.ellipse import ellipse
from napari_voxelmorph.engine.uncertainty.sampling import Total, noise, samples, sampling, steadied
from napari_voxelmorph.engine.uncertainty.spread import PAIRS, Spread
from napari_voxelmorph.engine.uncertainty.structures import LabelCount

RNG = np.random.default_rng


def toy(
    shape: tuple[int, ...] = (40, 40, 40),
    reach: float = 8.0,
    deviation: float = 0.4,
    smoothing: float = 1.56,
    affine: Any = None,
    scale: float = 1.0,
    temperature: float = 1.0,
    seed: int = 0,
) -> Registration:
    """A smooth mean velocity up to `reach` voxels, and a velocity deviation in its middle."""
    ndim, rng = len(shape), RNG(seed)
    velocity = np.stack([ndimage.gaussian_filter(rng.normal(size=shape), 6) for _ in shape])
    velocity *= reach / np.sqrt((velocity**2).sum(0)).max()
    power = float((gaussian_taps(smoothing) ** 2).sum()) if smoothing else 1.0
    d = np.full(velocity.shape, deviation / power ** (ndim / 2), np.float16)
    field = Field(velocity.astype(np.float32), np.full(ndim, scale), np.zeros(ndim))
    fixed = Volume(np.zeros([int(n * scale) for n in shape], np.float32), affine)
    posterior = Posterior(field, d, smoothing, temperature)
    return Registration(fixed, fixed, np.eye(ndim + 1), field, posterior=posterior)


def drawn(result: Registration, count: int, seed: int = 1) -> Spread:
    assert result.posterior is not None and result.field is not None
    total = Total(result.field, result.fixed)
    for sample in samples(result.posterior, RNG(seed), count):
        total.add(sample)
    return total.spread()


def finish(steps: Any) -> tuple[list[Any], Any]:
    seen = []
    while True:
        try:
            seen.append(next(steps))
        except StopIteration as end:
            return seen, end.value


@pytest.mark.parametrize(("smoothing", "sd"), [(1.56, 0.414), (2.12, 0.351), (0.5, 0.2)])
def test_the_closed_form_is_what_sampling_finds(smoothing: float, sd: float) -> None:
    """The table of velocity noise that averages along the path, within 10 %, to 8 voxels."""
    result = toy(smoothing=smoothing, deviation=sd)
    assert result.field is not None
    sampled, closed = drawn(result, 80).deviation, closed_form(result).deviation
    reach = np.sqrt((result.field.forward**2).sum(0))
    inner = np.zeros(reach.shape, bool)
    inner[6:-6, 6:-6, 6:-6] = True
    bins = [(a, b) for a, b in ((0, 1), (1, 2), (2, 4), (4, 6), (6, 9))]
    for low, high in bins:
        here = inner & (reach >= low) & (reach < high)
        if here.sum() < 300:
            continue
        ratio = np.sqrt((closed[here] ** 2).mean() / (sampled[here] ** 2).mean())
        assert abs(ratio - 1) < (0.12 if smoothing < 1 else 0.1), (low, high, ratio)


def test_without_a_deformation_the_velocity_deviation_is_the_answer() -> None:
    result = toy(reach=1e-6)
    assert result.posterior is not None
    expected = np.sqrt(velocity_variance(result.posterior).mean(0))
    np.testing.assert_allclose(closed_form(result).deviation, expected, rtol=2e-3)
    np.testing.assert_allclose(expected[15:25, 15:25, 15:25], 0.4, rtol=2e-3)


def test_the_noise_has_the_covariance_of_its_definition() -> None:
    """Against the matrix of the convolution: variance, and correlation at a distance."""
    shape = (11, 9)
    d = RNG(0).uniform(0.2, 1.0, (2, *shape)).astype(np.float16)
    field = Field(np.zeros((2, *shape), np.float32), np.ones(2), np.zeros(2))
    posterior = Posterior(field, d, 1.2, 0.7)
    taps = gaussian_taps(1.2).numpy()
    rows = []
    for i in range(11 * 9):
        unit = np.zeros(11 * 9)
        unit[i] = 1
        image = unit.reshape(shape)
        for axis in range(2):
            image = ndimage.convolve1d(image, taps, axis, mode="constant")
        rows.append(image.ravel())
    smooth = np.array(rows).T
    expected = 0.49 * smooth @ np.diag(d[0].astype(float).ravel() ** 2) @ smooth.T
    np.testing.assert_allclose(
        velocity_variance(posterior)[0].ravel(), np.diag(expected), rtol=1e-5
    )
    rng = RNG(3)
    many = np.stack([noise(posterior, rng)[0].ravel() for _ in range(6000)])
    np.testing.assert_allclose(np.cov(many.T), expected, atol=0.07 * expected.max())


def test_the_mean_of_antithetic_samples_is_the_result() -> None:
    """To first order exactly; independent samples would be off by the deviation over √n."""
    result = toy(shape=(24, 24, 24), reach=4, deviation=0.05)
    assert result.posterior is not None and result.field is not None
    total = Total(result.field, result.fixed)
    for sample in samples(result.posterior, RNG(0), 8):
        total.add(sample)
    error = np.sqrt(((total.mean - integrate_array(result.field.data, 4)) ** 2).mean())
    deviation = total.spread().deviation.mean()
    assert error < 0.1 * deviation < 0.3 * deviation / np.sqrt(8)


def test_few_samples_are_steadied_without_a_bias() -> None:
    result = toy(deviation=0.3)
    inner = (slice(6, -6),) * 3
    truth = drawn(result, 150, seed=5).deviation[inner]
    few = drawn(result, 16)
    steady = steadied(few, closed_form(result), 1.56).deviation[inner]

    def error(values: Any) -> float:
        return float(np.sqrt(np.mean((values / truth - 1) ** 2)))

    assert error(few.deviation[inner]) > 0.1
    assert error(steady) < 0.07
    assert abs(float(np.mean(steady / truth)) - 1) < 0.05


OBLIQUE = np.array(
    [[0.9, -0.5, 0.3, 4.0], [0.4, 1.6, -0.2, -7.0], [-0.5, 0.2, 2.1, 2.0], [0, 0, 0, 1]]
)


@pytest.mark.parametrize("way", ["closed form", "sampling"])
def test_covariance_lies_along_the_world_axes(way: str) -> None:
    """Noise along one array axis only, on an oblique, anisotropic, coarser grid."""
    result = toy(
        shape=(14, 14, 14), reach=1e-6, affine=OBLIQUE, scale=2.0, smoothing=0.0, deviation=0.05
    )
    posterior = result.posterior
    assert posterior is not None
    d = posterior.deviation.copy()
    d[:2] = 0
    posterior = Posterior(posterior.mean, d)
    result = Registration(
        result.fixed, result.fixed, np.eye(4), posterior.mean, posterior=posterior
    )
    column = OBLIQUE[:3, 2] * 2.0 * float(d[2, 5, 5, 5])
    spread = closed_form(result) if way == "closed form" else drawn(result, 200)
    here = np.array([OBLIQUE[:3, :3] @ [13, 14, 12] + OBLIQUE[:3, 3]])
    found = spread.covariance_at(here, result.fixed)[0]
    expected = np.outer(column, column)
    tolerance = 1e-3 if way == "closed form" else 0.35  # 100 independent draws at one voxel
    np.testing.assert_allclose(found, expected, atol=tolerance * expected.max())
    shape = ellipse(found[None], 0.5)
    along = shape.directions[0, 0] @ column / np.linalg.norm(column)
    assert abs(abs(along) - 1) < 1e-4
    assert shape.radii[0, 1] < 0.02 * shape.radii[0, 0]


def test_the_shown_deviation_is_that_of_the_covariance() -> None:
    result = toy(shape=(12, 13, 14), affine=OBLIQUE, scale=2.0, reach=2)
    spread, fixed = closed_form(result), result.fixed
    index = (slice(4, 20, 3), slice(7, 8), slice(0, 28, 5))
    shown = spread.deviation_block(index, fixed)
    assert shown.shape == (6, 1, 6)
    for i, x in enumerate(range(4, 20, 3)):
        if x % 2 == 0:  # a voxel of the field
            assert shown[i, 0, 0] == pytest.approx(
                0.5 * (spread.deviation[x // 2, 3, 0] + spread.deviation[x // 2, 4, 0]), rel=1e-4
            )
    trace = sum(spread.covariance[n] for n, (a, b) in enumerate(PAIRS) if a == b)
    np.testing.assert_allclose(spread.deviation**2, trace / 3, rtol=1e-4)


def test_two_and_three_dimensions_agree() -> None:
    """A flat posterior seen as one slice: the same numbers along the two axes it has."""
    flat = toy(shape=(30, 26), affine=np.diag([1.5, 0.8, 1.0]), reach=5)
    spread = drawn(flat, 40)
    assert spread.covariance.shape == (6, 1, 30, 26)
    assert not spread.covariance[:3].any()  # the missing axis
    closed = closed_form(flat)
    inner = (0, slice(6, -6), slice(6, -6))
    ratio = (closed.deviation / spread.deviation)[inner]
    assert abs(np.median(ratio) - 1) < 0.1
    covariance = closed.covariance_at(np.array([[15 * 1.5, 12 * 0.8]]), flat.fixed)
    assert covariance.shape == (1, 2, 2)
    assert covariance[0, 0, 0] / covariance[0, 1, 1] == pytest.approx((1.5 / 0.8) ** 2, rel=1e-3)


def test_a_diagonal_posterior_folds_and_the_smoothed_one_does_not() -> None:
    """Of the same velocity deviation (Dalca et al. 2018: why the posterior is smoothed)."""
    share = {}
    for smoothing in (0.0, 1.56):
        result = toy(shape=(28, 28, 28), reach=4, deviation=0.6, smoothing=smoothing)
        assert result.posterior is not None
        share[smoothing] = float(drawn(result, 8).folding.mean())  # type: ignore[union-attr]
        two = [folding(u).central / 100 for u in samples(result.posterior, RNG(1), 2)]
        assert float(drawn(result, 2).folding.mean()) == pytest.approx(np.mean(two), abs=1e-7)  # type: ignore[union-attr]
    assert share[1.56] < 1e-5 < 1e-4 < share[0.0]


def test_the_temperature_scales_the_spread() -> None:
    one, two = toy(shape=(16,) * 3, reach=2), toy(shape=(16,) * 3, reach=2, temperature=2.5)
    np.testing.assert_allclose(
        closed_form(two).deviation, 2.5 * closed_form(one).deviation, rtol=1e-3
    )


def test_sampling_yields_the_closed_form_first_and_can_be_closed() -> None:
    result = toy(shape=(16, 16, 16), reach=2)
    steps = sampling(result, RNG(0), 4)
    first = next(steps)
    assert first.partial is not None and first.partial().source == "closed form"
    next(steps)
    steps.close()
    seen, spread = finish(sampling(result, RNG(0), 4))
    assert [s.fraction for s in seen] == [0.0, 0.25, 0.5, 0.75, 1.0]
    assert (spread.source, spread.samples) == ("samples", 4)
    _, again = finish(sampling(result, RNG(0), 4))
    np.testing.assert_array_equal(spread.covariance, again.covariance)


def ball(shape: tuple[int, ...], radius: float, value: int = 7) -> np.ndarray:
    middle = [(n - 1) / 2 for n in shape]
    axes = np.meshgrid(*(np.arange(n) - m for n, m in zip(shape, middle, strict=True)),
                       indexing="ij")  # fmt: skip
    return (value * (sum(a**2 for a in axes) <= radius**2)).astype(np.int32)


def test_the_volume_of_a_ball_under_noise_of_known_size() -> None:
    """One random magnification for the whole image: SD of the volume is 3 V SD(scale)."""
    shape, radius = (40, 40, 40), 13.0
    labels = Volume(ball(shape, radius, 300), None, "labels")
    fixed = Volume(np.zeros(shape, np.float32))
    eye = np.stack(np.meshgrid(*(np.arange(n) - 19.5 for n in shape), indexing="ij"))
    count = LabelCount(Registration(fixed, fixed, np.eye(4)), labels, reach=4)
    scales = RNG(0).normal(0, 0.05, 20)
    scales = np.concatenate([scales, -scales])
    for s in scales:
        count.add(Field((s * eye).astype(np.float32), np.ones(3), np.zeros(3), "displacement"))
    found = count.structures(paired=True)
    assert found.ids.tolist() == [300]
    volume = (labels.data > 0).sum() / 1000
    assert found.volume_ml[0] == pytest.approx(volume)
    assert found.deviation_ml[0] == pytest.approx(3 * volume * scales.std(), rel=0.05)
    assert found.label.max() == 300 and 0.5 < found.entropy.max() <= 1
    assert found.entropy[19, 19, 19] == 0 and found.probability[19, 19, 19] == 1
    assert found.probability.min() >= 0.5


def test_labels_are_counted_as_the_warp_gives_them() -> None:
    """One sample, oblique and on another grid, many ids: the label is the nearest-neighbour warp."""
    result = toy(shape=(12, 13, 14), affine=OBLIQUE, scale=2.0, reach=2, deviation=0.0)
    ids = np.array([-4, 0, 10**6, 3, 12])
    data = ids[ndimage.zoom(RNG(0).integers(0, 5, (5, 6, 7)), 4, order=0)]
    labels = Volume(data, OBLIQUE @ np.diag([1.1, 1.2, 1.05, 1]), "labels")
    count = LabelCount(result, labels, reach=50.0)
    assert result.field is not None
    count.add(result.field)
    found = count.structures(paired=True)
    np.testing.assert_array_equal(found.label, result.warp(labels, "nearest"))
    assert found.deviation_ml.max() == 0 and found.entropy.max() == 0
    for number, volume in zip(found.ids, found.volume_ml, strict=True):
        voxels = (result.warp(labels, "nearest") == number).sum()
        assert volume == pytest.approx(
            voxels * abs(np.linalg.det(OBLIQUE[:3, :3])) / 1000, rel=1e-3
        )


def test_ellipses_hold_their_share() -> None:
    covariance = np.cov(RNG(0).normal(size=(3, 50)) * [[1.0], [3.0], [0.4]])
    found = ellipse(covariance[None], 0.8)
    assert (np.diff(found.radii[0]) <= 0).all()
    points = RNG(1).multivariate_normal(np.zeros(3), covariance, 20_000)
    inside = ((points @ found.directions[0].T / found.radii[0]) ** 2).sum(1) <= 1
    assert inside.mean() == pytest.approx(0.8, abs=0.01)
    quantile = stats.chi2.ppf(0.8, 3)
    np.testing.assert_allclose(
        np.sort(found.radii[0] ** 2), np.linalg.eigvalsh(covariance) * quantile, rtol=1e-9
    )


def test_what_cannot_be_measured_is_said() -> None:
    bare = Registration(Volume(np.zeros((8, 8))), Volume(np.zeros((8, 8))), np.eye(3))
    with pytest.raises(InputError, match="probabilistic"):
        closed_form(bare)
    with pytest.raises(InputError, match="even"):
        next(sampling(toy(shape=(12, 12)), RNG(0), 3))
    with pytest.raises(InputError, match="above 0"):
        ellipse(np.eye(2)[None], 1.0)
    field = Field(np.zeros((2, 4, 4), np.float32), np.ones(2), np.zeros(2))
    for wrong in (np.zeros((2, 4, 5)), np.full((2, 4, 4), np.nan), -np.ones((2, 4, 4))):
        with pytest.raises(InputError, match="Posterior"):
            Posterior(field, wrong)
    with pytest.raises(InputError, match="velocity"):
        Posterior(Field(field.data, field.scale, field.offset, "displacement"), field.data)


def test_a_posterior_is_dropped_with_its_field() -> None:
    from dataclasses import replace

    result = toy(shape=(12, 12))
    assert result.field is not None
    assert replace(result, metrics={"a": 1.0}).posterior is result.posterior
    other = Field(result.field.data, result.field.scale, result.field.offset)
    assert replace(result, field=other).posterior is None
    assert integrate_array(result.field.data).shape == (2, 12, 12)
