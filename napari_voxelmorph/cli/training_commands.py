"""The commands ``train`` and ``evaluate``, added to the parser; the work is imported when it is run."""

from __future__ import annotations

import argparse
from collections.abc import Callable

from napari_voxelmorph.cli import training_options


def add_commands(
    command: Callable[..., argparse.ArgumentParser],
    add_common: Callable[[argparse.ArgumentParser], None],
) -> None:
    """Add ``train`` and ``evaluate``.

    Parameters
    ----------
    command : callable
        ``command(name, summary, text, examples)`` makes the parser of one.
    add_common : callable
        Adds the options that all commands have.
    """
    summary = "train a model on your own scans"
    parser = command("train", summary, training_options.TRAIN, training_options.TRAIN_EXAMPLES)
    training_options.add_train_options(parser)
    parser.set_defaults(command=_train)
    add_common(parser)
    summary = "measure a model on many pairs"
    parser = command(
        "evaluate", summary, training_options.EVALUATE, training_options.EVALUATE_EXAMPLES
    )
    training_options.add_evaluate_options(parser)
    parser.set_defaults(command=_evaluate)
    add_common(parser)


def _train(arguments: argparse.Namespace) -> None:
    from napari_voxelmorph.cli.train import train

    train(arguments)


def _evaluate(arguments: argparse.Namespace) -> None:
    from napari_voxelmorph.cli.evaluate import evaluate

    evaluate(arguments)
