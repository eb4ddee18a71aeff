"""A session keeps what the window showed; what cannot be read of it costs the view alone."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from napari_voxelmorph.engine.errors import FileFormatError
from napari_voxelmorph.engine.files import Session, load_session, open_session, save_session
from napari_voxelmorph.engine.files.session_window import (
    VERSION,
    Look,
    Reviewed,
    Said,
    Tuned,
    WindowState,
    window_from,
    window_to,
)
from napari_voxelmorph.engine.geometry.field import Field
from napari_voxelmorph.engine.geometry.posterior import Posterior
from napari_voxelmorph.engine.geometry.volume import Volume

from .grids import CASES, world_affine


def state_of(ndim: int) -> WindowState:
    return WindowState(
        mode="swipe",
        overlays=("grid", "moved labels"),
        settings={"grid_spacing": 5.0, "hide_unsure": 1.0},
        order=tuple(reversed(range(ndim))),
        point=tuple(1.5 * n for n in range(ndim)),
        ndisplay=2,
        convention="neurological",
        center=(0.0, -3.25, 7.0),
        angles=(1.0, 2.0, 3.0),
        zoom=3.5,
        canvas=(600, 800),
        looks={"fixed": Look(0.5, -3.0, 1e6, 1.2, "gray")},
        tuned=Tuned("optimiser", "optimiser", 2.5, {"A": 0.5, "B": 7.0}),
        reviewed=Reviewed(
            "Åsa", (Said("reject", "left ear\nλ", None, "now"), Said(None, "?", 10**10, ""))
        ),
    )


def session_of(make_registration, name: str = "oblique") -> Session:
    made = make_registration(CASES[name])
    assert made.field is not None
    deviation = np.abs(made.field.data).astype(np.float16)
    made = replace(made, posterior=Posterior(made.field, deviation, 1.5, 0.5))
    stiffer = Field(made.field.data / 2, made.field.scale, made.field.offset, made.field.kind)
    ids = (made.moving.data > 500).astype(np.uint16) * 1000
    others = {
        name: replace(made, field=stiffer, provenance={"lambda": {"value": n}}, timings={"a": n})
        for n, name in enumerate(("untuned", "A", "B"))
    }
    companions = {
        "moving_labels": Volume(ids, made.moving.affine, "labels", "anatomy"),
        "fixed_mask": Volume(made.fixed.data > 300, made.fixed.affine, name="mask"),
        "moving_landmarks": np.random.default_rng(0).normal(0, 50, (7, made.ndim)),
        "fixed_landmarks": np.zeros((0, made.ndim)),
    }
    return Session(made, companions, others, world_affine(made.ndim), state_of(made.ndim))


@pytest.mark.parametrize("name", sorted(CASES))
def test_all_of_it_opens_as_it_was_saved(make_registration, tmp_path, name):
    kept = session_of(make_registration, name)
    save_session(kept, tmp_path / "session")
    again = open_session(tmp_path / "session")
    assert again.problems == () and again.folder == tmp_path / "session"
    assert again.window == kept.window
    np.testing.assert_array_equal(again.start, kept.start)
    assert again.companions.keys() == kept.companions.keys()
    for role, part in kept.companions.items():
        found = again.companions[role]
        if isinstance(part, Volume):
            np.testing.assert_array_equal(found.data, part.data)
            np.testing.assert_array_equal(found.affine, part.affine)
            assert (found.kind, found.name, found.data.dtype) == (
                part.kind, part.name, part.data.dtype)  # fmt: skip
        else:
            np.testing.assert_array_equal(found, part)
    assert again.others.keys() == kept.others.keys()
    for which, other in kept.others.items():
        found = again.others[which]
        np.testing.assert_array_equal(found.field.data, other.field.data)
        assert found.provenance == other.provenance and found.timings == other.timings
        # λ is compared on the images that are shown, not on copies of them.
        assert found.fixed is again.registration.fixed
        assert found.moving is again.registration.moving
    posterior = again.registration.posterior
    np.testing.assert_array_equal(posterior.deviation, kept.registration.posterior.deviation)


def test_who_wants_the_registration_alone_gets_it(make_registration, tmp_path):
    """`load_session`, and every version before this one, reads past what it does not know."""
    kept = session_of(make_registration)
    save_session(kept, tmp_path / "new")
    save_session(kept.registration, tmp_path / "old")
    index = json.loads((tmp_path / "old" / "session.json").read_text(encoding="utf-8"))
    assert not {"companions", "others", "start", "window"} & index.keys()
    found, plain = load_session(tmp_path / "new"), load_session(tmp_path / "old")
    np.testing.assert_array_equal(found.moved.data, plain.moved.data)
    old = open_session(tmp_path / "old")
    assert (old.companions, old.others, old.start, old.window, old.problems) == ({}, {}, None,
                                                                                 None, ())  # fmt: skip


def edited(folder, change):
    path = folder / "session.json"
    index = json.loads(path.read_text(encoding="utf-8"))
    change(index)
    path.write_text(json.dumps(index), encoding="utf-8")


@pytest.mark.parametrize(
    ("entry", "value", "says"),
    [
        ("version", VERSION + 1, "newer napari-voxelmorph"),
        ("version", None, "version"),
        ("mode", 3, "mode"),
        ("mode", "x" * 10_000, "mode"),
        ("overlays", "grid", "overlays"),
        ("overlays", ["grid"] * 1000, "overlays"),
        ("settings", {str(n): 1.0 for n in range(1000)}, "settings"),
        ("settings", {"grid_spacing": "wide"}, "grid_spacing"),
        ("settings", {"grid_spacing": 10**400}, "grid_spacing"),
        ("order", [0, 0, 1], "order"),
        ("order", [0, 1], "order"),
        ("point", [1, 2], "point"),
        ("point", [1, 2, {"not-finite": "nan"}], "point"),
        ("ndisplay", 7, "ndisplay"),
        ("zoom", 0, "zoom"),
        ("zoom", {"not-finite": "inf"}, "zoom"),
        ("center", None, "center"),
        ("canvas", [-1, 5], "canvas"),
        ("looks", {"fixed": {}}, "looks"),
        ("looks", {"fixed": {"opacity": 1, "low": 3, "high": 3, "gamma": 1, "colormap": "gray"}},
         "contrast"),
        ("tuned", {"source": "x"}, "pins"),
        ("tuned", [], "tuned"),
        ("reviewed", {"reader": "a", "verdicts": [{"answer": "perhaps"}]}, "perhaps"),
        ("reviewed", {"reader": "a", "verdicts": [3]}, "verdicts"),
        (None, [], "block"),
        (None, "swipe", "block"),
    ],
)  # fmt: skip
def test_a_damaged_view_does_not_take_the_result_along(
    make_registration, tmp_path, entry, value, says
):
    kept = session_of(make_registration)
    save_session(kept, tmp_path / "session")

    def change(index):
        if entry is None:
            index["window"] = value
        else:
            index["window"][entry] = value

    edited(tmp_path / "session", change)
    again = open_session(tmp_path / "session")
    assert again.window is None
    (sentence,) = again.problems
    assert "view" in sentence and "could not be restored" in sentence and says in sentence
    assert "Traceback" not in sentence and len(sentence) < 400
    np.testing.assert_array_equal(again.registration.moved.data, kept.registration.moved.data)


def test_whatever_a_window_can_hold_opens_again():
    """A full field for notes, a reader's long name, nanometres on the screen."""
    said = Said("accept", "é" * 32_767, 3, "now")
    state = replace(state_of(3), zoom=4e6, reviewed=Reviewed("r" * 300, (said,)),
                    looks={"fixed": Look(1.0, -1e38, 1e38, 1.0, "gray")})  # fmt: skip
    found = window_from(json.loads(json.dumps(window_to(state))), 3)
    assert found == state


