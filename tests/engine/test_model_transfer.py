"""Models in and out; files that were damaged or made to do harm end in a sentence."""

from __future__ import annotations

import errno
import json
import pickle
import stat
import struct
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from napari_voxelmorph.engine import model_zip
from napari_voxelmorph.engine.checkpoints import (
    INDEX,
    WEIGHTS,
    _sha256,
    load_model,
    read_card,
    save_model,
)
from napari_voxelmorph.engine.errors import (
    FileFormatError,
    InputError,
    OutputError,
    VoxelMorphError,
)
from napari_voxelmorph.engine.model_card import ModelCard
from napari_voxelmorph.engine.model_transfer import add, export
from napari_voxelmorph.engine.model_words import one_line, page
from napari_voxelmorph.engine.networks.architecture import Architecture
from napari_voxelmorph.engine.networks.registry import build
from napari_voxelmorph.engine.networks.space import Space
from napari_voxelmorph.engine.shelf import entry_of, remove, rename, restore, shelf

from ..fuzzing import JSON, examples

TINY = Architecture(ndim=2, encoder=(2,), decoder=((2,),))
CARD = ModelCard(
    "Tiny", TINY, Space((8, 9), 1.5), "For tests.", "noise", "CC0-1.0",
    {"steps": 7, "curves": {"loss": [[1, 0.5], [2, 0.25]]}}, {"dice": 0.5}, profile=(0.5, 0.7, 0.9),
)  # fmt: skip


@pytest.fixture
def model(tmp_path: Path) -> Path:
    save_model(build(TINY, torch.Generator().manual_seed(0)), CARD, tmp_path / "tiny")
    return tmp_path / "tiny"


@pytest.fixture(autouse=True)
def user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("NAPARI_VOXELMORPH_MODELS", str(tmp_path / "shelf"))
    return tmp_path / "shelf"


