"""Models on disk: the same numbers back, and nothing else accepted."""

from __future__ import annotations

import json
import pickle
import struct
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from napari_voxelmorph.engine import checkpoints
from napari_voxelmorph.engine.checkpoints import (
    INDEX,
    WEIGHTS,
    load_model,
    read_card,
    save_model,
)
from napari_voxelmorph.engine.errors import FileFormatError, InputError, OutputError
from napari_voxelmorph.engine.model_card import ModelCard
from napari_voxelmorph.engine.model_transfer import add
from napari_voxelmorph.engine.networks.architecture import Architecture
from napari_voxelmorph.engine.networks.registry import build
from napari_voxelmorph.engine.networks.space import Space
from napari_voxelmorph.engine.shelf import find, package_folders, remove, rename, shelf

SMALL = Architecture(encoder=(2, 3), decoder=((3,), (2,)), probabilistic=True)
CARD = ModelCard(
    "Small one",
    SMALL,
    Space((8, 9, 10), 1.5, "RAS"),
    "For tests.",
    "noise",
    "CC0-1.0",
    {"steps": 7, "curve": [[1, 0.5]]},
    {"dice": 0.5},
)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    network = build(SMALL, torch.Generator().manual_seed(0))
    save_model(network, CARD, tmp_path / "small")
    return tmp_path / "small"


def test_the_same_numbers_come_back(model: Path) -> None:
    network, card = load_model(model)
    first = build(SMALL, torch.Generator().manual_seed(0))
    assert type(network) is type(first)
    for name, tensor in first.state_dict().items():
        assert torch.equal(network.state_dict()[name], tensor)
    assert replace(card, created="", sha256="") == CARD and card.created and len(card.sha256) == 64
    pair = torch.rand(2, 1, 1, 8, 9, 10)
    assert torch.equal(network(*pair), first.eval()(*pair))
    assert not network.training
    assert load_model(model / INDEX)[1] == card == read_card(model)
    assert sorted(p.name for p in model.iterdir()) == [INDEX, WEIGHTS]


def test_saving_again_replaces(model: Path) -> None:
    network = build(SMALL, torch.Generator().manual_seed(1))
    save_model(network, replace(CARD, name="Second"), model)
    found, card = load_model(model)
    assert card.name == "Second"
    assert torch.equal(found.field.weight, network.field.weight)
    assert [p.name for p in model.parent.iterdir()] == ["small"]


def test_half_precision_is_read_as_float32(tmp_path: Path) -> None:
    save_model(build(SMALL).to(torch.bfloat16), CARD, tmp_path / "half")
    assert load_model(tmp_path / "half")[0].field.weight.dtype == torch.float32


def test_a_full_disk_loses_nothing(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = load_model(model)[1]

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoints, "save_file", full)
    with pytest.raises(OutputError, match="disk is full"):
        save_model(build(SMALL), CARD, model)
    assert load_model(model)[1] == before
    assert [p.name for p in model.parent.iterdir()] == ["small"]


def test_weights_that_are_not_finite_are_not_saved(tmp_path: Path) -> None:
    network = build(SMALL)
    network.field.weight.data[0, 0] = torch.nan
    with pytest.raises(InputError, match=r"field\.weight"):
        save_model(network, CARD, tmp_path / "bad")
    for card in (replace(CARD, scores={"dice": float("nan")}), replace(CARD, training={"x": {1}})):
        with pytest.raises(InputError, match="card"):
            save_model(build(SMALL), card, tmp_path / "bad")
    with pytest.raises(InputError, match="another architecture"):
        save_model(build(Architecture()), CARD, tmp_path / "bad")
    assert not (tmp_path / "bad").exists()


def edit(model: Path, **changes: Any) -> None:
    values = json.loads((model / INDEX).read_text())
    (model / INDEX).write_text(json.dumps({**values, **changes}))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"format": "other"}, "not written by"),
        ({"schema": 0}, "schema"),
        ({"schema": 99}, "newer"),
        ({"architecture": {"encoder": [10**9]}}, "encoder"),
        ({"architecture": {"layers": 3}}, "newer"),
        ({"architecture": None}, "could not be read"),
        ({"space": {"shape": [3, 3]}}, "axes"),
        ({"scores": {"dice": "high"}}, "scores"),
        ({"temperature": 0}, "temperature"),
        ({"temperature": "hot"}, "temperature"),
        ({"training": []}, "training"),
        ({"name": 5}, "name"),
        ({"sha256": "0" * 64}, "checksum"),
        ({"architecture": Architecture().to_json()}, "size"),
    ],
)
def test_a_changed_index_is_refused(model: Path, changes: dict[str, Any], words: str) -> None:
    edit(model, **changes)
    with pytest.raises(FileFormatError, match=words):
        load_model(model)


