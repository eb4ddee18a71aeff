"""``napari-voxelmorph evaluate``: register many pairs by a model, and measure."""

from __future__ import annotations

import argparse
import math
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from napari_voxelmorph.cli.evaluation_table import Row, mean_row, table, write_table
from napari_voxelmorph.cli.progress import Progress
from napari_voxelmorph.cli.register import use_threads
from napari_voxelmorph.cli.results import prepare_folder
from napari_voxelmorph.engine.config import DEFAULT, RegistrationConfig
from napari_voxelmorph.engine.errors import InputError, VoxelMorphError
from napari_voxelmorph.engine.training.data.reading import Scan, read_scan
from napari_voxelmorph.engine.training.data.subject import Cohort, Subject, need_subjects

Pair = tuple[Subject, Subject]


def evaluate(arguments: argparse.Namespace) -> None:
    """Run the command."""
    from napari_voxelmorph.engine.loaded_model import card_of
    from napari_voxelmorph.engine.training.data.opening import open_cohort
    from napari_voxelmorph.engine.training.saving import model_of_run

    if arguments.pairs < 1:
        raise InputError(f"--pairs must be at least 1, got {arguments.pairs}.")
    given = Path(arguments.model)
    model = str(model_of_run(given)) if given.is_dir() else arguments.model
    card = card_of(model)
    use_threads(arguments.threads)
    folder = prepare_folder(arguments.out)
    cohort = open_cohort(arguments.data, arguments.image_pattern, arguments.label_pattern)
    chosen, notes = _of_split(cohort, arguments.split, card.training)
    pairs = _pairs(chosen, arguments)
    affine: Literal["affine", "none"] = "affine" if arguments.affine else "none"
    config = replace(
        DEFAULT, model=model, refine=arguments.refine, affine=affine, device=arguments.device
    )
    with Progress(arguments.quiet) as progress:
        for note in notes:
            progress.note(f"Note: {note}")
        rows, failed = _run(pairs, config, progress)
    if not rows:
        raise InputError(f"No pair could be registered. {' '.join(failed[:2])}")
    means = mean_row(rows)
    write_table(folder, rows, means, {"model": card.name, "notes": notes, "failed": failed})
    if not arguments.quiet:
        print(table(rows, means))
        for sentence in failed:
            print(f"Failed: {sentence}")
        print(f"Everything: {folder}")


def _of_split(cohort: Cohort, split: str, training: Any) -> tuple[Cohort, list[str]]:
    """The scans to register: by the model's own record, by the data, or all."""
    notes = list(cohort.notes)
    known = _recorded(training)
    trained_on = known.get("train", set())
    if split == "all" or not (any(known.values()) or any(s.split for s in cohort.subjects)):
        if split != "all":
            notes.append(
                f"Neither the model nor the data say which scans are “{split}”: all are used."
            )
        return need_subjects(cohort, 1), notes
    wanted = known.get(split, set())
    digests = {s.name: _digest(s) for s in cohort.subjects} if any(known.values()) else {}
    if any(s.split for s in cohort.subjects):
        chosen = [s for s in cohort.subjects if s.split == split]
    else:
        chosen = [s for s in cohort.subjects if digests[s.name] in wanted]
    seen = sum(digests.get(s.name) in trained_on for s in chosen)
    if seen and split != "train":
        notes.append(f"{seen} of {len(chosen)} scans are among those the model was trained on.")
    if not chosen:
        there = ", ".join(k for k, v in known.items() if v & set(digests.values()))
        raise InputError(
            f"“{cohort.name}” holds no scan of the split “{split}”. "
            + (f"The model knows its scans as: {there}. " if there else "")
            + "Choose another with --split, or --split all."
        )
    return replace(cohort, subjects=tuple(chosen)), notes


def _recorded(training: Any) -> dict[str, set[str]]:
    """The digests of the scans of each split, from a model's card."""
    splits = training.get("data", {}).get("splits", {}) if isinstance(training, dict) else {}
    if not isinstance(splits, dict):
        return {}
    return {str(k): {str(d) for d in v} for k, v in splits.items() if isinstance(v, list)}


