"""From a user's scan to the model's space and back: the right way round, in the right place."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from nibabel import orientations
from scipy import ndimage

from napari_voxelmorph.engine.errors import InputError
from napari_voxelmorph.engine.geometry.volume import Volume
from napari_voxelmorph.engine.networks.architecture import Architecture
from napari_voxelmorph.engine.networks.predict import predict, run
from napari_voxelmorph.engine.networks.registry import build
from napari_voxelmorph.engine.networks.space import Space, conform, place

SMALL = {"encoder": (2, 2), "decoder": ((2,), (2,))}
LIA = Space((24, 20, 16), 1.0, "LIA")


def blob(shape: tuple[int, ...], affine: np.ndarray | None = None, name: str = "scan") -> Volume:
    """A smooth off-centre blob, about a third of the image wide."""
    axes = np.meshgrid(*(np.linspace(-1, 1, n) for n in shape), indexing="ij")
    distance = sum(
        (a - c) ** 2 / w for a, c, w in zip(axes, (0.1, -0.1, 0.05), (0.2, 0.15, 0.1), strict=False)
    )
    return Volume((100 * np.exp(-distance)).astype(np.float32), affine, name=name)


def turned(volume: Volume, code: str) -> Volume:
    """The same image in the same place, stored along other axes."""
    move = orientations.ornt_transform(
        orientations.io_orientation(volume.affine), orientations.axcodes2ornt(code)
    )
    data = orientations.apply_orientation(volume.data, move)
    affine = volume.affine @ orientations.inv_ornt_aff(move, volume.shape)
    return Volume(np.ascontiguousarray(data), affine, volume.kind, volume.name)


def constant_network(shift: tuple[float, ...], **changes: Any) -> Any:
    """A network that always gives one and the same vector."""
    network = build(Architecture(ndim=len(shift), **{**SMALL, **changes}))
    torch.nn.init.zeros_(network.field.weight)
    network.field.bias.data = torch.tensor(shift, dtype=torch.float32)
    return network


CODES = ["LIA", "RAS", "PSR", "SLP"]


@pytest.mark.parametrize("code", CODES)
@pytest.mark.parametrize("output", ["velocity", "displacement"])
def test_vectors_point_the_right_way(code: str, output: str) -> None:
    """(1, 2, 3) field voxels of 2 mm in LIA are 2 mm to the left, 4 down, 6 forward."""
    network = constant_network((1, 2, 3), output=output)
    affine = np.diag([1.5, 0.8, 2.0, 1.0])
    affine[:3, 3] = (-5, 3, 8)
    fixed, moving = turned(blob((20, 30, 14), affine), code), blob((20, 30, 14), affine)
    result = predict(network, LIA, moving, fixed)
    points = fixed.center + np.array([[0.0, 0, 0], [3, -2, 1]])
    np.testing.assert_allclose(
        result.fixed_to_moving(points) - points, [[-2, 6, -4]] * 2, atol=1e-5
    )


@pytest.mark.parametrize(("code", "offset"), list(itertools.product(CODES, (0.0, 0.5))))
def test_the_field_lies_where_the_model_put_it(code: str, offset: float) -> None:
    rng = np.random.default_rng(0)
    architecture = Architecture(output="displacement", offset=offset, **SMALL)
    fixed = turned(blob((20, 30, 14), np.diag([1.5, 0.8, 2.0, 1.0])), code)
    where = place(LIA, fixed)
    data = rng.normal(size=(3, 12, 10, 8)).astype(np.float32)
    field = where.field(data, architecture)
    model = rng.uniform(2, 13, size=(50, 3))  # model voxels, within the grid
    matrix = where.matrix()
    points = model @ matrix[:3, :3].T + matrix[:3, 3]
    at = (model.T - offset) / 2
    vectors = np.stack([ndimage.map_coordinates(c, at, order=1) for c in data], -1)
    np.testing.assert_allclose(field.at(points), 2 * vectors @ matrix[:3, :3].T, atol=1e-4)


def test_a_scan_of_the_models_own_grid_is_untouched() -> None:
    affine = np.array([[-1, 0, 0, 9], [0, 0, 1, -4], [0, -1, 0, 3], [0, 0, 0, 1.0]])
    scan = blob((24, 20, 16), affine)
    assert scan.orientation == "LIA"
    where = place(LIA, scan)
    np.testing.assert_array_equal(where.matrix(), np.eye(4))
    found = conform(scan, scan, where, replace(LIA, percentile=0.0))
    np.testing.assert_array_equal(found, scan.data)
    again = turned(scan, "RAS")
    found = conform(again, again, place(LIA, again), replace(LIA, percentile=0.0))
    np.testing.assert_allclose(found, scan.data, atol=1e-4)


def test_intensities() -> None:
    scan = blob((24, 20, 16))
    low, high = (
        Volume(scan.data * gain + shift, scan.affine) for gain, shift in ((1, 0), (7, -1024))
    )
    first, second = (conform(v, v, place(LIA, v), LIA) for v in (low, high))
    np.testing.assert_allclose(first, second, atol=1e-4)
    whole = conform(low, low, place(Space(None, 1.0), low), LIA)
    assert np.percentile(whole[whole > 1e-3 * whole.max()], 99) == pytest.approx(1, abs=1e-3)


def test_cropping_keeps_the_content() -> None:
    """A small head in the corner of a large field of view is found."""
    data = np.zeros((80, 70, 60), np.float32)
    data[50:70, 5:20, 40:52] = 100
    scan = Volume(data)
    space = Space((24, 20, 16), 1.0)
    found = conform(scan, scan, place(space, scan), space)
    assert (found > 0.5).sum() == (data > 50).sum()


@pytest.mark.parametrize("shape", [None, (16, 20)])
def test_two_axes(shape: tuple[int, ...] | None) -> None:
    network = constant_network((1, 2))
    scan = blob((18, 25), np.diag([0.5, 2.0, 1.0]))
    result = predict(network, Space(shape, 1.0), scan, scan)
    points = scan.center[None]
    np.testing.assert_allclose(result.fixed_to_moving(points) - points, [[2, 4]], atol=1e-5)
    assert result.moved.shape == scan.shape


def test_pre_alignment() -> None:
    """The network sees the moving image through the affine; the result holds both."""
    scan = blob((24, 20, 16))
    far = Volume(scan.data, np.array([[1, 0, 0, 50], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1.0]]))
    shift = np.eye(4)
    shift[0, 3] = 50
    network = constant_network((0, 0, 0))
    result = predict(network, Space(None, 1.0), far, scan, affine=shift)
    np.testing.assert_allclose(result.moved.data, scan.data, atol=1e-4)
    # Headers that put the images apart: centre on centre.
    found = predict(network, Space(None, 1.0), far, scan)
    np.testing.assert_allclose(found.affine, shift)


def test_half_precision_runs() -> None:
    network = constant_network((1, 2, 3)).to(torch.bfloat16)
    image = np.zeros((8, 8, 8), np.float32)
    assert run(network, image, image).dtype == np.float32


def test_pairs_that_do_not_fit() -> None:
    flat, solid = blob((18, 25)), blob((12, 12, 12))
    with pytest.raises(InputError, match="2-D"):
        predict(constant_network((1, 2)), Space(None, 1.0), solid, solid)
    with pytest.raises(InputError, match="3-D"):
        predict(constant_network((1, 2)), LIA, flat, flat)
    bad = constant_network((float("nan"), 0, 0))
    with pytest.raises(InputError, match="finite"):
        predict(bad, LIA, solid, solid)


def test_space_is_json() -> None:
    for space in (LIA, Space(), Space((8, 9), None)):
        assert Space.from_json(json.loads(json.dumps(space.to_json()))) == space
    for change in (
        {"shape": [1]},
        {"shape": [1.5, 2]},
        {"shape": 3},
        {"spacing": -1},
        {"spacing": "1"},
        {"orientation": "LLA"},
        {"orientation": "XYZ"},
        {"orientation": 5},
        {"percentile": float("nan")},
        {"value": None},
        {"more": 1},
    ):
        with pytest.raises(InputError):
            Space.from_json({**LIA.to_json(), **change})


@pytest.mark.slow
def test_published_network_on_scans_stored_otherwise(data_dir: Path) -> None:
    """The published overlap, although the scans come as RAS and RSP with other intensities."""
    pytest.importorskip("h5py")
    from napari_voxelmorph.engine.keras_import import PUBLISHED_SPACE, import_keras

    weights = data_dir / "published_weights" / "miccai2018_10_02_init1.h5"
    folder = data_dir / "vxm_space"
    if not (weights.is_file() and folder.is_dir()):
        pytest.skip(f"no published weights or scans in {data_dir}")
    affine = np.array([[-1, 0, 0, 80], [0, 0, 1, -110], [0, -1, 0, 95], [0, 0, 0, 1.0]])
    subject = [np.load(folder / f"subject_1_{k}.npz")["vol_data"] for k in ("vol", "seg")]
    with np.load(folder / "test_scan.npz") as file:
        scan = [file["vol"], file["seg"]]
    with np.load(folder / "labels.npz") as file:
        ids = file["labels"]
    fixed, fixed_labels = (
        turned(Volume(a.astype(np.float32), affine, name="fixed"), "RAS") for a in subject
    )
    moving, moving_labels = (
        turned(Volume((a * g).astype(np.float32), affine, name="moving"), "RSP")
        for a, g in zip(scan, (2000, 1), strict=True)
    )
    result = predict(import_keras(weights), PUBLISHED_SPACE, moving, fixed)
    moved = result.warp(moving_labels, "nearest")
    wanted = fixed_labels.data
    dice = [2 * ((moved == i) & (wanted == i)).sum() / ((moved == i).sum() + (wanted == i).sum())
            for i in ids]  # fmt: skip
    assert np.mean(dice) == pytest.approx(0.750, abs=0.003)
