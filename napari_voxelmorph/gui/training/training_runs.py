"""The folders of earlier trainings: where they are, and what became of them.  No Qt here."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from napari_voxelmorph.gui.training.training_choice import DataChoice, read_choice
from napari_voxelmorph.gui.training.training_history import TrainingHistory, read_history

if TYPE_CHECKING:
    from napari_voxelmorph.engine.training.config import TrainingConfig

_MOST = 50


@dataclass(frozen=True)
class Run:
    """An earlier training.

    Parameters
    ----------
    folder : Path
    title : str
        For the list: name and state.
    step, steps : int
    finished : bool
    """

    folder: Path
    title: str
    step: int
    steps: int
    finished: bool


def runs_folder() -> Path:
    """Where trainings are kept: in the folder of the preferences, or beside the user's models."""
    from napari_voxelmorph.engine.shelf import trainings_folder

    return trainings_folder()


def new_run_folder(choice: DataChoice, base: Path | None = None) -> Path:
    """A folder for a new training, named after its data and the time; not made yet."""
    path = Path(choice.path)
    name = "layers" if choice.source == "layers" else path.resolve().name.split(".")[0]
    name = re.sub(r"[^A-Za-z0-9_-]+", "-", name).strip("-")[:40] or "scans"
    now = datetime.now().strftime("%Y-%m-%d %H-%M-%S")
    return (runs_folder() if base is None else base) / f"{now} {name}"


def read_run(folder: Path) -> Run:
    """What became of a training; `InputError` or `FileFormatError` when it is none."""
    import json

    from napari_voxelmorph.engine.files.reading import damaged
    from napari_voxelmorph.engine.training import run_folder

    steps = run_folder.read_record(folder)["config"].get("steps", 0)
    if type(steps) is not int:
        raise damaged(folder / run_folder.RECORD, "the record of a training", "it has no steps")
    try:
        state = json.loads((folder / run_folder.LAST / "state.json").read_text(encoding="utf-8"))
        step = int(state["step"])
    except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError):
        step = 0
    finished = 0 < steps <= step
    what = "finished" if finished else f"stopped at step {step:,} of {steps:,}"
    found = re.fullmatch(r"(\d{4}-\d\d-\d\d) (\d\d)-(\d\d)-\d\d (.+)", folder.name)
    title = f"{found[4]} · {what} · {found[1]} {found[2]}:{found[3]}" if found else ""
    return Run(folder, title or f"{folder.name} · {what}", step, steps, finished)


def list_runs(base: Path | None = None) -> list[Run]:
    """The trainings in the usual place, newest first; what cannot be read is left out."""
    from napari_voxelmorph.engine.errors import VoxelMorphError

    base = runs_folder() if base is None else base
    try:
        folders = sorted((p for p in base.iterdir() if p.is_dir()), reverse=True)
    except OSError:
        return []
    runs = []
    for folder in folders[:_MOST]:
        try:
            runs.append(read_run(folder))
        except (VoxelMorphError, OSError, ValueError, TypeError):
            continue
    return runs


@dataclass(frozen=True)
class LoadedRun:
    """An earlier training with all that the window shows of it.

    Parameters
    ----------
    choice : DataChoice or None
        None when the window did not start it: then the data must be chosen again.
    """

    run: Run
    config: TrainingConfig
    choice: DataChoice | None
    history: TrainingHistory

    @property
    def words(self) -> str:
        """What became of it, and where it is kept."""
        run = self.run
        done = "Finished" if run.finished else f"Stopped after step {run.step:,} of {run.steps:,}"
        words = f"{done}. Kept in {short_path(run.folder)}"
        if self.choice is None:
            words += (
                "\nThis training was not started from files here: choose the same data as then."
            )
        return words


def short_path(folder: Path) -> str:
    """A path for people: the home folder as “~”."""
    home = Path.home()
    return (
        f"~/{folder.relative_to(home).as_posix()}" if folder.is_relative_to(home) else str(folder)
    )


def load_run(folder: Path) -> LoadedRun:
    """Read a run; `InputError` or `FileFormatError` when it is none."""
    run = read_run(folder)
    choice = read_choice(folder)
    if choice is not None and choice.source == "layers":
        choice = None
    return LoadedRun(run, _config_of(folder), choice, read_history(folder, run.step))


def _config_of(folder: Path) -> TrainingConfig:
    """The recipe of a run; errors as `read_run`."""
    from napari_voxelmorph.engine.errors import InputError
    from napari_voxelmorph.engine.files.reading import damaged
    from napari_voxelmorph.engine.training import run_folder
    from napari_voxelmorph.engine.training.config import TrainingConfig

    values = run_folder.read_record(folder)["config"]
    try:
        return TrainingConfig(**values)
    except (InputError, TypeError) as error:
        reason = str(error).rstrip(".")[:200]
        path = folder / run_folder.RECORD
        raise damaged(path, "the recipe of a training", reason) from error
