"""A training can be stopped at any moment, and goes on as if it had not been."""

import errno
import json
import os
import signal
import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from napari_voxelmorph.engine.checkpoints import load_model
from napari_voxelmorph.engine.errors import Cancelled, FileFormatError, InputError, OutputError
from napari_voxelmorph.engine.training import run_folder, state
from napari_voxelmorph.engine.training.loop import train

HERE = Path(__file__).parent
#: Everything that has a memory: moments, averages, noise, the best so far, a decaying rate.
WITH_MEMORY = {
    "network": "voxelmorph-diff",
    "similarity": "mse",
    "smoothness": 10.0,
    "segmentation_weight": 1.0,
    "average": 0.9,
    "weight_decay": 1e-3,
    "decay": "cosine",
    "batch": 2,
    "steps": 7,
    "validate_every": 3,
}


def history(folder):
    """All lines without what the clock says."""
    lines = (folder / "history.jsonl").read_text().splitlines()
    return [{k: v for k, v in json.loads(line).items() if k != "seconds"} for line in lines]


def weights(folder):
    return load_model(folder)[0].state_dict()


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


def run_until(steps, number):
    """Take steps until update `number`, then close."""
    for step in steps:
        if step.step >= number:
            break
    steps.close()


@pytest.fixture
def config(quick):
    return replace(quick, **WITH_MEMORY)


@pytest.fixture
def whole(make_source, config, tmp_path, finish):
    """An uninterrupted run."""
    finish(train(make_source(count=3), config, tmp_path / "whole"))
    return tmp_path / "whole"


def assert_same_run(a, b):
    assert history(a) == history(b)
    for name in ("last", "best"):
        assert same(weights(a / name), weights(b / name)), name


def test_resumed_numbers_are_those_of_an_uninterrupted_run(
    whole, make_source, config, tmp_path, finish
):
    source, folder = make_source(count=3), tmp_path / "parts"
    run_until(train(source, config, folder), 2)  # before the first checkpoint
    assert not (folder / "best").exists()
    run_until(train(source, config, folder, resume=True), 4)
    steps, model = finish(train(source, config, folder, resume=True))
    assert steps[0].step == 5 and steps[-1].step == 7
    assert_same_run(whole, folder)
    assert same(model.network.state_dict(), weights(whole / "best"))


def test_closed_in_the_middle_of_a_validation(whole, make_source, config, tmp_path, finish):
    source, folder = make_source(count=3), tmp_path / "parts"
    steps = train(source, config, folder)
    while not next(steps).phase.startswith("Validating"):
        pass
    steps.close()
    assert not (folder / "best").exists()  # the validation was not complete
    steps, _ = finish(train(source, config, folder, resume=True))
    assert steps[0].phase.startswith("Validating") and steps[0].step == 3
    assert_same_run(whole, folder)


@pytest.mark.parametrize("moment", ["between steps", "in a validation"])
def test_told_to_stop(whole, make_source, config, tmp_path, finish, moment):
    source, folder, told = make_source(count=3), tmp_path / "parts", []
    steps = train(source, config, folder, stop=lambda: bool(told))
    with pytest.raises(Cancelled, match=r"Stopped after step [36] of 7"):
        for step in steps:
            if step.step == 6 or (moment != "between steps" and step.phase != "Training"):
                told.append(step)
    assert json.loads((folder / "last" / "state.json").read_text())["step"] == told[0].step
    finish(train(source, config, folder, resume=True, stop=lambda: False))
    assert_same_run(whole, folder)
    # A training that is at its end has nothing to stop.
    longer = replace(config, steps=8)
    finish(train(source, longer, folder, resume=True, stop=lambda: (folder / "best").exists() and
                 json.loads((folder / "last" / "state.json").read_text())["step"] == 8))  # fmt: skip


def test_killed(whole, config, tmp_path, make_source, finish):
    folder = tmp_path / "killed"
    code = (
        f"import sys; sys.path.insert(0, {str(HERE)!r}); import conftest\n"
        "from dataclasses import replace; from pathlib import Path\n"
        f"config = replace(conftest.QUICK, **{WITH_MEMORY!r})\n"
        f"for step in conftest.train(conftest.make_source(count=3), config, Path({str(folder)!r})):\n"
        "    print(step.step, flush=True)\n"
        "    if step.step == 5: sys.stdin.read()\n"
    )
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", code], stdin=pipe, stdout=pipe) as process:
        while int(process.stdout.readline() or -1) != 5:
            assert process.poll() is None
        with pytest.raises(InputError, match="Another training is at work"):
            next(train(make_source(count=3), config, folder, resume=True))
        process.send_signal(signal.SIGKILL)
    with (folder / "history.jsonl").open("a") as file:
        file.write('{"step": 6, "los')  # the line that it was about to write
    assert (folder / run_folder.LOCK).exists()
    steps, _ = finish(train(make_source(count=3), config, folder, resume=True))
    assert steps[0].step == 4  # one interval at most is done again
    assert_same_run(whole, folder)


