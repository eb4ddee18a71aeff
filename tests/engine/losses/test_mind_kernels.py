"""The descriptors in bytes against the differentiable ones."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from napari_voxelmorph.engine.losses.mind import mind_ssc
from napari_voxelmorph.engine.losses.mind_kernels import as_unit, descriptor_pairs, mind_bytes
from napari_voxelmorph.engine.parallel import set_threads, thread_count


def image(shape, offset=0.0):
    noise = np.random.default_rng(0).normal(size=shape)
    return (gaussian_filter(noise, [1.0 * (n > 1) for n in shape]) + offset).astype(np.float32)


def oracle(values):
    tensor = torch.as_tensor(values)
    flat = tensor.shape[0] == 1
    found = mind_ssc(tensor[None] if flat else tensor[None, None])[0].numpy()
    return np.moveaxis(found[:, None] if flat else found, 0, -1)


@pytest.mark.parametrize("shape", [(9, 11, 10), (4, 5, 6), (2, 3, 3), (1, 13, 12)])
@pytest.mark.parametrize("offset", [0.0, 100.0])
def test_bytes_are_the_descriptors_rounded(shape, offset):
    values = image(shape, offset)
    found = mind_bytes(values, descriptor_pairs(flat=shape[0] == 1))
    assert found.shape == (*shape, 4 if shape[0] == 1 else 12)
    # A far offset costs single precision a few digits before either sees the image.
    np.testing.assert_allclose(as_unit(found), oracle(values), atol=0.502 / 255 + 1e-5 * offset)


def test_slabs_make_no_difference():
    values, pairs, threads = image((23, 9, 8)), descriptor_pairs(flat=False), thread_count()
    found = []
    try:
        for count in (1, 4):
            set_threads(count)
            found.append(mind_bytes(values, pairs).astype(int))
    finally:
        set_threads(threads)
    # The mean variance is summed in another order: a value may round the other way.
    assert np.abs(found[0] - found[1]).max() <= 1


def test_a_constant_image_is_all_one():
    assert (mind_bytes(np.full((5, 6, 7), 3.0, np.float32), descriptor_pairs(False)) == 255).all()