def zipped(model: Path, path: Path, **files: bytes) -> Path:
    """A zip of the model, with files in place of or beside its own."""
    content = {INDEX: (model / INDEX).read_bytes(), WEIGHTS: (model / WEIGHTS).read_bytes()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as pack:
        for name, data in {**{f"m/{k}": v for k, v in content.items()}, **files}.items():
            pack.writestr(name, data)
    return path


# Whole models -----------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["model.zip", "model"])
def test_out_and_in_again_byte_by_byte(model: Path, tmp_path: Path, name: str, user: Path) -> None:
    entry = add(model)
    there = export(entry, tmp_path / f"sent-{name}")
    again = add(there, "again")
    for file in (INDEX, WEIGHTS):
        assert (again.folder / file).read_bytes() == (model / file).read_bytes()
    assert again.card == read_card(model) and again.folder.parent == user
    assert [e.name for e in shelf(packaged=[])] == ["again", "tiny"]


def test_a_taken_or_odd_name_is_changed(model: Path, tmp_path: Path) -> None:
    assert [add(model).name for _ in range(3)] == ["tiny", "tiny-2", "tiny-3"]
    odd = zipped(model, tmp_path / "Gehirn (neu) ü.zip")
    assert add(odd).name == "Gehirn -neu"
    assert add(model / WEIGHTS).name == "tiny-4"
    with pytest.raises(InputError, match="cannot be a model's name"):
        add(model, "../../escape")


def test_zips_of_other_programs(model: Path, tmp_path: Path) -> None:
    """Files at the top, or with backslashes, a resource fork and a README beside them."""
    files = {INDEX: (model / INDEX).read_bytes(), WEIGHTS: (model / WEIGHTS).read_bytes()}
    for number, prefix in enumerate(("", "a/b/", "a\\")):
        path = tmp_path / f"{number}.zip"
        with zipfile.ZipFile(path, "w") as pack:
            for name, data in files.items():
                pack.writestr(zipfile.ZipInfo(prefix + name), data)
            pack.writestr("__MACOSX/" + prefix + INDEX, b"fork")
            pack.writestr(prefix + "README.md", b"read me")
        assert sorted(p.name for p in add(path).folder.iterdir()) == [INDEX, WEIGHTS]


def test_removed_models_come_back(model: Path, user: Path) -> None:
    entry = add(model)
    place = remove(entry)
    assert shelf(packaged=[]) == [] and place.is_dir()
    add(model)
    back = restore(place)
    assert back.name == "tiny-2" and load_model(back.folder)[1] == entry.card
    for _ in range(12):
        remove(add(model, "many"))
    assert len(list((user / ".trash").iterdir())) == 10
    with pytest.raises(InputError, match="no model “many”"):
        entry_of("many")


def test_words(model: Path) -> None:
    entry = add(model)
    assert one_line(entry) == "noise · 2-D, 8 x 9 at 1.5 mm · Dice 0.500"
    texts = dict(page(entry))
    assert texts["Licence"] == "CC0-1.0" and texts["SHA-256"] == entry.card.sha256
    assert "steps: 7" in texts["Training"] and "curves" not in texts["Training"]
    (entry.folder / INDEX).write_text("{")
    (damaged,) = shelf(packaged=[])
    assert one_line(damaged).startswith("Damaged: ") and dict(page(damaged))["Damaged"]
    with pytest.raises(FileFormatError):
        export(damaged, entry.folder.parent.parent / "out.zip")
    assert rename(damaged, "still damaged").card is None


def test_nothing_of_others_is_overwritten(model: Path, tmp_path: Path) -> None:
    entry = add(model)
    folder = tmp_path / "holiday"
    folder.mkdir()
    (folder / "picture.jpg").write_bytes(b"x")
    with pytest.raises(OutputError, match="other files"):
        export(entry, folder)
    with pytest.raises(OutputError):
        export(entry, tmp_path / "absent" / "x.zip")
    assert [p.name for p in folder.iterdir()] == ["picture.jpg"]


def test_a_full_disk_leaves_nothing_behind(
    model: Path, user: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("shutil.copyfile", full)
    with pytest.raises(OutputError, match="disk is full"):
        add(model)
    assert list(user.iterdir()) == []


# Files made to do harm ----------------------------------------------------------------------


class Harm:
    def __reduce__(self) -> Any:
        return (Path.touch, (Path("harm-was-done"),))


def test_a_pickle_is_never_run(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    torch.save(Harm(), tmp_path / "model.pt")
    for data in (pickle.dumps(Harm()), (tmp_path / "model.pt").read_bytes()):
        for name in ("model.h5", "model.zip", "model.pt", "model.pkl"):
            (tmp_path / name).write_bytes(data)
            with pytest.raises(FileFormatError):
                add(tmp_path / name)
        (model / WEIGHTS).write_bytes(data)
        values = json.loads((model / INDEX).read_text())
        values["sha256"] = _sha256(model / WEIGHTS)
        (model / INDEX).write_text(json.dumps(values))
        with pytest.raises(FileFormatError):
            add(model)
    assert not (tmp_path / "harm-was-done").exists()


@pytest.mark.parametrize(
    "name", ["../evil", "/tmp/evil", "..\\..\\evil", "C:\\evil", "m/../../evil"]
)
def test_no_file_leaves_its_folder(model: Path, tmp_path: Path, name: str, user: Path) -> None:
    """A zip with other files beside the model's: they stay in the zip."""
    before = set(tmp_path.rglob("*"))
    entry = add(zipped(model, tmp_path / "a.zip", **{name: b"evil"}))
    new = set(tmp_path.rglob("*")) - before - {user, tmp_path / "a.zip"}
    assert new == {entry.folder, entry.folder / INDEX, entry.folder / WEIGHTS}
    # And the model's own files by such a name are taken out to a name of ours.
    path = tmp_path / "b.zip"
    with zipfile.ZipFile(path, "w") as pack:
        for file in (INDEX, WEIGHTS):
            pack.writestr(f"../../{file}", (model / file).read_bytes())
    assert add(path).folder.parent == user


@pytest.mark.parametrize("name", [INDEX, WEIGHTS])
def test_links_in_a_zip_are_not_followed(model: Path, tmp_path: Path, name: str) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as pack:
        for file in (INDEX, WEIGHTS):
            info = zipfile.ZipInfo(f"m/{file}")
            if file == name:
                info.external_attr = 0o120777 << 16  # a symbolic link, as Info-ZIP marks it
                pack.writestr(info, str(model / file))
            else:
                pack.writestr(info, (model / file).read_bytes())
    with pytest.raises(FileFormatError, match="is a link"):
        add(path)


def test_bombs_are_refused_before_they_burst(model: Path, tmp_path: Path) -> None:
    big = bytes(30 * 2**20)
    for name in (INDEX, WEIGHTS):
        path = zipped(model, tmp_path / "bomb.zip", **{f"m/{name}": big})
        assert path.stat().st_size < 2**20
        with pytest.raises(FileFormatError, match="too large"):
            add(path)
    # The zip lies about the size.
    data = bytearray(zipped(model, tmp_path / "lies.zip", **{f"m/{WEIGHTS}": big}).read_bytes())
    place = data.rfind(b"PK\x01\x02")
    data[place + 24 : place + 28] = struct.pack("<I", 100)
    (tmp_path / "lies.zip").write_bytes(data)
    with pytest.raises(FileFormatError):
        add(tmp_path / "lies.zip")


def test_zips_that_hold_no_single_model(model: Path, tmp_path: Path) -> None:
    def refused(words: str, **files: bytes) -> None:
        with pytest.raises(FileFormatError, match=words):
            add(zipped(model, tmp_path / "x.zip", **files))

    refused("2 models", **{f"n/{INDEX}": b"{}"})
    many = {f"n/{i}": b"" for i in range(1100)}
    refused("files", **many)
    with zipfile.ZipFile(tmp_path / "none.zip", "w") as pack:
        pack.writestr("readme.txt", b"")
    with pytest.raises(FileFormatError, match="no model"):
        add(tmp_path / "none.zip")
    with zipfile.ZipFile(tmp_path / "none.zip", "w") as pack:
        pack.writestr(f"m/{INDEX}", (model / INDEX).read_bytes())
        pack.writestr(f"n/{WEIGHTS}", (model / WEIGHTS).read_bytes())
    with pytest.raises(FileFormatError, match="beside"):
        add(tmp_path / "none.zip")
    link = zipfile.ZipInfo(f"m/{WEIGHTS}")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "link.zip", "w") as pack:
        pack.writestr(f"m/{INDEX}", (model / INDEX).read_bytes())
        pack.writestr(link, b"/etc/passwd")
    with pytest.raises(FileFormatError, match="link"):
        add(tmp_path / "link.zip")
    for data in (b"", b"PK", b"PK\x05\x06" + b"\xff" * 18, b"x" * 100):
        (tmp_path / "x.zip").write_bytes(data)
        with pytest.raises(FileFormatError):
            add(tmp_path / "x.zip")
    for name in ("absent.zip", "absent"):
        with pytest.raises(FileFormatError, match="no file"):
            add(tmp_path / name)


def test_a_locked_zip_is_explained(model: Path, tmp_path: Path) -> None:
    path = zipped(model, tmp_path / "locked.zip")
    data = bytearray(path.read_bytes())
    for signature, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        place = -1
        while (place := data.find(signature, place + 1)) >= 0:
            data[place + flags] |= 1
    path.write_bytes(data)
    with pytest.raises(FileFormatError, match="password"):
        add(path)


def test_a_zip_that_is_too_large_is_not_read(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(model_zip, "_LARGEST_ZIP", 100)
    with pytest.raises(FileFormatError, match="too large"):
        add(zipped(model, tmp_path / "a.zip"))


def test_absurd_headers(model: Path, tmp_path: Path) -> None:
    """An index that asks for a huge network, weights that announce huge tensors."""
    values = json.loads((model / INDEX).read_text())
    huge = replace(TINY, encoder=(4096,), decoder=((4096, 4096),))
    (model / INDEX).write_text(json.dumps({**values, "architecture": huge.to_json()}))
    with pytest.raises(FileFormatError, match="size"):
        add(model)
    header = json.dumps(
        {"field.bias": {"dtype": "F32", "shape": [2**40], "data_offsets": [0, 2**42]}}
    ).encode()
    size = (model / WEIGHTS).stat().st_size
    data = (struct.pack("<Q", len(header)) + header).ljust(size, b" ")[:size]
    (model / WEIGHTS).write_bytes(data)
    (model / INDEX).write_text(json.dumps({**values, "sha256": _sha256(model / WEIGHTS)}))
    with pytest.raises(FileFormatError):
        add(model)
    (model / INDEX).write_text("[" * 100_000)
    with pytest.raises(FileFormatError):
        add(model)
    (model / INDEX).write_text(json.dumps({**values, "description": "x" * 10**5}))
    with pytest.raises(FileFormatError, match="longer than"):
        add(model)


# Mutations ----------------------------------------------------------------------------------

QUICK = examples(60)


def either_way(load: Any, *args: Any) -> None:
    """It loads finite weights, or ends in a sentence; nothing else."""
    try:
        network, _ = load(*args)
    except VoxelMorphError as error:
        assert str(error).endswith((".", "”")) and "\n" not in str(error)
    else:
        assert all(torch.isfinite(p).all() for p in network.parameters())


@QUICK
@given(data=st.data())
def test_mutated_weights(model: Path, data: Any) -> None:
    whole = bytearray((model / WEIGHTS).read_bytes())
    index = (model / INDEX).read_bytes()
    header = struct.unpack("<Q", whole[:8])[0] + 8
    try:
        mutated = whole.copy()
        for _ in range(data.draw(st.integers(1, 4))):
            end = data.draw(st.sampled_from([8, header, len(whole)]))
            mutated[data.draw(st.integers(0, end - 1))] = data.draw(st.integers(0, 255))
        mutated = mutated[: data.draw(st.one_of(st.just(len(whole)), st.integers(0, len(whole))))]
        (model / WEIGHTS).write_bytes(mutated)
        if data.draw(st.booleans()):  # with a checksum that agrees
            values = json.loads(index)
            values["sha256"] = _sha256(model / WEIGHTS)
            (model / INDEX).write_text(json.dumps(values))
        either_way(load_model, model)
    finally:
        (model / WEIGHTS).write_bytes(whole)
        (model / INDEX).write_bytes(index)


@QUICK
@given(data=st.data())
def test_mutated_index(model: Path, data: Any) -> None:
    index = (model / INDEX).read_bytes()
    try:
        values = json.loads(index)
        place = values
        key = data.draw(st.sampled_from(sorted(values)))
        if isinstance(values[key], dict) and values[key] and data.draw(st.booleans()):
            place = values[key]
            key = data.draw(st.sampled_from(sorted(place)))
        place[key] = data.draw(JSON)
        (model / INDEX).write_text(json.dumps(values))
        either_way(load_model, model)
        entry = next(e for e in shelf(packaged=[model.parent]) if e.name == "tiny")
        assert one_line(entry) is not None and page(entry)
    finally:
        (model / INDEX).write_bytes(index)


@QUICK
@given(data=st.data())
def test_mutated_zip(model: Path, tmp_path: Path, data: Any) -> None:
    whole = bytearray(zipped(model, tmp_path / "whole.zip").read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path / "mutated.zip"
    path.write_bytes(whole[: data.draw(st.one_of(st.just(len(whole)), st.integers(0, len(whole))))])

    def load(path: Path) -> Any:
        with model_zip.unpacked(path) as folder:
            return load_model(folder)

    either_way(load, path)


def test_codes_for_a_terminal_are_not_passed_on(model: Path) -> None:
    values = json.loads((model / INDEX).read_text())
    escape = "\x1b[2Jgone"
    (model / INDEX).write_text(json.dumps({**values, "domain": escape}))
    with pytest.raises(FileFormatError, match="cannot be shown"):
        read_card(model)
    hidden = {"training": {escape: escape, "recipe": {escape: 1}}, "scores": {escape: 1.0}}
    (model / INDEX).write_text(json.dumps({**values, **hidden}))
    assert all("\x1b" not in text for _, text in page(add(model)))
