"""``napari-voxelmorph train``: prepare the scans, train, say how it went."""

from __future__ import annotations

import argparse
import dataclasses
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from napari_voxelmorph.cli.register import use_threads
from napari_voxelmorph.cli.results import prepare_folder
from napari_voxelmorph.cli.training_options import data_config, training_config
from napari_voxelmorph.cli.training_progress import TrainingProgress
from napari_voxelmorph.cli.training_record import Source, begin_source, read_source
from napari_voxelmorph.engine.errors import Cancelled, InputError
from napari_voxelmorph.engine.training.config import TrainingConfig
from napari_voxelmorph.engine.training.data.source import CohortSource
from napari_voxelmorph.engine.training.events import TrainedModel, TrainingStep


def train(arguments: argparse.Namespace) -> None:
    """Run the command.

    Raises
    ------
    Cancelled
        When it was stopped: everything is kept, and the message says how to go on.
    """
    config, given = _what(arguments)
    if arguments.save_as:
        from napari_voxelmorph.engine.shelf import new_folder

        new_folder(arguments.save_as)  # refused now rather than after hours
    use_threads(arguments.threads)
    # torchrun starts this command several times; one of them speaks.
    quiet = arguments.quiet or _rank() > 0
    folder = prepare_folder(arguments.out)
    with TrainingProgress(quiet) as progress, interruptible() as stopped:
        source = _prepared(given, config, folder, arguments, progress, stopped)
        if not quiet:
            for note in source.prepared.notes:
                progress.note(f"Note: {note}")
            progress.note(_plan(source, config))
        trained = _trained(source, config, folder, arguments.resume, progress, stopped)
    if _rank() == 0:
        summary = _summary(trained, folder, arguments)
        if not arguments.quiet:
            print(summary)


def _what(arguments: argparse.Namespace) -> tuple[TrainingConfig, Source]:
    """The settings, and the scans; of a run that is resumed, with what is given now on top."""
    folder = Path(arguments.out)
    if arguments.resume:
        from napari_voxelmorph.cli.config_options import with_given
        from napari_voxelmorph.engine.training.run_folder import read_record

        known = {f.name for f in dataclasses.fields(TrainingConfig)}
        recorded = read_record(folder)["config"]
        config = TrainingConfig(**{k: v for k, v in recorded.items() if k in known})
        config = with_given(config, arguments)
        if not arguments.data:
            return config, read_source(folder)
    else:
        config = training_config(arguments)
    if not arguments.data:
        raise InputError(
            "DATA is missing: a folder of scans, a table (.csv, .tsv) or a BIDS data set. See "
            "“napari-voxelmorph train --help”."
        )
    data = data_config(arguments)
    return config, Source(
        str(Path(arguments.data).resolve()),
        arguments.image_pattern,
        arguments.label_pattern,
        str(Path(arguments.prepared).resolve()) if arguments.prepared else "",
        data,
    )


def _prepared(
    given: Source,
    config: TrainingConfig,
    folder: Path,
    arguments: argparse.Namespace,
    progress: TrainingProgress,
    stopped: Callable[[], bool],
) -> CohortSource:
    from napari_voxelmorph.engine.training import run_folder
    from napari_voxelmorph.engine.training.data.opening import open_cohort
    from napari_voxelmorph.engine.training.data.source import preparing

    if not arguments.resume and _rank() == 0:
        run_folder.free_of_runs(folder)
    cohort = open_cohort(given.data, given.images, given.labels)
    if _rank() == 0:
        begin_source(folder, given)
    place = Path(given.prepared) if given.prepared else folder / run_folder.PREPARED
    steps = preparing(cohort, config, place, given.config, _space_of(config.start_from))
    with closing(steps):
        while True:
            try:
                progress.prepare(next(steps))
            except StopIteration as finished:
                source: CohortSource = finished.value
                return source
            if stopped():
                raise Cancelled(
                    "Stopped while the scans were being prepared; the same command goes on from "
                    "here."
                )


