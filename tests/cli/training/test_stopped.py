"""Trainings that are stopped, alone and under torchrun, and go on later."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from napari_voxelmorph.cli import main
from napari_voxelmorph.engine.checkpoints import read_card

QUICK = ["--no-affine", "--multiple", "8", "--precision", "float32", "--test-fraction", "0.2"]


def test_interrupted_and_resumed(scans: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    command = [sys.executable, "-m", "napari_voxelmorph.cli", "train"]
    given = ["--steps", "100000", "--validate-every", "100000", *QUICK]
    process = subprocess.Popen(
        [*command, str(scans), "--out", str(run), *given],
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    )
    history = run / "history.jsonl"
    deadline = time.monotonic() + 120
    while not (history.exists() and history.stat().st_size) and time.monotonic() < deadline:
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 130, err
    assert "Stopped after step" in err and "--resume" in err and "Traceback" not in err
    done = json.loads((run / "last" / "state.json").read_text())["step"]
    assert done >= 1
    # The data need not be named again; the number of steps may change.
    assert main(["train", "--out", str(run), "--resume", "--steps", str(done + 3), "--quiet"]) == 0
    assert read_card(run / "best").training["recipe"]["steps"] == done + 3


TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]


def begin(*arguments: str) -> subprocess.Popen[str]:
    """Two processes of ``train``, as torchrun starts them."""
    return subprocess.Popen(
        [*TORCHRUN, "-m", "napari_voxelmorph.cli", "train", *arguments, "--threads", "1"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


def curve(run: Path) -> list[dict[str, Any]]:
    lines = (run / "history.jsonl").read_text(encoding="utf-8").splitlines()
    return [{k: v for k, v in json.loads(line).items() if k != "seconds"} for line in lines]


@pytest.mark.slow
def test_torchrun_is_told_to_end_and_goes_on_later(scans: Path, tmp_path: Path) -> None:
    """One process speaks; both end at one step; resumed, the numbers are those of a whole run."""
    parts, whole = tmp_path / "parts", tmp_path / "whole"
    interval = ["--validate-every", "2", *QUICK, "--decay", "constant"]
    process = begin(str(scans), "--out", str(parts), "--steps", "100000", *interval)
    history = parts / "history.jsonl"
    deadline = time.monotonic() + 200
    while time.monotonic() < deadline and not (history.exists() and len(curve(parts)) > 3):
        assert process.poll() is None
        time.sleep(0.1)
    process.send_signal(signal.SIGTERM)
    out, err = process.communicate(timeout=200)
    assert process.returncode != 0 and "RuntimeError" not in err
    assert err.count("napari-voxelmorph: Stopped after step") == 2, err
    done = json.loads((parts / "last" / "state.json").read_text())["step"]
    assert f"Stopped after step {done} of 100000" in err and curve(parts)[-1]["step"] == done
    assert not (parts / "training.lock").exists()
    steps = ["--steps", str(done + 2)]
    process = begin("--out", str(parts), "--resume", *steps)
    out, err = process.communicate(timeout=200)
    assert process.returncode == 0, err
    assert out.count("The training is finished.") == 1
    assert json.loads((parts / "training.json").read_text())["pairs_per_step"] == 2
    # One process with the pairs of both.
    given = [*steps, *interval, "--batch", "2", "--quiet"]
    assert main(["train", str(scans), "--out", str(whole), *given]) == 0
    assert len(curve(parts)) == len(curve(whole))
    for one, two in zip(curve(parts), curve(whole), strict=True):
        assert one["step"] == two["step"]
        found, wanted = (r.get("validation", r) for r in (one, two))
        assert found["loss"] == pytest.approx(wanted["loss"], rel=1e-3, abs=1e-4)
