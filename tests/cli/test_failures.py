"""What goes wrong: one sentence, an exit code, and nothing half-written."""

from __future__ import annotations

import argparse
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
from napari_voxelmorph.cli.exits import explain
from napari_voxelmorph.engine.errors import NotEnoughMemoryError, OutputError

from .commands import says


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


def test_unwritable_output_is_3_before_any_work(
    inputs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("in the way")
    fixed = str(inputs / "fixed.nii.gz")
    began = time.monotonic()
    says(["register", fixed, fixed, "--out", str(tmp_path / "file")], 3, "Cannot write", capsys)
    says(["demo", "--out", str(tmp_path / "file" / "inside")], 3, "Cannot write", capsys)
    assert time.monotonic() - began < 5


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
