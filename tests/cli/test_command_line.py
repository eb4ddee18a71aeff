"""The command line, as a user meets it: run in a process of its own where that matters."""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import nibabel
import numpy as np
import pytest

from napari_voxelmorph.cli import main
from napari_voxelmorph.cli.config_options import config_from, preset_names
from napari_voxelmorph.cli.exits import explain
from napari_voxelmorph.cli.parser import build_parser
from napari_voxelmorph.cli.progress import duration
from napari_voxelmorph.engine import files
from napari_voxelmorph.engine.config import DEFAULT, PRESETS
from napari_voxelmorph.engine.errors import NotEnoughMemoryError, OutputError
from napari_voxelmorph.engine.files.landmarks import load_landmarks, save_landmarks

QUICK = ["--iterations", "20,10", "--resolution", "6"]


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory, pair_3d) -> Path:
    """A folder with the files of the sample pair."""
    folder = tmp_path_factory.mktemp("inputs")
    for name in ("fixed", "moving", "fixed_labels", "moving_labels"):
        files.save(getattr(pair_3d, name), folder / f"{name}.nii.gz")
    for name in ("fixed_landmarks", "moving_landmarks"):
        save_landmarks(getattr(pair_3d, name), folder / f"{name}.csv", pair_3d.landmark_names)
    return folder