def _trained(
    source: CohortSource,
    config: TrainingConfig,
    folder: Path,
    resume: bool,
    progress: TrainingProgress,
    stopped: Callable[[], bool],
) -> TrainedModel:
    from napari_voxelmorph.engine.training.loop import train as training

    # It asks itself, since all processes of a torchrun must stop at one step.
    steps = training(source, config, folder, resume=resume, stop=stopped)
    try:
        with closing(steps):
            while True:
                try:
                    step: TrainingStep = next(steps)
                except StopIteration as finished:
                    trained: TrainedModel = finished.value
                    return trained
                progress.train(step)
    except Cancelled as stop:
        # Closed by now: the last state is on the disk.
        raise Cancelled(
            f"{stop} To go on: napari-voxelmorph train --out “{folder}” --resume"
        ) from stop


@contextmanager
def interruptible() -> Iterator[Callable[[], bool]]:
    """Ctrl-C and a termination are noted, so that a step ends well; a second one ends at once.

    torchrun may send several; it kills whoever does not end in time by itself.
    """
    asked: list[int] = []
    alone = "TORCHELASTIC_RUN_ID" not in os.environ

    def note(number: int, frame: Any) -> None:
        if asked and alone:
            raise KeyboardInterrupt
        asked.append(number)

    before = {}
    try:
        for number in (signal.SIGINT, signal.SIGTERM):
            before[number] = signal.signal(number, note)
    except ValueError:
        pass  # not in the main thread: a test, a notebook
    try:
        yield lambda: bool(asked)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _space_of(model: str) -> Any:
    """The space of the model that is trained further."""
    if not model:
        return None
    from napari_voxelmorph.engine.checkpoints import read_card
    from napari_voxelmorph.engine.shelf import find
    from napari_voxelmorph.engine.training.saving import model_of_run

    return read_card(model_of_run(model) if Path(model).is_dir() else find(model)).space


def _rank() -> int:
    return int(os.environ.get("RANK", "0"))


def _plan(source: CohortSource, config: TrainingConfig) -> str:
    from napari_voxelmorph.engine.device import describe_device, pick_device

    counts = source.description["counts"]
    grid = "x".join(map(str, source.shape))
    spacing = "" if source.space.spacing is None else f" at {source.space.spacing:g} mm"
    held = f", {counts.get('validation', 0)} held out" if source.validation_count else ""
    labels = f", {len(source.labels)} structures" if source.labels else ""
    # A model that is trained further keeps its network, whatever the recipe says.
    what = f"“{config.start_from}” further" if config.start_from else f"“{config.network}”"
    return (
        f"Training {what} on {counts['train']} scans{held}{labels}, {grid}{spacing}, on "
        f"{describe_device(pick_device(config.device))}. Ctrl-C stops; nothing is lost."
    )


def _summary(trained: TrainedModel, folder: Path, arguments: argparse.Namespace) -> str:
    """A few lines for people; puts the model onto the shelf where that was asked for."""
    scores = trained.card.scores
    lines = ["The training is finished."]
    rows: list[tuple[str, str]] = []
    if "dice" in scores:
        before = scores.get("dice_before")
        start = "" if before is None else f"{before:.3f} -> "
        rows.append(("Dice, held-out pairs", f"{start}{scores['dice']:.3f}"))
    if "similarity" in scores and "similarity_before" in scores:
        rows.append(
            ("Similarity", f"{scores['similarity_before']:.3f} -> {scores['similarity']:.3f}")
        )
    if "ndv" in scores:
        rows.append(("Folded volume (NDV)", f"{scores['ndv']:.4f} %"))
    rows.append(("Best at step", str(trained.card.training.get("steps", ""))))
    model = str(trained.folder)
    if arguments.save_as:
        from napari_voxelmorph.engine.training.saving import to_shelf

        entry = to_shelf(
            folder,
            arguments.save_as,
            licence=arguments.licence,
            description=arguments.description,
            domain=arguments.domain,
        )
        model = entry.name
        rows.append(("On the shelf as", entry.name))
    rows.append(("Everything", str(folder)))
    lines += [f"  {words:<32}{value}" for words, value in rows]
    lines.append(f'Use it: napari-voxelmorph register FIXED MOVING --out result --model "{model}"')
    return "\n".join(lines)
