"""A Register dock whose engine can be held in the middle of a run."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from pytestqt.qtbot import QtBot
from qtpy.QtCore import QSettings

from napari_voxelmorph.engine.errors import InputError

STEPS = 5
#: Milliseconds that a test waits for something that should come.
LONGEST_WAIT = 60_000


class FakeJobs:
    """Stands in for `RegistrationJobs`: five steps, each of which can be made to wait."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.gate.set()
        self.entered = threading.Event()
        self.steps_done = 0
        self.closed = 0
        self.error: BaseException | None = None
        self.asked: list[tuple[Any, Any, Any]] = []

    def warm_up(self) -> list[str]:
        return ["cpu"]

    def check(self, pair: Any, config: Any) -> Any:
        from napari_voxelmorph.engine.pair_checks import warnings_for
        from napari_voxelmorph.gui.register.jobs import Check, check_companions

        try:
            check_companions(pair)
        except InputError as error:
            return Check(problem=str(error))
        return Check(warnings_for(pair.moving, pair.fixed), [], "", "CPU", "0.1 GB, about 1 s")

    def register(self, pair: Any, config: Any, start: Any, stopped: Any) -> Any:
        from napari_voxelmorph.engine.result import Registration
        from napari_voxelmorph.gui.register.jobs import measured

        self.asked.append((pair, config, start))
        self.steps_done = 0
        eye = np.eye(pair.fixed.ndim + 1)
        partial = Registration(pair.fixed, pair.moving, eye)
        try:
            for index in range(STEPS):
                self.entered.set()
                assert self.gate.wait(LONGEST_WAIT / 1000), "the test never opened the gate"
                if self.error is not None:
                    raise self.error
                self.steps_done += 1
                if stopped():
                    break
                yield SimpleNamespace(
                    phase=f"Deforming ({index})", fraction=(index + 1) / STEPS, seconds_left=2.0,
                    partial=lambda: partial,
                )  # fmt: skip
        except GeneratorExit:
            self.closed += 1
            raise
        metrics = {"similarity_before": 0.41, "similarity_after": 0.83, "ndv_percent": 0.0,
                   "max_displacement_mm": 7.2, "mean_displacement_mm": 1.9}  # fmt: skip
        return measured(
            Registration(pair.fixed, pair.moving, eye, None, config, metrics, {"total": 3.0}),
            pair, eye,
        )  # fmt: skip


@dataclass
class Window:
    """A viewer with its dock, the fake behind it, and a 2-D pair's layers."""

    viewer: Any
    dock: Any
    jobs: FakeJobs
    moving: Any
    fixed: Any


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """A wait ends when there is what it waits for; five seconds are little on a busy machine."""

    def patient(plain: Any) -> Any:
        return lambda bot, what, *, timeout=0, **more: plain(
            bot, what, timeout=max(timeout, LONGEST_WAIT), **more
        )

    for name in ("waitUntil", "waitSignal"):
        monkeypatch.setattr(QtBot, name, patient(getattr(QtBot, name)))


@pytest.fixture(autouse=True)
def own_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep the user's remembered sections and presets, and models, out of the tests."""
    monkeypatch.setenv("NAPARI_VOXELMORPH_MODELS", str(tmp_path / "models"))
    monkeypatch.setenv("NAPARI_VOXELMORPH_PREFERENCES", str(tmp_path / "preferences.json"))
    # napari's page is as good as not there; its own tests bring it back.
    monkeypatch.setattr("napari_voxelmorph.gui.preferences_page.page", lambda: None)
    QSettings.setDefaultFormat(QSettings.Format.IniFormat)
    for form in (QSettings.Format.IniFormat, QSettings.Format.NativeFormat):
        QSettings.setPath(form, QSettings.Scope.UserScope, str(tmp_path / "settings"))


@pytest.fixture
def jobs(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeJobs]:
    """The fake engine of the next dock."""
    from napari_voxelmorph.gui.register import runner

    fake = FakeJobs()
    monkeypatch.setattr(runner, "RegistrationJobs", lambda: fake)
    yield fake
    fake.gate.set()


@pytest.fixture
def empty_window(make_napari_viewer: Any, jobs: FakeJobs, qtbot: Any) -> Iterator[Window]:
    """A dock in a window without layers.  Its engine thread has ended before the window goes."""
    from napari_voxelmorph.gui.register.register_dock import RegisterDock

    viewer = make_napari_viewer()
    dock = RegisterDock(viewer)
    viewer.window.add_dock_widget(dock, name="Register", area="right")
    yield Window(viewer, dock, jobs, None, None)
    jobs.gate.set()
    assert dock.engine.close(LONGEST_WAIT / 1000)


@pytest.fixture
def window(empty_window: Window, pair_2d: Any) -> Window:
    """A dock with a pair chosen."""
    from napari.layers import Layer

    from napari_voxelmorph.gui.views.display import layer_from_volume

    viewer, dock = empty_window.viewer, empty_window.dock
    empty_window.fixed = viewer.add_layer(Layer.create(*layer_from_volume(pair_2d.fixed)))
    empty_window.moving = viewer.add_layer(Layer.create(*layer_from_volume(pair_2d.moving)))
    dock.inputs.choose("fixed", empty_window.fixed)
    dock.inputs.choose("moving", empty_window.moving)
    return empty_window


# Pairs for the views: small, anisotropic, on different grids, with a smooth deformation. ----


def turned(volume: Any, code: str) -> Any:
    """The same image in the same place, its voxels stored along other axes (such as "LIA")."""
    from nibabel import orientations as o

    from napari_voxelmorph.engine.geometry.volume import Volume

    move = o.ornt_transform(o.io_orientation(volume.affine), o.axcodes2ornt(code))
    data = o.apply_orientation(volume.data, move)
    affine = volume.affine @ o.inv_ornt_aff(move, volume.shape)
    return Volume(np.ascontiguousarray(data), affine, volume.kind, volume.name)


def deformed_pair(ndim: int = 3, code: str = "RAS", seed: int = 0) -> Any:
    """A `Registration` of two noise images, and a segmentation of the moving one."""
    from napari_voxelmorph.engine.geometry.field import Field
    from napari_voxelmorph.engine.geometry.volume import Volume
    from napari_voxelmorph.engine.result import Registration

    rng = np.random.default_rng(seed)
    place = np.diag([1.0, 1.5, 2.0, 1.0])[-ndim - 1 :, -ndim - 1 :]
    place[:-1, -1] = np.array([-20.0, 15.0, 7.0])[:ndim]
    shape = (14, 17, 11)[:ndim]
    fixed = Volume(rng.random(shape, np.float32), place, name="fixed", oriented=ndim == 3)
    moving = Volume(rng.random([n + 2 for n in shape], np.float32), place, name="moving",
                    oriented=ndim == 3)  # fmt: skip
    labels = Volume(rng.integers(0, 4, moving.shape) * 10**10, place, "labels", "labels")
    if ndim == 3:
        fixed = turned(fixed, code)
    smooth = rng.normal(0, 0.3, (ndim, *[n // 3 + 2 for n in fixed.shape])).astype(np.float32)
    field = Field(smooth, np.full(ndim, 3.0), np.full(ndim, 1.0))
    affine = np.eye(ndim + 1)
    affine[:-1, -1] = 0.7
    return SimpleNamespace(
        fixed=fixed, moving=moving, labels=labels, result=Registration(fixed, moving, affine, field)
    )


@pytest.fixture
def make_deformed_pair() -> Any:
    """`deformed_pair(ndim, code, seed)`."""
    return deformed_pair


@pytest.fixture
def turn() -> Any:
    """`turned(volume, code)`."""
    return turned
