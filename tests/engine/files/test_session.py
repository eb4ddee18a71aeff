"""A session opens again exactly as it was saved, or says why not."""

from __future__ import annotations

import json
import os
from dataclasses import replace

import nibabel
import numpy as np
import pytest

from napari_voxelmorph.engine.config import PRESETS
from napari_voxelmorph.engine.errors import FileFormatError, InputError, OutputError
from napari_voxelmorph.engine.files import load, load_session, save, save_session
from napari_voxelmorph.engine.geometry.volume import Volume
from napari_voxelmorph.engine.result import Registration

from .grids import CASES, smooth_image


def same_volume(first: Volume, second: Volume) -> None:
    np.testing.assert_array_equal(first.data, second.data)
    assert first.data.dtype == second.data.dtype
    np.testing.assert_array_equal(first.affine, second.affine)
    assert (first.kind, first.name, first.oriented) == (second.kind, second.name, second.oriented)
    assert dict(first.header) == dict(second.header)


def same(first: Registration, second: Registration) -> None:
    same_volume(first.fixed, second.fixed)
    same_volume(first.moving, second.moving)
    np.testing.assert_array_equal(first.affine, second.affine)
    assert (first.field is None) == (second.field is None)
    if first.field is not None and second.field is not None:
        np.testing.assert_array_equal(first.field.data, second.field.data)
        np.testing.assert_array_equal(first.field.scale, second.field.scale)
        np.testing.assert_array_equal(first.field.offset, second.field.offset)
        assert first.field.kind == second.field.kind
    assert first.config == second.config
    np.testing.assert_equal(dict(second.metrics), dict(first.metrics))
    assert dict(first.timings) == dict(second.timings)
    assert dict(first.provenance) == dict(second.provenance)
    np.testing.assert_array_equal(first.moved.data, second.moved.data)


@pytest.mark.parametrize("kind", ["velocity", "displacement", None])
def test_opens_as_saved(case, make_registration, tmp_path, kind):
    result = make_registration(case, kind or "velocity", field=kind is not None)
    for config, _ in PRESETS.values():
        result = replace(result, config=config)
        save_session(result, tmp_path / "session")
        same(result, load_session(tmp_path / "session"))
    same(result, load_session(tmp_path / "session" / "session.json"))
    assert not [p for p in tmp_path.iterdir() if p.name != "session"]


@pytest.mark.parametrize(
    "dtype",
    ["bool", "uint8", "int16", "uint16", "int64", "uint64", "float16", "float32", "float64"],
)
def test_images_of_every_type(tmp_path, dtype):
    data = (smooth_image((5, 6, 7)) > 500).astype(dtype) if dtype == "bool" else smooth_image(
        (5, 6, 7)).astype(dtype)  # fmt: skip
    if np.dtype(dtype).kind in "iu" and np.dtype(dtype).itemsize == 8:
        data[0, 0, 0] = 2**50 + 1
    if np.dtype(dtype).kind == "f":
        data[0, 0, :2] = np.nan, np.inf
    affine = np.eye(4)
    affine[0, 1] = 0.1  # sheared: more than NIfTI's qform can say
    affine[:3, 3] = 1 / 3, -2e5 / 7, np.pi
    image = Volume(data, affine, oriented=False, header={"path": "x", "tuple": [1, 2]})
    result = Registration(image, image, np.eye(4))
    save_session(result, tmp_path / "session")
    again = load_session(tmp_path / "session")
    same_volume(image, again.fixed)


def test_it_is_open_to_others(make_registration, tmp_path):
    """Plain JSON, plain .npy, images that nibabel reads where they are."""
    result = make_registration(CASES["oblique"])
    save_session(result, tmp_path / "session")
    index = json.loads((tmp_path / "session" / "session.json").read_text())
    assert index["schema"] == 1 and index["versions"]["torch"] and index["versions"]["numba"]
    assert len(index["fixed"]["sha256"]) == 64 and index["saved"]
    field = np.load(tmp_path / "session" / "field.npy", allow_pickle=False)
    np.testing.assert_array_equal(field, result.field.data)
    image = nibabel.load(tmp_path / "session" / "fixed.nii.gz")
    np.testing.assert_allclose(image.affine, result.fixed.affine, atol=1e-5)


def test_references(make_registration, tmp_path):
    made = make_registration(CASES["oblique"])
    save(made.fixed, tmp_path / "fixed.nii.gz")
    save(made.moving, tmp_path / "moving.nii.gz")
    fixed, moving = (load(tmp_path / f"{r}.nii.gz") for r in ("fixed", "moving"))
    result = replace(made, fixed=fixed, moving=moving)
    save_session(result, tmp_path / "session", images="reference")
    names = {p.name for p in (tmp_path / "session").iterdir()}
    assert names == {"session.json", "field.npy"}
    with pytest.raises(InputError, match="follow_references=True"):
        load_session(tmp_path / "session")
    same(result, load_session(tmp_path / "session", follow_references=True))
    save(made.moving, tmp_path / "fixed.nii.gz")
    with pytest.raises(FileFormatError, match=r"changed|shape"):
        load_session(tmp_path / "session", follow_references=True)
    (tmp_path / "fixed.nii.gz").unlink()
    with pytest.raises(FileFormatError, match="not there"):
        load_session(tmp_path / "session", follow_references=True)
    with pytest.raises(InputError, match="not opened from a file"):
        save_session(made, tmp_path / "other", images="reference")
    assert not (tmp_path / "other").exists()


