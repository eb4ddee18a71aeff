"""Saving a session again: the new one or the old one, whatever happens meanwhile."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from napari_voxelmorph.engine.errors import OutputError
from napari_voxelmorph.engine.files import Session, open_session, save_session
from napari_voxelmorph.engine.files import session_arrays as arrays
from napari_voxelmorph.engine.files.session_parts import OTHERS, VOLUMES
from napari_voxelmorph.engine.geometry.posterior import Posterior
from napari_voxelmorph.engine.geometry.volume import Volume

from .grids import CASES


def marked(registration, number: int) -> Session:
    """A session whose every part says which one it is."""
    labels = np.full(registration.moving.shape, number, np.uint8)
    return Session(
        replace(registration, metrics={"number": float(number)}),
        {"moving_labels": Volume(labels, registration.moving.affine, "labels", "anatomy")},
    )


def test_saving_again_leaves_one_session_and_what_others_keep_there(make_registration, tmp_path):
    made, folder = make_registration(CASES["oblique"]), tmp_path / "session"
    save_session(marked(made, 0), folder)
    names = {p.name for p in folder.iterdir()}
    (folder / "review").mkdir()
    (folder / "review" / "verdicts_me.jsonl").write_text("{}", encoding="utf-8")
    (folder / "notes.txt").write_text("keep me", encoding="utf-8")
    (folder / "field-7.npy").touch()  # of a save that was killed
    for number in (1, 2, 3):
        save_session(marked(made, number), folder)
        again = open_session(folder)
        assert again.registration.metrics == {"number": number}
        assert np.unique(again.companions["moving_labels"].data).tolist() == [number]
        left = {p.name for p in folder.iterdir()}
        assert len(left) == len(names) + 2 and {"notes.txt", "review"} < left
    assert (folder / "review" / "verdicts_me.jsonl").read_text(encoding="utf-8") == "{}"


def test_files_of_others_are_never_written_over(make_registration, tmp_path):
    """A segmentation that lies in the session for a worklist may have the name that we would use."""
    made, folder = make_registration(CASES["2-D"]), tmp_path / "session"
    save_session(made, folder)
    (folder / "moving_labels.nii.gz").write_bytes(b"mine")
    save_session(marked(made, 1), folder)
    save_session(made, folder)
    assert (folder / "moving_labels.nii.gz").read_bytes() == b"mine"


def test_numbered_files_of_others_stay(make_registration, tmp_path):
    made, folder = make_registration(CASES["2-D"]), tmp_path / "session"
    save_session(made, folder)
    for name in ("scan-2.nii.gz", "weights-1.npy", "labels-3.nii.gz"):
        (folder / name).write_bytes(b"mine")
    save_session(made, folder)
    save_session(made, folder)
    for name in ("scan-2.nii.gz", "weights-1.npy", "labels-3.nii.gz"):
        assert (folder / name).read_bytes() == b"mine"


def test_what_a_killed_save_may_leave_is_known(make_registration, tmp_path):
    """Each file that a full session writes, under the number of a save that was killed."""
    made, folder = make_registration(CASES["2-D"]), tmp_path / "session"
    posterior = Posterior(made.field, np.zeros(made.field.data.shape, np.float16), 1.0, 1.0)
    made = replace(made, posterior=posterior)
    volume = Volume(np.ones(made.fixed.shape, np.uint8), made.fixed.affine, "labels")
    whole = Session(made, dict.fromkeys(VOLUMES, volume), dict.fromkeys(OTHERS, made))
    save_session(whole, folder)
    names = [p.name for p in folder.iterdir() if p.name != "session.json"]
    assert len(names) == 2 + 2 + 4 + 6
    for name in names:
        (folder / name.replace(".", "-7.", 1)).touch()
    save_session(made, folder)
    assert len(list(folder.iterdir())) == 1 + 4


@pytest.mark.parametrize("again", [False, True])
def test_an_image_whose_name_is_no_text(make_registration, tmp_path, again):
    """Bytes of a path that are not UTF-8 are lone surrogates."""
    made, folder = make_registration(CASES["2-D"]), tmp_path / "session"
    if again:
        save_session(made, folder)
    path = "/data/\udce4rzte/scan.nii"
    moving = replace(made.moving, name="sc\udcffn", header={"path": path})
    save_session(replace(made, moving=moving), folder)
    found = open_session(folder).registration.moving
    assert (found.name, found.header["path"]) == ("sc\udcffn", path)


def test_a_session_changed_by_hand_deletes_nothing_of_others(make_registration, tmp_path):
    made, folder = make_registration(CASES["2-D"]), tmp_path / "session"
    save_session(made, folder)
    (folder / "thesis.tex").write_text("all of it", encoding="utf-8")
    path = folder / "session.json"
    text = path.read_text(encoding="utf-8").replace("field.npy", "thesis.tex")
    path.write_text(text, encoding="utf-8")
    save_session(made, folder)
    assert (folder / "thesis.tex").read_text(encoding="utf-8") == "all of it"
    path.write_text("{not json", encoding="utf-8")
    save_session(made, folder)
    assert open_session(folder).problems == ()


def test_a_full_disk_leaves_the_old_session_alone(make_registration, tmp_path, monkeypatch):
    made, folder = make_registration(CASES["2-D"]), tmp_path / "session"
    save_session(marked(made, 0), folder)
    before = {p.name: p.read_bytes() for p in folder.iterdir()}

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(arrays, "write_image", full)
    with pytest.raises(OutputError, match="the disk is full"):
        save_session(marked(made, 1), folder)
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == before


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork and SIGKILL")
def test_killed_at_every_moment_it_is_the_old_one_or_the_new_one(tmp_path):
    """Before each of the steps that change the disk, in a new folder and over a session."""
    program = Path(__file__).with_name("killed_saves.py")
    done = subprocess.run(
        [sys.executable, str(program), str(tmp_path)],
        capture_output=True, text=True, encoding="utf-8", check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["killed new"] >= 8 and told["killed over"] >= 8
    assert set(told["new"]) == {"none", "new"}
    assert set(told["over"]) == {"old", "new"}
    # What the killed ones left behind goes with the next saving.
    assert len(told["numbered"]) == told["named"]
    assert not any(name.startswith(".") for name in told["numbered"])