@pytest.mark.parametrize("moment", ["before the new one", "with the new one there"])
def test_killed_between_two_renames(whole, make_source, config, moment, finish):
    # The former checkpoint has been moved away, the new one has not got its name yet.
    before = weights(whole / "last")
    (whole / "last").rename(whole / ".01234567.last.old")
    if moment == "with the new one there":
        os.replace(whole / ".01234567.last.old", whole / ".01234567.last")
    torn = whole / ".89abcdef.last"
    torn.mkdir()
    (torn / "model.json").write_text("{")
    (whole / "best").rename(whole / ".01234567.best.old")
    finish(train(make_source(count=3), config, whole, resume=True))
    assert same(weights(whole / "last"), before)
    assert sorted(p.name for p in whole.iterdir()) == [
        "best", "history.jsonl", "last", "training.json",
    ]  # fmt: skip


def test_goes_on_for_longer(whole, make_source, config, finish):
    longer = replace(config, steps=9)
    steps, _ = finish(train(make_source(count=3), longer, whole, resume=True))
    assert [s.step for s in steps if s.validation is None and s.phase == "Training"] == [8, 9]


def test_another_recipe_is_not_resumed(whole, make_source, config):
    other = replace(config, learning_rate=1e-4, batch=1)
    with pytest.raises(InputError, match=r"learning_rate was 0.003 and is 0.0001.*pairs_per_step"):
        next(train(make_source(count=3), other, whole, resume=True))


def test_folders_that_are_taken(whole, make_source, config, tmp_path):
    with pytest.raises(InputError, match="a training in “whole” already"):
        next(train(make_source(), config, whole))
    (tmp_path / "papers").mkdir()
    (tmp_path / "papers" / "thesis.tex").write_text("")
    with pytest.raises(InputError, match="holds other files"):
        next(train(make_source(), config, tmp_path / "papers"))
    assert [p.name for p in (tmp_path / "papers").iterdir()] == ["thesis.tex"]
    with pytest.raises(InputError, match="no training in"):
        next(train(make_source(), config, tmp_path / "nothing", resume=True))
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError):
        next(train(make_source(), config, tmp_path / "file" / "run"))


def test_two_trainings_in_one_folder(make_source, quick, tmp_path):
    first = train(make_source(), quick, tmp_path / "run")
    next(first)
    for resume in (True, False):
        with pytest.raises(InputError, match="Another training is at work"):
            next(train(make_source(), quick, tmp_path / "run", resume=resume))
    next(first)  # undisturbed
    first.close()
    run_until(train(make_source(), quick, tmp_path / "run", resume=True), 3)


@pytest.mark.parametrize(
    "lock", ["", "{}", '{"pid": 999999999, "started": 1, "host": "HOST"}',
             '{"pid": 1, "started": 1, "host": "HOST"}']
)  # fmt: skip
def test_a_lock_that_a_crash_left(make_source, quick, tmp_path, lock):
    folder = tmp_path / "run"
    run_until(train(make_source(), quick, folder), 1)
    (folder / run_folder.LOCK).write_text(lock.replace("HOST", run_folder.socket.gethostname()))
    run_until(train(make_source(), quick, folder, resume=True), 2)
    assert not (folder / run_folder.LOCK).exists()


def test_a_lock_of_another_computer_holds(make_source, quick, tmp_path):
    folder = tmp_path / "run"
    run_until(train(make_source(), quick, folder), 1)
    (folder / run_folder.LOCK).write_text('{"pid": 1, "started": 1, "host": "elsewhere.example"}')
    with pytest.raises(InputError, match=r"delete the file training\.lock"):
        next(train(make_source(), quick, folder, resume=True))


def test_a_full_disk_leaves_the_former_checkpoint(make_source, quick, tmp_path, monkeypatch):
    config, folder = replace(quick, validate_every=2), tmp_path / "run"
    steps = train(make_source(), config, folder)
    while next(steps).step < 3:
        pass
    before = weights(folder / "last")
    real = state.save_file

    def full(tensors, path):
        real(dict(list(tensors.items())[:3]), path)
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    monkeypatch.setattr(state, "save_file", full)
    with pytest.raises(OutputError, match=r"the disk is full.*What was there before is unchanged"):
        list(steps)
    assert same(weights(folder / "last"), before)
    assert {p.name for p in folder.iterdir()} == {"best", "last", "history.jsonl", "training.json"}
    monkeypatch.undo()
    steps = train(make_source(), config, folder, resume=True)
    assert next(steps).step == 3
    monkeypatch.setattr(state, "save_file", full)
    with pytest.raises(OutputError, match="the disk is full"):
        steps.close()


def test_a_damaged_checkpoint_is_told(whole, make_source, config):
    path = whole / "last" / state.MOMENTS
    data = bytearray(path.read_bytes())
    data[-5] ^= 1
    path.write_bytes(data)
    with pytest.raises(FileFormatError, match=r"optimizer.safetensors.*checksum"):
        next(train(make_source(count=3), config, whole, resume=True))


def test_closing_ends_the_thread(make_source, quick, tmp_path):
    steps = train(make_source(), quick, tmp_path / "run")
    next(steps)
    assert any(t.name == "voxelmorph-samples" for t in threading.enumerate())
    steps.close()
    assert not any(t.name == "voxelmorph-samples" for t in threading.enumerate())
    assert (tmp_path / "run" / "last" / "model.json").is_file()
