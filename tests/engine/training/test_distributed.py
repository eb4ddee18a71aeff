"""Two processes with a pair each are one process with two pairs."""

import json
import os
import socket
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from napari_voxelmorph.engine.training.loop import train

HERE = Path(__file__).parent
VALUES = {"batch": 1, "steps": 4, "validate_every": 2, "segmentation_weight": 1.0, "average": 0.9}
CODE = f"""
import os, sys; sys.path.insert(0, {str(HERE)!r}); import conftest
from napari_voxelmorph.engine.errors import VoxelMorphError
from dataclasses import replace; from pathlib import Path
config = replace(conftest.QUICK, **{VALUES!r})
source = conftest.make_source(count=5)
stop, done = (sys.argv[2:] or [""])[0], []
if stop == "with NaN":
    source.training[1] = replace(source.training[1], fixed=source.training[1].fixed * float("nan"))
def told():  # at step 2, where the chief validates
    done.append(1)
    rank = os.environ["RANK"]
    if stop == "killed" and rank == "0":
        os.kill(os.getpid(), 9)
    return stop == "told " + rank and len(done) > 2
try:
    folder = Path(sys.argv[1])
    resume = (folder / "last").exists()
    training = conftest.train(source, config, folder, resume=resume, stop=told)
    steps, model = conftest.finish(training)
except (ValueError, VoxelMorphError) as error:
    sys.exit(str(error))
"""


def two_processes(*arguments):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    # What torchrun sets.
    common = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", CODE, *arguments],
            env=os.environ
            | common
            | {"RANK": str(r), "LOCAL_RANK": str(r), "OMP_NUM_THREADS": "1"},
            stderr=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )
        for r in range(2)
    ]
    return [(p.communicate(timeout=120)[1], p.returncode) for p in processes]


def records(folder):
    return [json.loads(line) for line in (folder / "history.jsonl").read_text().splitlines()]


def test_same_curve_as_one_process_with_both_pairs(make_source, quick, tmp_path, finish):
    config = replace(quick, **VALUES | {"batch": 2})
    finish(train(make_source(count=5), config, tmp_path / "one"))
    for error, code in two_processes(str(tmp_path / "two")):
        assert code == 0, error
    assert_same(records(tmp_path / "one"), records(tmp_path / "two"), 1e-5)


def assert_same(one, two, tolerance):
    assert len(one) == len(two) == 6
    for a, b in zip(one, two, strict=True):
        a, b = (r.get("validation") or r["terms"] | {"loss": r["loss"]} for r in (a, b))
        assert b == {k: pytest.approx(v, rel=tolerance) for k, v in a.items()}


def test_one_process_that_is_told_to_stop_stops_all_and_they_go_on_later(
    make_source, quick, tmp_path, finish
):
    config, folder = replace(quick, **VALUES | {"batch": 2}), tmp_path / "parts"
    for rank, step in (("1", 2), ("0", 4)):  # the chief is told while it validates
        for error, code in two_processes(str(folder), f"told {rank}"):
            assert code == 1 and f"Stopped after step {step} of 4" in error, error
            assert "Traceback" not in error
        assert json.loads((folder / "last" / "state.json").read_text())["step"] == step
    finish(train(make_source(count=5), config, folder, resume=True))
    finish(train(make_source(count=5), config, tmp_path / "whole"))
    assert_same(records(tmp_path / "whole"), records(folder), 1e-5)


def test_a_process_that_is_gone_is_told_by_the_others(tmp_path):
    (_, killed), (error, code) = two_processes(str(tmp_path / "two"), "killed")
    assert killed == -9 and code == 1
    assert "Another process of this training has ended" in error and "Traceback" not in error


def test_the_culprit_of_the_other_process_is_named(tmp_path):
    for error, code in two_processes(str(tmp_path / "two"), "with NaN"):
        assert code == 1
        assert "stopped at step 1" in error and "“moving 1” to “fixed 1”. The fixed image" in error