def _digest(subject: Subject) -> str:
    from napari_voxelmorph.engine.training.data.fingerprint import digest

    try:
        return digest(subject.image)
    except OSError:
        return ""


def _pairs(cohort: Cohort, arguments: argparse.Namespace) -> list[Pair]:
    from napari_voxelmorph.engine.training.data.pairing import held_out_pairs

    subjects = cohort.subjects
    if arguments.atlas:
        labels = Path(arguments.atlas_labels) if arguments.atlas_labels else None
        for path in (Path(arguments.atlas), labels):
            if path is not None and not path.exists():
                raise InputError(f"The atlas: there is no file “{path}”.")
        atlas = Subject("atlas", Path(arguments.atlas), labels)
        count = min(len(subjects), arguments.pairs)
        return [(subjects[n * len(subjects) // count], atlas) for n in range(count)]
    need_subjects(cohort, 2)
    chosen = held_out_pairs(len(subjects), arguments.pairs)[: max(arguments.pairs, 1)]
    return [(subjects[m], subjects[f]) for m, f in chosen]


@dataclass(frozen=True)
class _Line:
    """What `Progress` shows."""

    phase: str
    fraction: float
    seconds_left: float | None


def _run(
    pairs: list[Pair], config: RegistrationConfig, progress: Progress
) -> tuple[list[Row], list[str]]:
    """Scores of the pairs that could be registered, and why others could not."""
    from napari_voxelmorph.engine.registration import Registrar

    registrar = Registrar(config.device)
    rows: list[Row] = []
    failed = []
    began = time.perf_counter()
    for n, (moving, fixed) in enumerate(pairs):
        left = (time.perf_counter() - began) * (len(pairs) - n) / n if n else None
        words = f"pair {n + 1} of {len(pairs)}"
        progress(_Line(words, n / len(pairs), left))
        try:
            rows.append(_score(registrar, moving, fixed, config, n == 0))
        except VoxelMorphError as error:
            if isinstance(error, OSError | MemoryError):
                raise
            failed.append(f"{moving.name} to {fixed.name}: {error}")
    return rows, failed


def _score(
    registrar: Any, moving: Subject, fixed: Subject, config: RegistrationConfig, first: bool
) -> Row:
    from napari_voxelmorph.engine.report.findings import find

    scans = read_scan(moving), read_scan(fixed)
    registrar.set_pair(scans[0].image, scans[1].image)
    if first:
        # Compiling and loading are no part of what a registration takes.
        registrar.register(config)
    began = time.perf_counter()
    result = registrar.register(config)
    seconds = time.perf_counter() - began
    found = find(result, _labels(*scans), _landmarks(*scans))
    dice, error, metrics = found.dice, found.landmark_error_mm, result.metrics
    return Row(
        moving.name,
        fixed.name,
        dice_headers=None if dice is None else dice.before,
        dice_before=None if dice is None else dice.aligned,
        dice=None if dice is None else dice.after,
        landmarks_before_mm=None if error is None else error.aligned,
        landmarks_mm=None if error is None else error.after,
        ndv_percent=_number(metrics.get("ndv_percent")),
        similarity_before=_number(metrics.get("similarity_before")),
        similarity=_number(metrics.get("similarity_after")),
        seconds=seconds,
        seconds_network=_number(result.timings.get("network")),
    )


def _labels(moving: Scan, fixed: Scan) -> Any:
    if moving.labels is None or fixed.labels is None:
        return None
    return moving.labels, fixed.labels


def _landmarks(moving: Scan, fixed: Scan) -> Any:
    """Those of one name, as (moving, fixed)."""
    first, second = _places(moving), _places(fixed)
    names = [name for name in second if name in first]
    if not names:
        return None
    return np.array([first[n] for n in names]), np.array([second[n] for n in names])


def _places(scan: Scan) -> dict[str, Any]:
    if scan.landmarks is None:
        return {}
    return dict(zip(scan.landmark_names, scan.landmarks, strict=True))


def _number(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else float(value)
