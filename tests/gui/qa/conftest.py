"""A window with the Register dock and the QA dock, two boxes to judge, and a worklist."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from napari_voxelmorph.engine.files import save, save_session
from napari_voxelmorph.engine.geometry.volume import Volume
from napari_voxelmorph.engine.result import Registration
from napari_voxelmorph.engine.review.rows import COLUMNS
from napari_voxelmorph.gui.register.jobs import Outcome, Pair

SHAPE = (24, 26, 22)


def scene(seed: int = 0, shift: int = 1) -> Any:
    """Two boxes in noise; the moved segmentation lies `shift` voxels beside the fixed one."""
    rng = np.random.default_rng(seed)
    place = np.diag([-1.0, 1.0, 2.0, 1.0])
    fixed = Volume(rng.random(SHAPE).astype(np.float32), place, name="fixed")
    labels = np.zeros(SHAPE, np.uint8)
    labels[4:11, 5:12, 4:10] = 17
    labels[14:20, 12:20, 10:17] = 53
    moved = np.roll(labels, shift, axis=1)
    moved[20:22, 2:4, 2:4] = 3
    return SimpleNamespace(
        fixed=fixed,
        fixed_labels=Volume(labels, place, "labels", "fixed labels"),
        moving_labels=Volume(moved, place, "labels", "moving labels"),
        result=Registration(fixed, fixed.with_data(fixed.data + 0.1), np.eye(4)),
    )


@dataclass
class Docks:
    """The window, and what the tests ask of it."""

    viewer: Any
    register: Any
    qa: Any
    made: Any = None

    scene = staticmethod(scene)

    @staticmethod
    def outcome_of(made: Any, fixed_labels: bool = True, result: Any = None) -> Outcome:
        pair = Pair(
            made.result.moving, made.fixed, moving_labels=made.moving_labels,
            fixed_labels=made.fixed_labels if fixed_labels else None,
        )  # fmt: skip
        return Outcome(result or made.result, pair, np.eye(4))

    @staticmethod
    def at(key: str) -> int:
        """The table's column for a key of `COLUMNS`."""
        return 3 + [column.key for column in COLUMNS].index(key)

    def texts(self, column: int) -> list[str]:
        """What the table shows in a column, from top to bottom."""
        proxy = self.qa.table.sorted
        return [proxy.index(n, column).data() for n in range(proxy.rowCount())]

    def layer(self, role: str) -> Any:
        return self.register.pair_view.stack.get(role)

    def open_outlines(self) -> None:
        for overlay in ("fixed labels", "moved labels"):
            self.register.pair_view.set_overlay(overlay, True)
        judging = self.qa.judging
        self.qa.looking.show(self.register.pair_view, judging.rows, judging.editing.layer)

    def correct(self) -> Any:
        """Give one voxel of the background to label 17; the layer that was painted on."""
        self.qa.tools.edit.click()
        painted = self.qa.judging.editing.layer
        painted.data_setitem((np.array([1]), np.array([1]), np.array([1])), np.array([17]))
        self.qa.judging.editing.edited.emit()
        assert set(self.qa.judging.edits) == {17}
        return painted


@pytest.fixture
def docks(make_napari_viewer: Any, jobs: Any, monkeypatch: pytest.MonkeyPatch) -> Docks:
    """A window with the Register dock and the QA dock."""
    from napari_voxelmorph.gui.qa.qa_dock import QaDock
    from napari_voxelmorph.gui.register.register_dock import RegisterDock

    monkeypatch.setenv("NAPARI_VOXELMORPH_SYNC", "1")
    monkeypatch.setattr("napari_voxelmorph.gui.register.register_dock.open_strip", lambda v: None)
    viewer = make_napari_viewer()
    register, qa = RegisterDock(viewer), QaDock(viewer)
    viewer.window.add_dock_widget(register, name="Register", area="right")
    viewer.window.add_dock_widget(qa, name="QA", area="right")
    # A window that is shown waits for the screen; to the keys the dock is to be seen.
    monkeypatch.setattr(qa, "isVisible", lambda: True)
    return Docks(viewer, register, qa)


@pytest.fixture
def shown(docks: Docks) -> Docks:
    """The docks with a result whose structures are measured."""
    docks.made = scene()
    docks.register.runner.take_up(docks.outcome_of(docks.made))
    return docks


@pytest.fixture
def worklist(tmp_path: Path) -> Path:
    """Three saved sessions and a table of them; the third has lost its files."""
    lines = ["case,session,moving_labels,fixed_labels"]
    for n, name in enumerate("AB"):
        made = scene(n, shift=n + 1)
        save_session(made.result, tmp_path / name)
        save(made.moving_labels, tmp_path / f"{name}_moving.nii.gz")
        save(made.fixed_labels, tmp_path / f"{name}_fixed.nii.gz")
        lines.append(f"{name},{name},{name}_moving.nii.gz,{name}_fixed.nii.gz")
    lines.append("C,gone,,")
    path = tmp_path / "list.csv"
    path.write_text("\n".join(lines), encoding="utf-8")
    return path