def weights_of(content: bytes | dict[str, torch.Tensor], model: Path) -> None:
    """Put other weights in the folder, with the right checksum."""
    path = model / WEIGHTS
    if isinstance(content, dict):
        save_file(content, path)
    else:
        path.write_bytes(content)
    edit(model, sha256=checkpoints._sha256(path))


def test_changed_weights_are_refused(model: Path) -> None:
    whole = (model / WEIGHTS).read_bytes()
    state = load_file(model / WEIGHTS)
    name = "field.bias"
    wrong: list[bytes | dict[str, torch.Tensor]] = [
        b"",
        whole[: len(whole) // 2],
        pickle.dumps({"a": "x" * len(whole)}),
        struct.pack("<Q", 2**62) + whole[8:],
        {k: v for k, v in state.items() if k != name},
        {**state, name: torch.zeros(1, 3)},
        {**state, name: torch.zeros(3, dtype=torch.int32)},
        {**state, name: torch.full((3,), torch.inf)},
        {**state, "unet.big": torch.zeros(10**6)},
    ]
    for content in wrong:
        weights_of(content, model)
        with pytest.raises(FileFormatError):
            load_model(model)
    flipped = bytearray(whole)
    flipped[-1] ^= 1
    weights_of(whole, model)
    (model / WEIGHTS).write_bytes(bytes(flipped))
    with pytest.raises(FileFormatError, match="checksum"):
        load_model(model)


def test_folders_that_are_no_models(tmp_path: Path, model: Path) -> None:
    for folder in (tmp_path, tmp_path / "absent"):
        with pytest.raises(FileFormatError, match="expected"):
            load_model(folder)
    for text in ("", "[]", "{", "null", "\x00" * 50):
        (model / INDEX).write_text(text)
        with pytest.raises(FileFormatError):
            read_card(model)
    (model / INDEX).write_bytes(b" " * (5 * 2**20))
    with pytest.raises(FileFormatError, match="too large"):
        read_card(model)


def test_a_link_out_of_the_folder_is_refused(tmp_path: Path, model: Path) -> None:
    outside = tmp_path / "outside.bin"
    (model / WEIGHTS).rename(outside)
    (model / WEIGHTS).symlink_to(outside)
    with pytest.raises(FileFormatError, match="link"):
        load_model(model)


def test_the_shelf(tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    user = tmp_path / "user" / "models"
    monkeypatch.setenv("NAPARI_VOXELMORPH_MODELS", str(user))
    assert [e for e in shelf() if e.own] == []
    entry = add(model)
    assert entry.card is not None and entry.card.scores == {"dice": 0.5} and entry.nbytes > 1000
    assert find("small") == entry.folder == user / "small" and find(model) == model
    with pytest.raises(InputError, match="already"):
        add(model, "small")
    for name in ("", "../x", "a/b", ".hidden", "ends."):
        with pytest.raises(InputError):
            rename(entry, name)
    entry = rename(entry, "other name")
    assert [e.name for e in shelf(packaged=[tmp_path])] == ["other name", "small"]
    (entry.folder / INDEX).write_text("{}")
    (broken,) = shelf(packaged=[])
    assert broken.card is None and "not written by" in broken.problem
    with pytest.raises(InputError, match="other name"):
        find("absent")
    remove(broken)
    assert shelf(packaged=[]) == []
    (packaged,) = shelf(packaged=[tmp_path])
    with pytest.raises(InputError, match="belongs to the package"):
        remove(packaged)


def test_the_package_has_a_shelf() -> None:
    assert any((folder / "README.md").is_file() for folder in package_folders())


def test_notes_about_a_model_stay_with_it(tmp_path: Path) -> None:
    network = build(SMALL, torch.Generator().manual_seed(0))
    save_model(network, ModelCard("noted", SMALL), tmp_path / "noted")
    (tmp_path / "noted" / "README.md").write_text("measured by hand", encoding="utf-8")
    save_model(network, ModelCard("noted", SMALL), tmp_path / "noted")
    assert (tmp_path / "noted" / "README.md").read_text(encoding="utf-8") == "measured by hand"
    load_model(tmp_path / "noted")
