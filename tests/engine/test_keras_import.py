"""The papers' Keras files: refused when they are not, and right when they are."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from napari_voxelmorph.engine.checkpoints import load_model
from napari_voxelmorph.engine.errors import FileFormatError
from napari_voxelmorph.engine.geometry.jacobian import jacobian_determinant
from napari_voxelmorph.engine.geometry.warp import warp
from napari_voxelmorph.engine.keras_import import PUBLISHED_SPACE, import_keras, import_keras_model
from napari_voxelmorph.engine.model_transfer import add
from napari_voxelmorph.engine.networks.architecture import PRESETS
from napari_voxelmorph.engine.networks.field_grid import displacement_of
from napari_voxelmorph.engine.networks.space import Space

from ..fuzzing import fuzz_bytes

h5py = pytest.importorskip("h5py")

VM2_CC, VM2_MSE, VM1_CC = "cvpr2018_vm2_cc", "cvpr2018_vm2_l2", "cvpr2018_vm1_cc"
DIFF = "miccai2018_10_02_init1"
SUBJECT, SCAN = "subject_1", "test_scan"


@pytest.fixture(scope="module")
def weights(data_dir: Path) -> Path:
    if not (data_dir / "published_weights").is_dir():
        pytest.skip(f"no published weights in {data_dir}")
    return data_dir / "published_weights"


@pytest.mark.parametrize(
    ("file", "preset"),
    [
        (VM1_CC, "voxelmorph-1"),
        ("cvpr2018_vm1_l2", "voxelmorph-1"),
        (VM2_CC, "voxelmorph-2"),
        (VM2_MSE, "voxelmorph-2"),
        (DIFF, "voxelmorph-diff"),
    ],
)
def test_architectures_are_the_papers(weights: Path, file: str, preset: str) -> None:
    assert import_keras(weights / f"{file}.h5").architecture == PRESETS[preset]


@pytest.fixture(scope="module")
def scans(data_dir: Path) -> dict[str, Any]:
    folder = data_dir / "vxm_space"
    if not folder.is_dir():
        pytest.skip(f"no scans of the papers' space in {data_dir}")
    with np.load(folder / "test_scan.npz") as file:
        test_scan = file["vol"], file["seg"]
    subject = tuple(
        np.load(folder / f"subject_1_{kind}.npz")["vol_data"] for kind in ("vol", "seg")
    )
    with np.load(folder / "labels.npz") as file:
        ids = file["labels"]
    tensors = {
        name: [torch.from_numpy(a.astype(np.float32))[None, None] for a in pair]
        for name, pair in ((SCAN, test_scan), (SUBJECT, subject))
    }
    return {**tensors, "ids": ids}


def mean_dice(one: torch.Tensor, other: torch.Tensor, ids: np.ndarray) -> float:
    size = 256
    together = torch.bincount((one * size + other).flatten().long(), minlength=size**2)
    table = together.reshape(size, size).double()
    both, sizes = table.diag(), table.sum(0) + table.sum(1)
    return float((2 * both / sizes)[ids].mean())


# Mean Dice over the 30 labels of the papers; an independent implementation got these.
@pytest.mark.slow
@pytest.mark.parametrize(
    ("file", "moving", "fixed", "dice", "folds"),
    [
        (VM1_CC, SCAN, SUBJECT, 0.715, True),
        (VM2_CC, SUBJECT, SCAN, 0.715, True),
        (VM2_MSE, SCAN, SUBJECT, 0.752, True),
        (DIFF, SUBJECT, SCAN, 0.723, False),
        (DIFF, SCAN, SUBJECT, 0.750, False),
    ],
)
def test_overlap_of_the_published_networks(
    weights: Path,
    scans: dict[str, Any],
    file: str,
    moving: str,
    fixed: str,
    dice: float,
    folds: bool,
) -> None:
    (image, labels), (target, wanted), ids = scans[moving], scans[fixed], scans["ids"]
    assert mean_dice(labels, wanted, ids) == pytest.approx(0.522, abs=0.001)
    network = import_keras(weights / f"{file}.h5").to(memory_format=torch.channels_last_3d)
    with torch.inference_mode():
        field = network(image, target)
        u = displacement_of(field, tuple(image.shape[2:]), network.architecture).contiguous()
        moved = warp(labels, u, "nearest")
    assert mean_dice(moved, wanted, ids) == pytest.approx(dice, abs=0.003)
    assert bool((jacobian_determinant(u) <= 0).any()) == folds


def write(path: Path, layers: list[dict[str, Any]], arrays: dict[str, np.ndarray]) -> Path:
    with h5py.File(path, "w") as file:
        file.attrs["model_config"] = json.dumps({"config": {"layers": layers}})
        for name, array in arrays.items():
            file.create_dataset(f"model_weights/{name}", data=array)
    return path


def conv(name: str, filters: int, stride: int = 1) -> dict[str, Any]:
    config = {"filters": filters, "strides": [stride, stride]}
    return {"class_name": "Conv2D", "name": name, "config": config}


def tiny() -> tuple[list[dict[str, Any]], dict[str, np.ndarray]]:
    """A 2-D network of three layers at half resolution."""
    rng = np.random.default_rng(0)
    layers = [conv("a", 4, 2), conv("b", 5), conv("flow", 2)]
    layers.append({"class_name": "VecInt", "name": "integrate", "config": {}})
    arrays = {}
    for name, n_in, n_out in (("a", 2, 4), ("b", 4, 5), ("flow", 5, 2)):
        arrays[f"{name}/{name}/kernel:0"] = rng.normal(size=(3, 3, n_in, n_out))
        arrays[f"{name}/{name}/bias:0"] = rng.normal(size=n_out)
    return layers, arrays


def test_a_network_made_by_hand(tmp_path: Path) -> None:
    layers, arrays = tiny()
    network = import_keras(write(tmp_path / "tiny.h5", layers, arrays))
    assert network.architecture.output == "velocity" and network.architecture.scale == 2
    kernel = network.state_dict()["unet.down.0.weight"]
    assert kernel[3, 1, 0, 2] == pytest.approx(arrays["a/a/kernel:0"][0, 2, 1, 3])
    assert network(torch.rand(1, 1, 6, 8), torch.rand(1, 1, 6, 8)).shape == (1, 2, 3, 4)


def test_onto_the_shelf(tmp_path: Path) -> None:
    layers, arrays = tiny()
    source = write(tmp_path / "tiny.h5", layers, arrays)
    network, card = load_model(add(source, user=tmp_path / "user").folder)
    assert card.name == "tiny" and card.space == Space(None, None)
    assert torch.equal(network.field.weight, import_keras(source).field.weight)
    first = {"class_name": "InputLayer", "name": "i"}
    layers.insert(0, {**first, "config": {"batch_input_shape": [None, 6, 8, 1]}})
    source = write(tmp_path / "sized.h5", layers, arrays)
    assert import_keras_model(source)[1].space.shape == (6, 8)


def test_cards_of_the_published_networks(weights: Path) -> None:
    _, card = import_keras_model(weights / f"{DIFF}.h5")
    assert card.space == PUBLISHED_SPACE


def broken(change: str) -> tuple[list[dict[str, Any]], dict[str, np.ndarray]]:
    layers, arrays = tiny()
    if change == "layer kind":
        layers.insert(1, {"class_name": "Dense", "name": "d", "config": {}})
    elif change == "stride":
        layers[1] = conv("b", 5, 3)
    elif change == "no head":
        layers.pop(2)
    elif change == "missing array":
        arrays.pop("b/b/bias:0")
    elif change == "wrong shape":
        arrays["b/b/kernel:0"] = arrays["b/b/kernel:0"][:, :, :3]
    elif change == "not finite":
        arrays["b/b/bias:0"][0] = np.nan
    elif change == "absurd width":
        layers[0] = conv("a", 10**9, 2)
    elif change == "large width":
        layers[0] = conv("a", 4096, 2)
    elif change == "no name":
        del layers[1]["name"]
    elif change == "flat kernel":
        arrays["b/b/kernel:0"] = np.zeros(0)
    return layers, arrays


@pytest.mark.parametrize(
    "change",
    [
        "layer kind",
        "stride",
        "no head",
        "missing array",
        "wrong shape",
        "not finite",
        "absurd width",
        "large width",
        "no name",
        "flat kernel",
    ],
)
def test_other_networks_are_refused(tmp_path: Path, change: str) -> None:
    with pytest.raises(FileFormatError, match=r"other\.h5"):
        import_keras(write(tmp_path / "other.h5", *broken(change)))


def test_damaged_files(tmp_path: Path) -> None:
    path = write(tmp_path / "tiny.h5", *tiny())
    fuzz_bytes(path, lambda: import_keras_model(path))


@pytest.mark.parametrize("layers", ["5", "[5]", '{"a": 1}', "[[]]", '[{"name": "a"}]', "[" * 9999])
def test_lists_of_layers_that_are_none(tmp_path: Path, layers: str) -> None:
    path = write(tmp_path / "tiny.h5", *tiny())
    for text in (f'{{"config": {{"layers": {layers}}}}}', f'{{"config": {layers}}}', layers):
        with h5py.File(path, "r+") as file:
            file.attrs["model_config"] = text
        with pytest.raises(FileFormatError, match=r"tiny\.h5"):
            import_keras_model(path)


def test_arrays_that_are_not_there(tmp_path: Path) -> None:
    """Made up by HDF5, or taken from another file: refused before they are read."""
    path = write(tmp_path / "tiny.h5", *tiny())
    (tmp_path / "secret").write_bytes(bytes(10**6))
    name = "model_weights/a/a/kernel:0"
    for shape, outside in (((10_000, 10_000), None), ((1000,), [("secret", 0, 8000)])):
        with h5py.File(path, "r+") as file:
            group = file if name in file else file["/"]
            name = name if name in file else name.removeprefix("model_weights/")
            del group[name]
            group.create_dataset(name, shape, "f8", external=outside)
        with pytest.raises(FileFormatError, match=r"tiny\.h5"):
            import_keras_model(path)


def test_files_that_are_not_keras(tmp_path: Path) -> None:
    with pytest.raises(FileFormatError, match="no file"):
        import_keras(tmp_path / "absent.h5")
    for name, content in (("empty.h5", b""), ("text.h5", b"hello" * 100)):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(FileFormatError, match=name):
            import_keras(tmp_path / name)
    whole = write(tmp_path / "whole.h5", *tiny()).read_bytes()
    (tmp_path / "cut.h5").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(FileFormatError):
        import_keras(tmp_path / "cut.h5")
    with h5py.File(tmp_path / "bare.h5", "w") as file:
        file["x"] = 1
    with pytest.raises(FileFormatError, match="no list of layers"):
        import_keras(tmp_path / "bare.h5")
