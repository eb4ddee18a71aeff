"""Synthetic training pairs: repeatable, in range, and what they show is what they say."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import ndimage

from napari_voxelmorph.engine.geometry.volume import Volume
from napari_voxelmorph.engine.geometry.warp import warp
from napari_voxelmorph.engine.synthesis import painting, painting_torch
from napari_voxelmorph.engine.synthesis.acquisition import (
    operator,
    random_acquisition,
    tone_curve,
)
from napari_voxelmorph.engine.synthesis.anatomy_maps import LabelMaps, align, fit, landmarks
from napari_voxelmorph.engine.synthesis.contrast import MEAN, random_palette, stripped
from napari_voxelmorph.engine.synthesis.noise import coarse_shape, smooth_noise
from napari_voxelmorph.engine.synthesis.placement import (
    Placement,
    Spread,
    flow,
    grid_to_map,
    random_affine,
    random_velocity,
)
from napari_voxelmorph.engine.synthesis.shape_maps import shape_map
from napari_voxelmorph.engine.synthesis.structures import BRAIN, anatomy_table, shapes_table
from napari_voxelmorph.engine.synthesis.training_pairs import (
    BRAIN_2MM,
    SHAPES,
    PairPlan,
    Recipe,
    draw_images,
    grid_shape,
    known_displacement,
    plan_pair,
)

STILL = Spread(0, 0, 0, 0, 0)
#: 2-D, 3-D, odd, and an axis that is shorter than a node of the coarse grids.
GRIDS = [(48, 61), (24, 31, 17), (3, 20, 40)]


def noise_maps(shape: tuple[int, ...], count: int = 7, wrap: bool = True) -> LabelMaps:
    data = [shape_map(shape, count, np.random.default_rng(k)) for k in range(3)]
    return LabelMaps(data, shapes_table(count), 1.0, ("a", "b", "c"), wrap)


def head_maps() -> LabelMaps:
    """Nested boxes as a head: scalp, fluid, cortex, white matter of both sides, a ventricle."""
    table = anatomy_table((2, 3, 4, 24, 41, 42, 43, 507))
    ids = np.zeros((32, 36, 40), np.int64)
    for margin, i in ((2, 507), (4, 24), (6, 3), (9, 2), (13, 4)):
        inner = tuple(slice(margin, n - margin) for n in ids.shape)
        ids[inner] = i
    right = ids[16:]
    right[np.isin(right, (2, 3, 4))] += 39
    data = np.searchsorted(np.array(table.ids), ids).astype(np.uint8)
    return LabelMaps([data, data[:, ::-1].copy()], table, 1.0, ("one", "two"))


def draw(
    shape: tuple[int, ...], number: int, recipe: Recipe = SHAPES, maps: LabelMaps | None = None
) -> PairPlan:
    rng = np.random.default_rng(number)
    return plan_pair(maps or noise_maps(shape), shape, 1.0, recipe, 1.0, rng)


@pytest.mark.parametrize("shape", GRIDS)
def test_images_are_finite_in_range_and_not_empty(shape: tuple[int, ...]) -> None:
    maps = noise_maps(shape)
    for number in range(8):
        plan = draw(shape, number, maps=maps)
        for one in (plan.moving, plan.fixed):
            image, structures = draw_images(one, shape)
            assert image.shape == (1, *shape) and image.dtype == torch.float32
            assert structures.shape == shape and structures.dtype == torch.int16
            assert torch.isfinite(image).all()
            assert image.min() >= 0 and 0.9 <= image.max() <= 1.5 + 1e-6
            assert set(structures.unique().tolist()) <= set(range(8))
            assert len(structures.unique()) > 1


@pytest.mark.parametrize("shape", GRIDS)
def test_the_kernels_say_what_torch_says(shape: tuple[int, ...]) -> None:
    maps = noise_maps(shape)
    for number, wrap in ((1, True), (2, False), (3, True), (4, False)):
        plan = draw(shape, number, maps=replace(maps, wrap=wrap)).moving
        image, structures = painting.render(plan, grid_shape(shape))
        other, other_structures = painting_torch.render(plan, grid_shape(shape), "cpu")
        # Rounding may put a place on the other side of a voxel's edge.
        same = structures == other_structures.numpy()
        assert same.mean() > 0.999
        # The kernels take the percentile from a part of the voxels: one gain, not far from 1.
        one, two = image.ravel().astype(np.float64), other.numpy().ravel().astype(np.float64)
        two *= (one @ two) / (two @ two)
        assert np.quantile(np.abs(one - two), 0.99) < 1e-3
        assert 0.9 < (one @ other.numpy().ravel()) / (two @ two) < 1.1
        assert image.std() > 0.02


@pytest.mark.parametrize("shape", [(40, 52), (20, 24, 28)])
def test_the_same_seed_gives_the_same_pair(shape: tuple[int, ...]) -> None:
    first, second, other = (draw_images(draw(shape, n).fixed, shape)[0] for n in (5, 5, 6))
    assert torch.equal(first, second)
    assert not torch.equal(first, other)


def test_without_deformation_the_map_is_shown_unchanged() -> None:
    maps = head_maps()
    still = replace(BRAIN_2MM, together=STILL, apart=STILL, strip=0.0, mirror=())
    plan = draw(maps.data[0].shape, 3, still, maps)
    _, structures = draw_images(plan.fixed, maps.data[0].shape)
    source = next(d for d, n in zip(maps.data, maps.names, strict=True) if n == plan.names[1])
    assert np.array_equal(structures.numpy(), maps.table.structure[source])


def test_labels_follow_the_stated_map() -> None:
    """Against scipy: out(x) = labels(matrix · (x + u(x))), nearest."""
    shape = (24, 28, 32)
    plan = draw(shape, 11, maps=replace(noise_maps(shape), wrap=False)).moving
    _, structures = painting.render(plan, shape)
    grid = np.indices(shape).astype(np.float64)
    field = [
        ndimage.map_coordinates(u, grid / 4, order=1, mode="nearest") for u in plan.displacement
    ]
    at = np.tensordot(plan.matrix[:, :3].astype(float), grid + np.stack(field), 1)
    at += plan.matrix[:, 3].reshape(3, 1, 1, 1)
    wanted = ndimage.map_coordinates(
        plan.labels, at, order=0, mode="grid-constant", cval=0, prefilter=False
    )
    assert (plan.structure[wanted] == structures).mean() > 0.999


@pytest.mark.parametrize("shape", [(96, 112), (48, 56, 64)])
def test_the_known_displacement_pulls_moving_onto_fixed(shape: tuple[int, ...]) -> None:
    # Blobs of several voxels, so that rounding at their borders counts little.
    maps = noise_maps(shape, 3)
    gentle = replace(SHAPES, apart=Spread(4, 3, 0.05, 0.02, 3.0), together=STILL)
    before, after = [], []
    for number in range(6):
        plan = draw(shape, number, gentle, maps)
        displacement = known_displacement(plan, shape)
        assert displacement is not None and displacement.shape == (len(shape), *shape)
        moving, fixed = (draw_images(p, shape)[1] for p in (plan.moving, plan.fixed))
        moved = warp(moving[None, None].float(), displacement[None], "nearest")[0, 0]
        inside = tuple(slice(8, -8) for _ in shape)
        before.append((moving == fixed)[inside].float().mean())
        after.append((moved == fixed)[inside].float().mean())
    assert np.mean(after) > 0.93
    assert np.mean(before) < np.mean(after) - 0.05


def test_the_known_displacement_leads_to_the_same_place_of_the_map() -> None:
    shape = (48, 56, 64)
    gentle = replace(SHAPES, apart=Spread(4, 3, 0.05, 0.02, 3.0))
    plan = draw(shape, 3, gentle)
    displacement = known_displacement(plan, shape)
    assert displacement is not None
    grid = np.indices(shape).astype(np.float64)

    def seen(place: Placement, at: np.ndarray) -> np.ndarray:
        """Map voxels that an image shows at grid positions."""
        field = [
            ndimage.map_coordinates(u, at / 4, order=1, mode="nearest") for u in place.displacement
        ]
        moved = np.tensordot(place.matrix[:3, :3], at + np.stack(field), 1)
        return moved + place.matrix[:3, 3].reshape(3, 1, 1, 1)

    moving, fixed = plan.places
    error = seen(moving, grid + displacement.numpy()) - seen(fixed, grid)
    inside = (slice(None), *(slice(10, -10) for _ in shape))
    assert np.sqrt((error[inside] ** 2).sum(0).mean()) < 0.25
    assert np.sqrt((displacement.numpy() ** 2).sum(0).mean()) > 2


def test_two_people_have_no_known_displacement() -> None:
    maps = head_maps()
    recipe = replace(BRAIN_2MM, two_maps=1.0)
    assert known_displacement(draw((16, 18, 20), 0, recipe, maps), (16, 18, 20)) is None


def test_one_map_or_two_by_difficulty() -> None:
    maps = head_maps()
    rng = np.random.default_rng(0)
    shape = maps.data[0].shape

    def share(difficulty: float) -> float:
        plans = [plan_pair(maps, shape, 1.0, BRAIN_2MM, difficulty, rng) for _ in range(40)]
        return float(np.mean([p.names[0] != p.names[1] for p in plans]))

    assert share(0.0) == 0.0
    assert 0.3 < share(1.0) < 0.9


def test_easier_pairs_move_less() -> None:
    shape = (32, 32, 32)
    maps = noise_maps(shape)

    def size(difficulty: float) -> float:
        plans = [
            plan_pair(maps, shape, 1.0, SHAPES, difficulty, np.random.default_rng(n))
            for n in range(6)
        ]
        return float(np.mean([np.abs(p.moving.displacement).mean() for p in plans]))

    assert size(0.0) < 0.6 * size(1.0)


def test_a_stripped_image_shows_no_scalp_and_neither_label_map_does() -> None:
    maps = head_maps()
    shape = maps.data[0].shape
    recipe = replace(BRAIN_2MM, together=STILL, apart=STILL, strip=1.0, mirror=(), two_maps=0.0)
    plan = draw(shape, 2, recipe, maps)
    sharp = tuple(operator(n, 0.0) for n in shape)
    clean = replace(plan.fixed.acquisition, noise=0.0, operators=sharp)
    image, structures = draw_images(replace(plan.fixed, acquisition=clean), shape)
    scalp = maps.table.ids.index(507)
    seen = maps.data[maps.names.index(plan.names[1])] == scalp
    assert not image[0].numpy()[seen].any()
    assert image[0].numpy()[structures.numpy() > 0].any()
    assert not structures.numpy()[seen].any()
    assert list(BRAIN).index("soft tissue") + 1 not in structures.unique().tolist()


def test_the_field_of_view_is_black_outside() -> None:
    plan = draw((24, 28, 32), 1).moving
    box = np.array([[0, 24], [5, 28], [0, 30]])
    cut = replace(plan, acquisition=replace(plan.acquisition, box=box))
    image, structures = painting.render(cut, (24, 28, 32))
    assert not image[:, :5].any() and not image[:, :, 30:].any()
    assert image[:, 5:, :30].max() > 0.9
    whole = painting.render(plan, (24, 28, 32))[1]
    assert np.array_equal(structures, whole)


@pytest.mark.parametrize("sigma", [0.6, 1.7])
def test_the_blur_is_a_gaussian(sigma: float) -> None:
    signal = np.random.default_rng(0).random(40)
    ours = operator(40, sigma).dense() @ signal
    theirs = ndimage.gaussian_filter1d(signal, sigma, radius=int(2.5 * sigma))
    assert np.allclose(ours[6:-6], theirs[6:-6], atol=1e-6)


@pytest.mark.parametrize(("n", "step", "first"), [(30, 4.0, 1.0), (31, 2.7, 0.3), (5, 4.0, 2.0)])
def test_slices_keep_a_constant_and_carry_few_values(n: int, step: float, first: float) -> None:
    matrix = operator(n, 0.3, step, first).dense()
    assert np.allclose(matrix.sum(1), 1, atol=1e-5)
    # Between n / step slices there is nothing but their mixtures.
    assert np.linalg.matrix_rank(matrix, tol=1e-4) <= np.ceil(n / step) + 2


def test_the_operator_of_a_sharp_scan_is_the_identity() -> None:
    assert np.array_equal(operator(12, 0.0).dense(), np.eye(12, dtype=np.float32))


def test_acquisitions_stay_on_the_grid() -> None:
    for seed in range(30):
        rng = np.random.default_rng(seed)
        shape = (1, 33, 47)
        scan = random_acquisition(shape, 1.0, 2.0, 4.0, rng)
        for n, along in zip(shape, scan.operators, strict=True):
            assert along.start.min() >= 0
            assert (along.start + along.weights.shape[1]).max() <= n
        assert (scan.gain > 0).all()
        assert scan.box[0].tolist() == [0, 1]
        assert ((scan.box[:, 1] - scan.box[:, 0]) >= 0.7 * np.array(shape)).all()


def test_the_tone_curve_rises_from_background_to_one() -> None:
    curve = tone_curve(0.2, 1.2, 1.0, 0.7)
    assert curve[0] == 0 and (np.diff(curve) >= 0).all()
    assert np.interp(1.0, np.linspace(0.2, 1.2, len(curve)), curve) == pytest.approx(1, abs=1e-2)


def test_left_and_right_are_mostly_equally_bright() -> None:
    table = anatomy_table((2, 3, 41, 42, 507))
    left, right = table.ids.index(2), table.ids.index(41)
    palettes = [
        random_palette(table, np.random.default_rng(s), tied=0.5, black=1.0) for s in range(60)
    ]
    equal = [p[MEAN, left] == p[MEAN, right] for p in palettes]
    assert 0.8 < np.mean(equal) < 1
    assert all(p[MEAN, 0] == 0 for p in palettes)
    assert min(p.min() for p in palettes) >= 0 and max(p[MEAN].max() for p in palettes) <= 1


def test_stripping_drops_the_head_and_perhaps_the_fluid() -> None:
    table = anatomy_table((2, 24, 507, 515))
    palette = np.ones((3, 256), np.float32)
    for fluid in (False, True):
        other, gone = stripped(palette, table, fluid)
        shown = {i for n, i in enumerate(table.ids) if other[MEAN, n] > 0}
        assert shown == ({2} if fluid else {2, 24})
        assert gone[table.ids.index(515)] and gone[0]


def test_smooth_noise_has_the_stated_size_and_width() -> None:
    noise = smooth_noise((400, 400), 8.0, np.random.default_rng(0))
    assert abs(noise.mean()) < 1e-4 and noise.std() == pytest.approx(1, abs=1e-3)
    # A Gaussian of SD s leaves a correlation of exp(-d² / 4 s²).
    sigma = 8 / 2.3548
    found = float((noise[:-6] * noise[6:]).mean())
    assert found == pytest.approx(np.exp(-36 / (4 * sigma**2)), abs=0.05)


def test_noise_that_wraps_has_no_seam() -> None:
    noise = smooth_noise((64, 64), 8.0, np.random.default_rng(0), wrap=True)
    inside = np.abs(np.diff(noise, axis=0)).mean()
    assert np.abs(noise[0] - noise[-1]).mean() < 2 * inside


def test_coarse_grids_reach_the_last_voxel() -> None:
    for n in range(1, 40):
        (nodes,) = coarse_shape((n,), 4)
        assert (nodes - 1) * 4 >= n - 1
        assert n == 1 or (nodes - 2) * 4 < n - 1


@pytest.mark.parametrize("shape", [(1, 96, 112), (80, 64, 96)])
def test_deformations_do_not_fold(shape: tuple[int, ...]) -> None:
    velocity = random_velocity(shape, 4.0, np.random.default_rng(0))
    forward, backward = flow(velocity), flow(-velocity)
    axes = [axis for axis in range(3) if shape[axis] > 1]
    slope = np.stack(
        [np.stack([np.gradient(forward[a] / 4, axis=b) for b in axes], -1) for a in axes], -2
    )
    determinant = np.linalg.det(slope + np.eye(len(axes)))
    assert determinant.min() > 0 and determinant.std() > 0.1
    # There and back, where nothing leaves the grid.
    at = np.indices(forward.shape[1:]) + forward / 4
    back = [ndimage.map_coordinates(b, at, order=1, mode="nearest") for b in backward]
    inside = tuple(slice(4, -4) if n > 1 else slice(None) for n in forward.shape[1:])
    left_over = (forward + np.stack(back))[(slice(None), *inside)]
    assert np.sqrt((left_over**2).mean()) < 0.1 * np.abs(forward).max()


def test_two_d_stays_in_its_plane() -> None:
    rng = np.random.default_rng(0)
    matrix = random_affine(2, Spread(20, 5, 0.2, 0.1, 0), rng)
    assert np.array_equal(matrix[0], [1, 0, 0, 0]) and np.array_equal(matrix[:, 0], [1, 0, 0, 0])
    assert not np.allclose(matrix[1:3, 1:3], np.eye(2))
    assert not flow(random_velocity((1, 40, 40), 3.0, rng))[0].any()


def test_the_middle_of_the_grid_looks_at_the_middle_of_the_map() -> None:
    affine = random_affine(3, Spread(20, 0, 0.2, 0.1, 0), np.random.default_rng(0))
    matrix = grid_to_map((11, 12, 13), (40, 41, 42), 2.0, affine)
    assert np.allclose(matrix @ [5, 5.5, 6, 1], [19.5, 20, 20.5, 1])


@pytest.mark.parametrize("shape", [(50, 61), (21, 30, 25)])
def test_noise_shapes_cover_the_grid_with_all_labels(shape: tuple[int, ...]) -> None:
    found: set[int] = set()
    for seed in range(6):
        shapes = shape_map(shape, 6, np.random.default_rng(seed))
        assert shapes.dtype == np.uint8
        full = grid_shape(shape)
        assert all(0 <= m - n < 4 for m, n in zip(shapes.shape, full, strict=True))
        found |= set(np.unique(shapes).tolist())
    assert found == set(range(7))


def test_alignment_undoes_affine_maps() -> None:
    rng = np.random.default_rng(0)
    truth = rng.normal(size=(30, 3)) * 40
    spread = Spread(20, 30, 0.2, 0.1, 0)
    moves = [random_affine(3, spread, rng) for _ in range(4)]
    places = [truth @ m[:3, :3].T + m[:3, 3] for m in moves]
    found = align(places)
    back = [(p - f[:3, 3]) @ np.linalg.inv(f[:3, :3]).T for p, f in zip(places, found, strict=True)]
    for other in back[1:]:
        assert np.abs(other - back[0]).max() < 1e-6
    assert np.allclose(fit(truth, places[0]), moves[0], atol=1e-8)


def test_landmarks_are_world_centres_of_structures() -> None:
    ids = np.zeros((40, 40, 40), np.int16)
    ids[10:30, 10:30, 10:30] = 2
    ids[20:24, 20:24, 20:24] = 10
    affine = np.diag([2.0, 2.0, 2.0, 1.0])
    affine[:3, 3] = (5, 6, 7)
    points = landmarks(Volume(ids, affine, "labels"))
    names = [i for members, _ in BRAIN.values() for i in members if i < 500]
    assert np.allclose(points[names.index(10)], 2 * 21.5 + np.array([5, 6, 7]))
    assert np.isnan(points[names.index(49)]).all()
