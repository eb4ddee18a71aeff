"""Volume change and folding against linear maps and the digital-diffeomorphism package."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from napari_voxelmorph.engine.geometry.jacobian import folding, jacobian_determinant


def rough(shape, size, seed=0):
    return (np.random.default_rng(seed).normal(0, size, (len(shape), *shape))).astype(np.float32)


@pytest.mark.parametrize("ndim", [2, 3])
def test_a_linear_map_has_its_determinant_everywhere(ndim):
    matrix = 0.3 * np.random.default_rng(0).normal(size=(ndim, ndim))
    field = np.einsum("ij,j...->i...", matrix, np.indices((5, 6, 7)[:ndim])).astype(np.float32)
    truth = np.linalg.det(np.eye(ndim) + matrix)
    found = jacobian_determinant(torch.from_numpy(field)[None])[0].numpy()
    np.testing.assert_allclose(found, truth, atol=1e-5)
    assert folding(field).ndv == pytest.approx(0, abs=1e-6) or truth <= 0


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("masked", [False, True])
def test_folding_agrees_with_the_package_in_3d(seed, masked):
    package = pytest.importorskip("digital_diffeomorphism.core", reason="testing extra")
    field = rough((9, 8, 10), 0.5, seed)
    mask = np.zeros(field.shape[1:], bool)
    mask[1:-1, 1:-1, 1:-1] = True
    if masked:
        mask &= np.random.default_rng(seed).random(mask.shape) > 0.4
    found = folding(field, mask)
    _, volume, _, _, voxels, _ = package.ndv(
        np.moveaxis(field, 0, -1).copy(), mask.astype(np.float32), is_disp=True
    )
    assert found.ndv == pytest.approx(volume, rel=1e-4) and volume > 0.1
    assert found.ndp == pytest.approx(voxels, rel=1e-4)


@pytest.mark.parametrize("seed", range(3))
def test_folding_agrees_with_the_package_in_2d(seed):
    package = pytest.importorskip("digital_diffeomorphism.core", reason="testing extra")
    field = rough((14, 11), 0.5, seed)
    mask = np.zeros(field.shape[1:], bool)
    mask[1:-1, 1:-1] = True
    found = folding(field, mask)
    _, area, _, _, pixels, _ = package.nda(
        np.moveaxis(field, 0, -1).copy(), mask.astype(np.float32), is_disp=True
    )
    assert found.ndv == pytest.approx(area, rel=1e-4) and area > 0.1
    assert found.ndp == pytest.approx(pixels, rel=1e-4)


@pytest.mark.parametrize("shape", [(9, 8), (7, 6, 9)])
def test_central_percent_counts_the_determinant(shape):
    field = rough(shape, 0.7)
    determinant = jacobian_determinant(torch.from_numpy(field)[None])[0].numpy()
    assert folding(field).central == pytest.approx(100 * (determinant <= 0).mean(), abs=1e-9)


def test_folds_that_central_differences_miss():
    """The checkerboard problem: one voxel thrown out of its neighbourhood."""
    field = np.zeros((3, 7, 7, 7), np.float32)
    field[0, 3, 3, 3] = 1.5
    found = folding(field)
    assert found.ndp == 0 and found.ndv > 0


def test_nothing_to_look_at():
    field = rough((5, 5, 5), 1.0)
    found = folding(field, np.zeros((5, 5, 5), bool))
    assert (found.ndp, found.ndv) == (0, 0)
    assert folding(np.zeros((3, 1, 1, 1), np.float32)).central == 0
