"""Random actions in all docks at once: nothing is raised anywhere, and nothing stays behind.

``NAPARI_VOXELMORPH_MONKEYS="10 40" pytest tests/gui/test_anything_goes.py`` takes seeds 10 to 39.
"""

from __future__ import annotations

import gc
import os
import threading
from typing import Any

import pytest

from napari_voxelmorph.engine.files import save, save_session
from napari_voxelmorph.engine.files.landmarks import save_landmarks
from napari_voxelmorph.gui.background.engine_thread import engine_thread_of

from .monkey import DOCKS, Monkey, answering, outcome_of, watched
from .test_models_dock import tiny
from .training.conftest import FakeTrainingJobs

SEEDS = range(*map(int, os.environ.get("NAPARI_VOXELMORPH_MONKEYS", "0 4").split()))
ACTIONS = 60
#: What Qt says when something has gone wrong that it can live with.
HARM = ("QPainter::", "QObject::", "QThread", "QTimer", "QBackingStore", "QBasicTimer")


@pytest.fixture
def world(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Files to open, a shelf with one small model, and trainings that take no time."""
    for name in ("in", "out", "models"):
        (tmp_path / name).mkdir()
    outcome = outcome_of(3, True)
    save(outcome.pair.fixed, tmp_path / "in" / "fixed.nii.gz")
    save(outcome.pair.fixed_labels, tmp_path / "in" / "labels.nii.gz")
    save_session(outcome.registration, tmp_path / "in" / "case")
    save_landmarks(outcome.pair.fixed.center[None], tmp_path / "in" / "points.csv")
    (tmp_path / "in" / "list.csv").write_text(
        "case,fixed,moved_labels,fixed_labels\na/b,fixed.nii.gz,labels.nii.gz,labels.nii.gz\n"
        "c,fixed.nii.gz,gone.nii.gz,\nd,fixed.nii.gz,labels.nii.gz,\n"
    )
    (tmp_path / "in" / "broken.nii.gz").write_bytes(b"\x1f\x8b broken")
    monkeypatch.setattr("napari_voxelmorph.engine.shelf.package_folders", list)
    tiny(tmp_path / "models" / "tiny")
    training = FakeTrainingJobs()

    def jobs(preview: Any) -> Any:
        training.preview = preview
        return training

    monkeypatch.setattr("napari_voxelmorph.gui.training.train_runner.TrainingJobs", jobs)
    return tmp_path


def come_to_rest(viewer: Any, qtbot: Any) -> None:
    """Everything that is under way is cancelled; then the engine has nothing to do."""
    engine = engine_thread_of(viewer)
    for lane in list(engine._newest):
        engine.cancel(lane)
    qtbot.waitUntil(lambda: not engine._newest, timeout=60_000)
    assert not engine.busy


@pytest.mark.parametrize("seed", SEEDS)
def test_random_actions(seed, world, make_napari_viewer, qtbot, qtlog, monkeypatch):
    threads = set(threading.enumerate())
    viewer = make_napari_viewer()
    monkey = Monkey(viewer, seed, world)
    with answering(monkey, monkeypatch), watched(monkey.trouble):
        for name in ("Register", monkey.random.choice(list(DOCKS))):
            monkey.open_dock(name)
        viewer.add_image(outcome_of(3, False).pair.fixed.data, name="one")
        viewer.add_image(outcome_of(3, False).pair.moving.data, name="two")
        for _ in range(ACTIONS):
            monkey.act()
            assert not monkey.trouble, "\n".join([*monkey.log, *monkey.trouble])
        if seed % 2:  # the others are closed in the middle of it all
            come_to_rest(viewer, qtbot)
            monkey.look()
        viewer.close()
        qtbot.waitUntil(lambda: "voxelmorph" not in {t.name for t in threading.enumerate()})
        qtbot.wait(20)
    print(*monkey.log, sep="\n")
    said = [r.message for r in qtlog.records if r.message.startswith(HARM)]
    assert not monkey.trouble and not said, "\n".join([*monkey.log, *monkey.trouble, *said])
    gc.collect()
    left = [t for t in set(threading.enumerate()) - threads if t.is_alive() and not t.daemon]
    assert not left