def edit(folder, **changes):
    index = json.loads((folder / "session.json").read_text())
    for key, value in changes.items():
        place = index
        *parents, last = key.split("__")
        for parent in parents:
            place = place[parent]
        place[last] = value
    (folder / "session.json").write_text(json.dumps(index))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"schema": 2}, "newer napari-voxelmorph"),
        ({"format": "other"}, "not written by"),
        ({"schema": None}, "schema"),
        ({"config__wobble": 3}, "wobble"),
        ({"config__similarity": "cosine"}, "similarity"),
        ({"config__radius": "big"}, "radius"),
        ({"field__file": "../field.npy"}, "not a file of its own"),
        ({"field__file": "/etc/passwd"}, "not a file of its own"),
        ({"fixed__file": "..\\fixed.nii.gz"}, "not a file of its own"),
        ({"fixed__file": ".."}, "not a file of its own"),
        ({"field__shape": [3, 10**6, 10**6, 10**6]}, "size"),
        ({"field__shape": [3, 1, 1, 1]}, "shape"),
        ({"field__kind": "magic"}, "kind"),
        ({"field__sha256": "0" * 64}, "checksum"),
        ({"moving__sha256": "0" * 64}, "checksum"),
        ({"fixed__dtype": "object"}, "shape"),
        ({"fixed__shape": [1, 2, 3]}, "shape"),
        ({"affine": [[1, 2], [3, 4]]}, "affine"),
        ({"metrics": {"a": "b"}}, "could not convert"),
        ({"field": []}, "."),
        ({"fixed": 3}, "."),
    ],
)
def test_changed_by_hand(make_registration, tmp_path, change, says):
    save_session(make_registration(CASES["oblique"]), tmp_path / "session")
    edit(tmp_path / "session", **change)
    with pytest.raises((FileFormatError, InputError), match=says):
        load_session(tmp_path / "session")


def test_missing_parts(make_registration, tmp_path):
    for name in ("session.json", "field.npy", "fixed.nii.gz", "moving.nii.gz"):
        folder = tmp_path / f"without {name}"
        save_session(make_registration(CASES["2-D"]), folder)
        (folder / name).unlink()
        with pytest.raises(FileFormatError, match=name):
            load_session(folder)
    with pytest.raises(FileFormatError, match="session"):
        load_session(tmp_path / "nowhere")


def test_pickles_are_not_opened(make_registration, tmp_path):
    save_session(make_registration(CASES["2-D"]), tmp_path / "session")
    field = np.array([{"a": 1}] * 400, dtype=object)
    np.save(tmp_path / "session" / "field.npy", field, allow_pickle=True)
    with pytest.raises(FileFormatError, match=r"field\.npy"):
        load_session(tmp_path / "session")


@pytest.mark.skipif(not hasattr(os, "symlink"), reason="needs symbolic links")
def test_links_do_not_lead_outside(make_registration, tmp_path):
    save_session(make_registration(CASES["2-D"]), tmp_path / "session")
    (tmp_path / "session" / "field.npy").rename(tmp_path / "elsewhere.npy")
    (tmp_path / "session" / "field.npy").symlink_to(tmp_path / "elsewhere.npy")
    with pytest.raises(FileFormatError, match="leads out"):
        load_session(tmp_path / "session")


def test_other_folders_are_not_overwritten(make_registration, tmp_path):
    result = make_registration(CASES["2-D"])
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "holiday.jpg").touch()
    with pytest.raises(OutputError, match="would be lost"):
        save_session(result, tmp_path / "photos")
    assert [p.name for p in (tmp_path / "photos").iterdir()] == ["holiday.jpg"]
    (tmp_path / "empty").mkdir()
    save_session(result, tmp_path / "empty")
    with pytest.raises(OutputError, match="does not exist"):
        save_session(result, tmp_path / "no" / "where")
    with pytest.raises(OutputError, match="is a file"):
        save_session(result, tmp_path / "photos" / "holiday.jpg")
    with pytest.raises(FileFormatError, match="not a napari-voxelmorph session"):
        load_session(tmp_path / "photos")
    with pytest.raises(InputError, match="copy or reference"):
        save_session(result, tmp_path / "new", images="hope")


def test_a_real_run(pair_2d, tmp_path):
    """What `Registrar` returns, with all that it says about itself."""
    from napari_voxelmorph.engine.registration import Registrar

    registrar = Registrar("cpu")
    registrar.set_pair(pair_2d.moving, pair_2d.fixed)
    result = registrar.register(replace(PRESETS["Same contrast"][0], iterations=(3, 2)))
    save_session(result, tmp_path / "session")
    again = load_session(tmp_path / "session")
    same(result, again)
    assert again.provenance["fixed"]["sha256"] == result.provenance["fixed"]["sha256"]
    np.testing.assert_array_equal(result.inverse_displacement, again.inverse_displacement)