@pytest.fixture(scope="module")
def result(inputs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that `register` wrote."""
    out = tmp_path_factory.mktemp("result") / "new" / "folder"
    given = [str(inputs / "fixed.nii.gz"), str(inputs / "moving.nii.gz"), "--out", str(out)]
    for role in ("fixed", "moving"):
        given += [f"--{role}-labels", str(inputs / f"{role}_labels.nii.gz")]
        given += [f"--{role}-landmarks", str(inputs / f"{role}_landmarks.csv")]
    assert main(["register", *given, *QUICK]) == 0
    return out


def run(*arguments: str, **options) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "napari_voxelmorph.cli", *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, encoding="utf-8", check=False, **options
    )


# -- help, version, usage ---------------------------------------------------------------


@pytest.mark.parametrize("command", [[], ["register"], ["apply"], ["demo"]])
def test_help_is_quick_and_loads_nothing_heavy(command: list[str]) -> None:
    code = (
        "import sys\nfrom napari_voxelmorph.cli import main\n"
        f"try: main({[*command, '--help']})\nexcept SystemExit as e: assert e.code == 0\n"
        "print(sorted({'torch', 'numpy', 'napari', 'qtpy', 'scipy', 'numba'} & sys.modules.keys()))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, encoding="utf-8", check=True
    )
    assert done.stdout.splitlines()[-1] == "[]"
    assert "napari-voxelmorph" in done.stdout


def test_help_teaches_with_commands_that_parse() -> None:
    text = (
        build_parser().format_help()
        + run("register", "--help").stdout
        + run("apply", "--help").stdout
    )
    joined = text.replace("\\\n", " ")
    commands = [
        line.split() for line in joined.splitlines() if line.strip().startswith("napari-voxelmorph")
    ]
    examples = [c[1:] for c in commands if len(c) > 2 and c[0] == "napari-voxelmorph"]
    assert len(examples) >= 10
    for example in examples:
        known = example[: example.index("see")] if "see" in example else example
        build_parser().parse_args(known)


def test_every_parameter_is_an_option() -> None:
    arguments = build_parser().parse_args(["register", "f", "m", "--out", "o"])
    assert config_from(arguments) == DEFAULT
    given = ["--preset", "different-contrast", "--smoothness", "2.5", "--symmetric"]
    arguments = build_parser().parse_args(
        ["register", "f", "m", "--out", "o", *given, "--iterations", "10,5", "--radius", "3"]
    )
    config = config_from(arguments)
    assert (config.similarity, config.smoothness, config.symmetric) == ("mind", 2.5, True)
    assert (config.iterations, config.radius) == ((10, 5), 3)
    assert set(preset_names().values()) == set(PRESETS)


def test_version() -> None:
    from importlib.metadata import version

    assert run("--version").stdout.strip() == f"napari-voxelmorph {version('napari-voxelmorph')}"


@pytest.mark.parametrize(
    "arguments",
    [[], ["register"], ["register", "a", "b"], ["nonsense"],
     ["register", "a", "b", "--out", "o", "--similarity", "psychic"],
     ["register", "a", "b", "--out", "o", "--threads", "0"]],
)  # fmt: skip
def test_usage_errors_are_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 2
    assert "usage:" in capsys.readouterr().err


# -- register ---------------------------------------------------------------------------


def test_register_writes_everything(result: Path, inputs: Path) -> None:
    assert {p.name for p in result.iterdir()} == {
        "moved.nii.gz", "moved_labels.nii.gz", "moved_landmarks.csv", "displacement.nii.gz",
        "session", "report.json", "report.png",
    }  # fmt: skip
    fixed, moved = (nibabel.load(p) for p in (inputs / "fixed.nii.gz", result / "moved.nii.gz"))
    assert moved.shape == fixed.shape
    assert np.allclose(moved.affine, fixed.affine)


def test_report_is_for_machines(result: Path) -> None:
    report = json.loads((result / "report.json").read_text(encoding="utf-8"))
    dice, error = report["findings"]["dice"], report["findings"]["landmark_error_mm"]
    assert dice["after"] > dice["before"] + 0.2
    assert error["after"] < 0.5 * error["before"]
    assert report["config"]["iterations"] == [20, 10]
    assert report["timings_seconds"]["total"] > 0
    assert report["provenance"]["versions"]["torch"]
    assert report["metrics"]["similarity_after"] > report["metrics"]["similarity_before"]
    for name in report["files"].values():
        assert (result / name).exists(), name


def test_moved_labels_stay_exact_and_landmarks_named(result: Path, inputs: Path) -> None:
    before = np.unique(nibabel.load(inputs / "moving_labels.nii.gz").get_fdata())
    after = np.unique(nibabel.load(result / "moved_labels.nii.gz").get_fdata())
    assert set(after) <= set(before)
    _, names = load_landmarks(result / "moved_landmarks.csv", 3)
    assert "pons" in names


def test_progress_goes_to_stderr_and_the_summary_to_stdout(
    inputs: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    pair = [str(inputs / "fixed.nii.gz"), str(inputs / "moving.nii.gz")]
    assert main(["register", *pair, "--out", str(tmp_path), "--preset", "rigid-only"]) == 0
    out, err = capfd.readouterr()
    assert "registered to" in out and "report.png" in out
    assert "%" in err and "Traceback" not in err
    assert (
        main(["register", *pair, "--out", str(tmp_path), "--preset", "rigid-only", "--quiet"]) == 0
    )
    assert capfd.readouterr() == ("", "")


def test_start_matrix(inputs: Path, tmp_path: Path, pair_3d) -> None:
    np.savetxt(tmp_path / "start.txt", pair_3d.truth.affine)
    pair = [str(inputs / "fixed.nii.gz"), str(inputs / "moving.nii.gz")]
    options = [
        "--start-matrix",
        str(tmp_path / "start.txt"),
        "--affine",
        "none",
        "--transform",
        "none",
    ]
    assert main(["register", *pair, "--out", str(tmp_path / "out"), *options, "--quiet"]) == 0
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert np.allclose(report["affine_fixed_to_moving_mm"], pair_3d.truth.affine, atol=1e-6)


# -- apply ------------------------------------------------------------------------------


def test_apply_repeats_what_register_wrote(result: Path, inputs: Path, tmp_path: Path) -> None:
    given = [str(inputs / "moving.nii.gz"), str(inputs / "moving_labels.nii.gz")]
    for transform in (result, result / "session"):
        out = tmp_path / transform.name
        assert main(["apply", str(transform), *given, "--out", str(out)]) == 0
        for ours, theirs in (("moving_moved", "moved"), ("moving_labels_moved", "moved_labels")):
            first = nibabel.load(out / f"{ours}.nii.gz").get_fdata()
            second = nibabel.load(result / f"{theirs}.nii.gz").get_fdata()
            assert np.allclose(first, second, atol=1e-3 * np.abs(second).max())


def test_apply_the_displacement_field(result: Path, inputs: Path, tmp_path: Path) -> None:
    field, moving = str(result / "displacement.nii.gz"), str(inputs / "moving.nii.gz")
    assert main(["apply", field, moving, "--out", str(tmp_path / "m.nii.gz"), "--quiet"]) == 0
    first = nibabel.load(tmp_path / "m.nii.gz").get_fdata()
    second = nibabel.load(result / "moved.nii.gz").get_fdata()
    assert np.abs(first - second).max() < 0.02 * second.max()


def test_apply_inverse_lands_on_the_moving_grid(result: Path, inputs: Path, tmp_path: Path) -> None:
    labels = str(inputs / "fixed_labels.nii.gz")
    out = tmp_path / "back.nii.gz"
    assert main(["apply", str(result), labels, "--labels", "--inverse", "--out", str(out)]) == 0
    back, moving = nibabel.load(out), nibabel.load(inputs / "moving_labels.nii.gz")
    assert back.shape == moving.shape
    assert np.allclose(back.affine, moving.affine, atol=1e-4)
    same = np.asarray(back.dataobj) == np.asarray(moving.dataobj)
    assert same[np.asarray(moving.dataobj) > 0].mean() > 0.5


def test_apply_to_points_goes_there_and_back(result: Path, inputs: Path, tmp_path: Path) -> None:
    source = inputs / "moving_landmarks.csv"
    there, back = tmp_path / "there.csv", tmp_path / "back.csv"
    assert main(["apply", str(result), str(source), "--out", str(there)]) == 0
    assert main(["apply", str(result), str(there), "--inverse", "--out", str(back)]) == 0
    points, names = load_landmarks(source, 3)
    again, same_names = load_landmarks(back, 3)
    assert np.abs(points - again).max() < 0.5
    assert names == same_names
    moved, _ = load_landmarks(result / "moved_landmarks.csv", 3)
    assert np.allclose(load_landmarks(there, 3)[0], moved, atol=1e-3)


def test_apply_onto_another_grid(result: Path, inputs: Path, tmp_path: Path) -> None:
    grid = nibabel.load(inputs / "fixed.nii.gz")
    small = nibabel.Nifti1Image(
        np.zeros((20, 22, 24), np.uint8), grid.affine @ np.diag([2.0, 2, 2, 1])
    )
    nibabel.save(small, tmp_path / "grid.nii")
    moving, out = str(inputs / "moving.nii.gz"), tmp_path / "coarse.nii.gz"
    assert (
        main(
            ["apply", str(result), moving, "--onto", str(tmp_path / "grid.nii"), "--out", str(out)]
        )
        == 0
    )
    coarse = nibabel.load(out).get_fdata()
    fine = nibabel.load(result / "moved.nii.gz").get_fdata()[
        : 2 * 20 : 2, : 2 * 22 : 2, : 2 * 24 : 2
    ]
    assert np.allclose(coarse, fine, atol=1e-3 * fine.max())


# -- what goes wrong --------------------------------------------------------------------


def says(arguments: list[str], code: int, words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == code
    error = capsys.readouterr().err
    assert words in error
    assert "Traceback" not in error
    assert error.strip().splitlines()[-1].startswith("napari-voxelmorph: ")


def test_bad_input_is_one_sentence(
    inputs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fixed, out = str(inputs / "fixed.nii.gz"), str(tmp_path / "out")
    (tmp_path / "text.nii.gz").write_text("this is no image")
    flat = nibabel.Nifti1Image(np.full((16, 16, 16), 7, np.int16), np.eye(4))
    nibabel.save(flat, tmp_path / "constant.nii.gz")
    says(["register", fixed, "missing.nii.gz", "--out", out], 2, "missing.nii.gz", capsys)
    says(["register", fixed, str(tmp_path / "text.nii.gz"), "--out", out], 2, "text.nii.gz", capsys)
    says(
        ["register", fixed, str(tmp_path / "constant.nii.gz"), "--out", out], 2, "constant", capsys
    )
    says(["register", fixed, fixed, "--out", out, "--smoothness", "99"], 2, "smoothness", capsys)
    says(["register", fixed, fixed, "--out", out, "--device", "abacus"], 2, "abacus", capsys)
    says(["apply", str(tmp_path / "nowhere"), fixed], 2, "no transform", capsys)
    says(["apply", str(tmp_path), fixed], 2, "session", capsys)


def test_one_volume_of_four_dimensions(
    inputs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Images, masks and labels: FILE@N; without it nothing is guessed."""
    for name in ("moving", "moving_labels"):
        one = nibabel.load(inputs / f"{name}.nii.gz")
        data = np.asarray(one.dataobj)
        many = np.stack([np.zeros_like(data), data, np.zeros_like(data)], axis=-1)
        nibabel.save(nibabel.Nifti1Image(many, one.affine), tmp_path / f"{name}.nii.gz")
    (tmp_path / "odd@1").write_text("a name is a name where there is such a file")
    fixed, series, out = str(inputs / "fixed.nii.gz"), str(tmp_path / "moving.nii.gz"), tmp_path
    given = ["register", fixed, series, "--out", str(out), *QUICK]
    says(given, 2, "moving.nii.gz@0 to moving.nii.gz@2", capsys)
    given[2] = f"{series}@3"
    says(given, 2, "no volume 3", capsys)
    given[2] = str(tmp_path / "odd@1")
    says(given, 2, "odd@1", capsys)
    given[2] = f"{series}@1"
    labels = [f"{tmp_path / 'moving_labels.nii.gz'}@1", str(inputs / "fixed_labels.nii.gz")]
    given += ["--moving-labels", labels[0], "--fixed-labels", labels[1]]
    assert main([*given, "--moving-mask", labels[0], "--quiet"]) == 0
    report = json.loads((out / "report.json").read_text())
    assert report["findings"]["dice"]["after"] > 0.5
    assert main(["apply", str(out), f"{series}@1", "--quiet"]) == 0
    applied = nibabel.load(tmp_path / "moving_1_moved.nii.gz").get_fdata()
    assert np.allclose(applied, nibabel.load(out / "moved.nii.gz").get_fdata(), atol=1e-3)
    given[2:3] = [series, "--moving-volume", "0"]
    says(given, 2, "constant", capsys)


def test_too_large_for_the_memory_is_told_by_the_headers(
    inputs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch
) -> None:
    """Exit code 4, with an option that works."""
    from napari_voxelmorph.engine import estimate

    given = [str(inputs / "fixed.nii.gz"), str(inputs / "moving.nii.gz"), "--out", str(tmp_path)]
    monkeypatch.setattr(estimate, "free_memory", lambda device: 3.22e8)
    monkeypatch.setattr(files, "load", None)  # nothing is read
    says(["register", *given], 4, "--voxel-size 8", capsys)
    monkeypatch.undo()
    assert main(["register", *given, *QUICK, "--voxel-size", "8", "--quiet"]) == 0
    assert nibabel.load(tmp_path / "moved.nii.gz").header.get_zooms() == (8, 8, 8)


def test_unwritable_output_is_3_before_any_work(
    inputs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("in the way")
    fixed = str(inputs / "fixed.nii.gz")
    began = time.monotonic()
    says(["register", fixed, fixed, "--out", str(tmp_path / "file")], 3, "Cannot write", capsys)
    says(["demo", "--out", str(tmp_path / "file" / "inside")], 3, "Cannot write", capsys)
    assert time.monotonic() - began < 5


def test_a_full_disk_leaves_the_former_result_as_it_was(
    result: Path, inputs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(*_: object) -> None:
        raise OutputError("“report.png” was not written: the disk is full.")

    def content() -> dict[str, bytes]:
        return {str(p): p.read_bytes() for p in result.rglob("*") if p.is_file()}

    before = content()
    monkeypatch.setattr("napari_voxelmorph.cli.results.save_report", full)
    pair = [str(inputs / "moving.nii.gz"), str(inputs / "fixed.nii.gz")]
    says(["register", *pair, "--out", str(result), *QUICK], 3, "disk is full", capsys)
    assert content() == before


def test_a_result_replaces_the_former_whole(inputs: Path, tmp_path: Path) -> None:
    pair = [str(inputs / "fixed.nii.gz"), str(inputs / "moving.nii.gz")]
    for start in ("header", "centers"):
        assert main(["register", *pair, "--out", str(tmp_path), "--start", start, *QUICK]) == 0
    for file in ("report.json", "session/session.json"):
        assert '"start": "centers"' in (tmp_path / file).read_text()
    names = {p.name for p in tmp_path.iterdir()}
    assert names == {"moved.nii.gz", "displacement.nii.gz", "session", "report.json", "report.png"}


def test_bad_input_leaves_no_empty_folder(
    inputs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fixed, out = str(inputs / "fixed.nii.gz"), tmp_path / "out"
    says(["register", fixed, "missing.nii.gz", "--out", str(out)], 2, "missing", capsys)
    assert not out.exists()


def test_a_start_matrix_without_an_inverse_is_said_to_be_one(
    inputs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    np.savetxt(tmp_path / "flat.txt", np.diag([1.0, 1, 0, 1]))
    pair = [str(inputs / "fixed.nii.gz"), str(inputs / "moving.nii.gz")]
    given = ["--start-matrix", str(tmp_path / "flat.txt"), "--out", str(tmp_path)]
    says(["register", *pair, *given], 2, "has no inverse", capsys)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (NotEnoughMemoryError("needs 9 GB"), 4),
        (MemoryError(), 4),
        (RuntimeError("CUDA out of memory. Tried to allocate"), 4),
        (OutputError("disk full"), 3),
        (OSError(28, "No space left on device", "x.nii"), 3),
        (FileNotFoundError(2, "No such file", "x.nii"), 2),
        (ZeroDivisionError("division by zero"), 1),
    ],
)
def test_exit_codes(error: Exception, code: int) -> None:
    found, sentence = explain(error)
    assert found == code
    assert sentence and "\n" not in sentence


def test_debug_shows_the_traceback(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["apply", str(tmp_path / "none"), "x.nii", "--debug"]) == 2
    assert "Traceback" in capsys.readouterr().err


@pytest.mark.skipif(os.name == "nt", reason="signals work differently on Windows")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupt_is_130_and_clean(number: int, tmp_path: Path) -> None:
    """Ctrl-C in the middle of the run: one sentence, no traceback, nothing half-written."""
    out = tmp_path / "out"
    command = [
        sys.executable,
        "-m",
        "napari_voxelmorph.cli",
        "demo",
        "--no-window",
        "--out",
        str(out),
    ]
    process = subprocess.Popen(
        command,
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        # Tests that run in the background (nohup, a shell's &) inherit SIGINT as ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert process.stderr is not None
    for line in process.stderr:
        if "Pre-align" in line or "Deform" in line:
            break
    process.send_signal(number)
    _, error = process.communicate(timeout=300)
    assert process.returncode == 130
    assert "Interrupted" in error and "Traceback" not in error
    assert not (out / "moved.nii.gz").exists()


@pytest.mark.skipif(os.name == "nt", reason="signals work differently on Windows")
def test_an_interrupt_that_python_drops_still_stops_the_run(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What a handler raises while an object is deleted is lost; the next step finds it."""
    from napari_voxelmorph.cli.exits import run_guarded, stop_if_told

    steps = []

    class Deleted:
        def __del__(self) -> None:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(0.01)  # here the handler runs

    def command(_: object) -> None:
        for step in range(3):
            stop_if_told()
            steps.append(step)
            if step == 1:
                Deleted()

    monkeypatch.setattr(sys, "unraisablehook", lambda _: None)
    code = run_guarded(command, argparse.Namespace())
    assert code == 130 and steps == [0, 1]
    stop_if_told()  # forgotten with the command


# -- demo -------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [["--2d"], ["--2d", "--contrast", "different"]])
def test_demo_without_a_display(options: list[str], tmp_path: Path) -> None:
    hidden = {k: v for k, v in os.environ.items() if k not in ("DISPLAY", "WAYLAND_DISPLAY")}
    done = run("demo", *options, "--out", str(tmp_path), env=hidden)
    assert done.returncode == 0, done.stderr
    assert "no display" in done.stdout
    report = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    findings = report["findings"]
    assert findings["landmark_error_mm"]["after"] < 0.4 * findings["landmark_error_mm"]["before"]
    assert findings["dice"]["after"] > findings["dice"]["before"] + 0.3


def test_durations() -> None:
    assert [duration(s) for s in (0.2, 59, 61, 3900)] == ["0 s", "59 s", "1 min 1 s", "1 h 5 min"]
