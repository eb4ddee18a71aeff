"""What can be typed after ``napari-voxelmorph train`` and ``evaluate``."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

from napari_voxelmorph.cli.config_options import add_fields, with_given
from napari_voxelmorph.engine.training.config import DEFAULT, RECIPES, TrainingConfig
from napari_voxelmorph.engine.training.data.config import DEFAULT as DATA_DEFAULT
from napari_voxelmorph.engine.training.data.config import DataConfig

TRAIN = """\
Train a network on your own scans, so that it registers such scans in one pass.

DATA is a folder of scans, a table of files, or a BIDS data set. Segmentations, where
there are any, are found by their names; they show how good the network is, and with
--segmentation-weight they teach it. Everything is kept in the folder RUN:

  best/             the model with the best validation; `register --model RUN/best` uses it
  last/             where to go on from; Ctrl-C stops at any time, --resume goes on
  history.jsonl     loss and scores, step by step
  training.json     settings, data, versions
  prepared/         the scans on the network's grid; may be deleted after the training
"""

TRAIN_EXAMPLES = """\
examples:
  a folder with scan_01.nii.gz, scan_01_seg.nii.gz, scan_02.nii.gz, ...:
    napari-voxelmorph train scans --out run
  few scans; a coarser grid, to see something soon:
    napari-voxelmorph train scans --out run --recipe small-cohort --spacing 2
  a table with the columns image, labels, landmarks, subject, split (train, validation, test):
    napari-voxelmorph train scans.csv --out run --recipe with-segmentations
  everything to one atlas:
    napari-voxelmorph train scans --out run --atlas template.nii.gz
  by known fields (column transform: from the atlas to the scan, of any known format):
    napari-voxelmorph train scans.csv --out run --atlas template.nii.gz \\
        --similarity none --smoothness 0 --field-weight 1
  go on after Ctrl-C, or longer than first meant:
    napari-voxelmorph train --out run --resume
    napari-voxelmorph train --out run --resume --steps 8000
  fit a model of the shelf to your scans, and keep the result there:
    napari-voxelmorph train scans --out run --start-from brain-t1 --steps 500 \\
        --save-as my-brains --licence CC-BY-4.0
  two processes or GPUs (two pairs per step):
    torchrun --nproc-per-node 2 -m napari_voxelmorph.cli train scans --out run

folders:
  NAME.nii.gz beside NAME_seg.nii.gz (or labels, dseg, aseg, mask); images/ beside labels/;
  imagesTr/ beside labelsTr/; a folder per subject; all of these below train/, validation/,
  test/. Anything else: --image-pattern, --label-pattern, or a table.
"""

EVALUATE = """\
Register pairs of scans by a model, and measure: overlap (Dice) of segmentations before and
after, folding, similarity, seconds. Prints a table and writes results.csv and results.json.

The scans that a training held out for the test are taken, where the model knows them;
else all scans of the split, and else all scans.
"""

EVALUATE_EXAMPLES = """\
examples:
  the scans that the training held out:
    napari-voxelmorph evaluate run/best scans --out scores
  every pair refined after the pass:
    napari-voxelmorph evaluate run/best scans --out scores --refine
  a model of the shelf, on other scans:
    napari-voxelmorph evaluate brain-t1 other_scans --split all --out scores
"""


def recipe_names() -> dict[str, str]:
    """Names to type -> names in the window."""
    return {name.lower().replace(" ", "-").replace("λ", "lambda"): name for name in RECIPES}


def add_train_options(parser: argparse.ArgumentParser) -> None:
    """All options of ``train``."""
    parser.add_argument(
        "data", metavar="DATA", nargs="?", default="",
        help="folder, table (.csv, .tsv) or BIDS data set; with --resume: as before",
    )  # fmt: skip
    parser.add_argument("--out", metavar="RUN", required=True, help="folder of the training")
    parser.add_argument("--resume", action="store_true", help="go on with the training in RUN")
    shelf = parser.add_argument_group("the finished model")
    shelf.add_argument("--save-as", metavar="NAME", help="put it onto the shelf under this name")
    for name, text in (
        ("licence", "of the weights, for its card"),
        ("description", "what it is for, in a sentence, for its card"),
        ("domain", "what scans it was trained on, such as “T1 brain MR of adults”, for its card"),
    ):
        shelf.add_argument(f"--{name}", metavar="TEXT", default="", help=text)
    data = parser.add_argument_group("scans")
    rest = parser.add_argument_group("scans, more settings")
    add_patterns(data)
    add_fields(data, rest, DATA_DEFAULT)
    rest.add_argument(
        "--prepared", metavar="DIR",
        help="folder for the scans on the network's grid; trainings may share one "
        "(default: RUN/prepared)",
    )  # fmt: skip
    method = parser.add_argument_group("network and training")
    more = parser.add_argument_group("network and training, more settings")
    method.add_argument(
        "--recipe",
        choices=list(recipe_names()),
        metavar="NAME",
        help="A set of settings to begin with; single options below override it. "
        + " ".join(f"{typed}: {RECIPES[name][1]}" for typed, name in recipe_names().items()),
    )
    add_fields(method, more, DEFAULT)


def add_patterns(group: argparse._ArgumentGroup | argparse.ArgumentParser) -> None:
    """By which files of a folder are told apart, where their names do not say."""
    group.add_argument(
        "--image-pattern", metavar="GLOB", default="",
        help="images of a folder, such as '*_t1.nii.gz' (default: all that are no segmentations)",
    )  # fmt: skip
    group.add_argument(
        "--label-pattern", metavar="GLOB", default="",
        help="segmentations of a folder, such as '*_aseg.nii.gz' (default: by their names)",
    )  # fmt: skip


def add_evaluate_options(parser: argparse.ArgumentParser) -> None:
    """All options of ``evaluate``."""
    parser.add_argument(
        "model", metavar="MODEL", help="name on the shelf, or the folder of a model or a training"
    )
    parser.add_argument("data", metavar="DATA", help="folder, table or BIDS data set")
    parser.add_argument("--out", metavar="DIR", required=True, help="folder for the results")
    parser.add_argument(
        "--split", choices=["test", "validation", "train", "all"], default="test",
        help="which scans (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument(
        "--pairs", type=int, default=20, metavar="N", help="at most so many (default: %(default)s)"
    )
    parser.add_argument("--refine", action="store_true", help="refine every pair after the pass")
    parser.add_argument("--atlas", metavar="FILE", help="register every scan to this image")
    parser.add_argument("--atlas-labels", metavar="FILE", help="segmentation of the atlas")
    parser.add_argument(
        "--affine", action=argparse.BooleanOptionalAction, default=True,
        help="align every pair first (default: yes)",
    )  # fmt: skip
    parser.add_argument(
        "--device", default="auto", metavar="NAME", help="auto, cpu, cuda, cuda:1, mps"
    )
    add_patterns(parser)


def training_config(arguments: argparse.Namespace) -> TrainingConfig:
    """The recipe with the options that were given; `InputError` when a value is out of bounds."""
    base = DEFAULT if not arguments.recipe else RECIPES[recipe_names()[arguments.recipe]][0]
    return with_given(base, arguments)


def data_config(arguments: argparse.Namespace) -> DataConfig:
    """As `training_config`; relative files are made absolute, since a run is resumed anywhere."""
    config = with_given(DATA_DEFAULT, arguments)
    return replace(
        config,
        atlas=_absolute(config.atlas),
        atlas_labels=_absolute(config.atlas_labels),
        atlas_landmarks=_absolute(config.atlas_landmarks),
    )


def _absolute(path: str) -> str:
    return str(Path(path).resolve()) if path else ""
