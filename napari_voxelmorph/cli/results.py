"""The folder that `register` and `demo` write, and the summary on the screen."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_voxelmorph.cli import more_results
from napari_voxelmorph.cli.more_results import NO_MORE, MoreResults
from napari_voxelmorph.cli.progress import duration
from napari_voxelmorph.engine import files
from napari_voxelmorph.engine.config import NOTHING_FOUND
from napari_voxelmorph.engine.errors import OutputError
from napari_voxelmorph.engine.files.exchange import exchange
from napari_voxelmorph.engine.files.landmarks import save_landmarks
from napari_voxelmorph.engine.files.session_parts import LANDMARKS, VOLUMES
from napari_voxelmorph.engine.files.writing import writing
from napari_voxelmorph.engine.geometry.volume import Volume
from napari_voxelmorph.engine.registration import Registration
from napari_voxelmorph.engine.report.findings import Findings, Stages, find
from napari_voxelmorph.engine.report.picture import save_report
from napari_voxelmorph.engine.report.summary import summarize

Points = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Pair:
    """Two images and what else is known of them; landmarks are world mm, (N, D)."""

    fixed: Volume
    moving: Volume
    fixed_mask: Volume | None = None
    moving_mask: Volume | None = None
    fixed_labels: Volume | None = None
    moving_labels: Volume | None = None
    fixed_landmarks: Points | None = None
    moving_landmarks: Points | None = None
    landmark_names: Sequence[str] | None = None

    def labels(self) -> tuple[Volume, Volume] | None:
        """Both segmentations as (moving, fixed), or None."""
        if self.moving_labels is None or self.fixed_labels is None:
            return None
        return self.moving_labels, self.fixed_labels

    def landmarks(self) -> tuple[Points, Points] | None:
        """Both lists of landmarks as (moving, fixed), or None."""
        if self.moving_landmarks is None or self.fixed_landmarks is None:
            return None
        return self.moving_landmarks, self.fixed_landmarks

    def companions(self) -> dict[str, Volume | Points]:
        """What a session keeps beside the registration, by role."""
        found = {role: getattr(self, role) for role in (*VOLUMES, *LANDMARKS)}
        return {role: part for role, part in found.items() if part is not None}


def prepare_folder(out: str) -> Path:
    """Make the folder and prove that it can be written, before any work is done.

    Raises
    ------
    OutputError
        When it cannot.
    """
    folder = Path(out)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise OutputError(
            f"Cannot write into the folder “{folder}”: {error.strerror or error}. "
            "Choose another with --out."
        ) from error
    return folder


@contextlib.contextmanager
def output_folder(out: str) -> Iterator[Path]:
    """`prepare_folder`; if the work fails, a folder that is then empty goes away again."""
    was_there = Path(out).exists()
    folder = prepare_folder(out)
    try:
        yield folder
    except BaseException:
        if not was_there:
            with contextlib.suppress(OSError):  # not empty: somebody's files
                folder.rmdir()
        raise


@contextlib.contextmanager
def all_together(folder: Path) -> Iterator[Path]:
    """Give a folder to write into; what is there moves into `folder` once all is written.

    So a full disk leaves the former result as it was, and never a mixture of two.
    """
    try:
        stage = Path(tempfile.mkdtemp(prefix=".writing-", dir=folder))
    except OSError as error:
        raise OutputError(f"Cannot write into “{folder}”: {error.strerror or error}.") from error
    try:
        yield stage
        for new in sorted(stage.iterdir()):
            target = folder / new.name
            if target.is_dir():
                if exchange(new, target):
                    continue
                os.replace(target, stage / f"former-{new.name}")
            os.replace(new, target)
    except OutputError as error:
        raise OutputError(str(error).replace(str(stage), str(folder))) from error
    except OSError as error:
        raise OutputError(f"Cannot write into “{folder}”: {error.strerror or error}.") from error
    finally:
        shutil.rmtree(stage, ignore_errors=True)


def write_results(
    result: Registration,
    pair: Pair,
    folder: Path,
    warnings: list[str],
    wanted: MoreResults = NO_MORE,
) -> str:
    """Write images, transform, session, report and picture; return a summary to print."""
    found = find(result, pair.labels(), pair.landmarks())
    with all_together(folder) as stage:
        written = _write_all(result, pair, stage, warnings, found, wanted)
    return summary_of(result, found, {role: folder / path.name for role, path in written.items()})


def _write_all(
    result: Registration,
    pair: Pair,
    folder: Path,
    warnings: list[str],
    found: Findings,
    wanted: MoreResults,
) -> dict[str, Path]:
    """Write everything into an empty folder; what is where."""
    ending = ".nii.gz"
    written = {
        "moved": folder / f"moved{ending}",
        "displacement": folder / f"displacement{ending}",
        "session": folder / "session",
    }
    files.save(result.moved, written["moved"])
    files.save_displacement(result, written["displacement"])
    files.save_session(files.Session(result, pair.companions()), written["session"])
    moved = None
    if pair.moving_labels is not None:
        written["moved_labels"] = folder / f"moved_labels{ending}"
        labels = result.warp(pair.moving_labels, "nearest")
        moved = Volume(labels, result.fixed.affine, "labels", "moved labels", result.moved.oriented)
        files.save(moved, written["moved_labels"])
    written |= more_results.write(wanted, result, moved, folder)
    if pair.moving_landmarks is not None:
        written["moved_landmarks"] = folder / "moved_landmarks.csv"
        there = result.moving_to_fixed(pair.moving_landmarks)
        save_landmarks(there, written["moved_landmarks"], pair.landmark_names)
    written["picture"] = folder / "report.png"
    save_report(result, written["picture"], found)
    written["report"] = folder / "report.json"
    names = {role: path.name for role, path in written.items()}
    report = summarize(result, found, names, warnings)
    report["command"] = sys.argv
    write_json(report, written["report"])
    return written


def write_json(report: dict[str, Any], path: Path) -> None:
    """Write JSON that any parser reads (no NaN); `OutputError` when that fails."""
    with writing(path) as temporary:
        text = json.dumps(report, indent=2, allow_nan=False)
        temporary.write_text(f"{text}\n", encoding="utf-8")


def summary_of(result: Registration, found: Findings, written: dict[str, Path]) -> str:
    """A few lines for people."""
    metrics = result.metrics
    lines = [f"{result.moving.name} is registered to {result.fixed.name}."]
    if "similarity_after" in metrics:
        before, after = metrics.get("similarity_before", np.nan), metrics["similarity_after"]
        lines.append(_row("Similarity (local correlation)", f"{before:.3f} -> {after:.3f}"))
    if found.dice is not None:
        lines.append(_row("Dice, mean", _stages(found.dice, "{:.3f}")))
    if found.landmark_error_mm is not None:
        what = f"Landmark error, {found.landmark_words}"
        lines.append(_row(what, _stages(found.landmark_error_mm, "{:.2f} mm")))
    for words, key, form in (
        ("Largest displacement, affine apart", "max_displacement_mm", "{:.1f} mm"),
        ("Folded volume (NDV)", "ndv_percent", "{:.4f} %"),
    ):
        if key in metrics:
            lines.append(_row(words, form.format(metrics[key])))
    if metrics.get("max_displacement_mm") == 0:
        lines.append(f"  {NOTHING_FOUND}")
    if "total" in result.timings:
        lines.append(_row("Time", duration(result.timings["total"])))
    lines += [
        _row("Picture", str(written["picture"])),
        _row("Everything", str(written["report"].parent)),
    ]
    return "\n".join(lines)


def _row(words: str, value: str) -> str:
    return f"  {words:<36}{value}"


def _stages(stages: Stages, form: str) -> str:
    before, after = form.format(stages.before), form.format(stages.after)
    return f"{before} -> {after} (pre-aligned: {form.format(stages.aligned)})"