def test_what_a_later_version_adds_is_passed_over():
    block = json.loads(json.dumps(window_to(state_of(3))))
    block["holograms"] = {"on": True}
    assert window_from(block, 3) == state_of(3)


@pytest.mark.parametrize(
    ("damage", "lost"),
    [
        (lambda f, i: (f / i["companions"]["moving_labels"]["file"]).unlink(), "moving labels"),
        (lambda f, i: (f / i["companions"]["fixed_mask"]["file"]).write_bytes(b"x"), "fixed mask"),
        (lambda f, i: (f / i["others"]["A"]["field"]["file"]).write_bytes(b"x"), "A"),
    ],
)
def test_a_damaged_part_is_left_out_and_named(make_registration, tmp_path, damage, lost):
    save_session(session_of(make_registration), tmp_path / "session")
    path = tmp_path / "session" / "session.json"
    damage(tmp_path / "session", json.loads(path.read_text(encoding="utf-8")))
    again = open_session(tmp_path / "session")
    (sentence,) = again.problems
    assert f"“{lost}” is left out" in sentence
    assert len(again.companions) + len(again.others) == 6
    assert again.window is not None


@pytest.mark.parametrize("entry", ["companions", "others", "start"])
@pytest.mark.parametrize("value", [3, [], "x", {"A": 3, "moving_labels": [], "fixed_mask": {}}])
def test_nonsense_beside_the_result_is_left_out(make_registration, tmp_path, entry, value):
    save_session(session_of(make_registration), tmp_path / "session")
    edited(tmp_path / "session", lambda index: index.__setitem__(entry, value))
    assert open_session(tmp_path / "session").registration.field is not None


def test_no_part_leads_out_of_the_folder(make_registration, tmp_path):
    save_session(session_of(make_registration), tmp_path / "session")

    def change(index):
        index["companions"]["moving_labels"]["file"] = "../elsewhere.nii.gz"
        index["companions"]["fixed_mask"]["reference"] = "/etc/passwd"

    edited(tmp_path / "session", change)
    again = open_session(tmp_path / "session")
    assert "not a file of its own" in again.problems[1]
    assert {"moving_labels", "fixed_mask"} & again.companions.keys() == set()


def test_a_newer_session_is_refused_in_words(make_registration, tmp_path):
    save_session(session_of(make_registration), tmp_path / "session")
    edited(tmp_path / "session", lambda index: index.__setitem__("schema", 2))
    for read in (open_session, load_session):
        with pytest.raises(FileFormatError, match=r"newer napari-voxelmorph.*Update"):
            read(tmp_path / "session")
