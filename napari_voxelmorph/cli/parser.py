"""What can be typed, and help that teaches it."""

from __future__ import annotations

import argparse
from functools import partial
from typing import Any

from napari_voxelmorph.cli import help_texts, models_parser, preferences, training_commands
from napari_voxelmorph.cli.config_options import add_config_options


class _Formatter(argparse.RawDescriptionHelpFormatter):
    def __init__(self, prog: str, **options: Any) -> None:
        options.setdefault("max_help_position", 28)
        options.setdefault("width", 92)
        super().__init__(prog, **options)


def build_parser() -> argparse.ArgumentParser:
    """Return the parser; each command sets ``arguments.command`` to a function."""
    parser = argparse.ArgumentParser(
        "napari-voxelmorph",
        description=help_texts.TOP,
        epilog=help_texts.TOP_EXAMPLES,
        formatter_class=_Formatter,
    )
    parser.add_argument("--version", action=_Version, help="print the version and stop")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    _add_register(commands)
    _add_apply(commands)
    _add_demo(commands)
    _add_models(commands)
    training_commands.add_commands(partial(_command, commands), _add_common)
    preferences.add_command(partial(_command, commands))
    return parser


def _add_register(commands: Any) -> None:
    parser = _command(
        commands, "register", "align two images", help_texts.REGISTER, help_texts.REGISTER_EXAMPLES
    )
    parser.add_argument("fixed", metavar="FIXED", help="the image that stays, and gives the grid")
    parser.add_argument("moving", metavar="MOVING", help="the image that is moved")
    parser.add_argument("--out", metavar="DIR", required=True, help="folder for the results")
    more = parser.add_argument_group("what else is known of the pair")
    for role in ("fixed", "moving"):
        more.add_argument(
            f"--{role}-mask", metavar="FILE", help=f"non-zero where the {role} image counts"
        )
    for role in ("fixed", "moving"):
        more.add_argument(
            f"--{role}-labels", metavar="FILE",
            help=f"segmentation of the {role} image; with both, Dice is measured",
        )  # fmt: skip
    for role in ("fixed", "moving"):
        more.add_argument(
            f"--{role}-landmarks", metavar="FILE",
            help=f"points of the {role} image (world mm); with both, the error is measured, and they "
            "serve --landmark-weight and --start landmarks",
        )  # fmt: skip
    for role in ("fixed", "moving"):
        more.add_argument(
            f"--{role}-volume", type=_from_0, metavar="N",
            help=f"the same as N behind the name of the {role} image: FILE@N",
        )  # fmt: skip
    more.add_argument(
        "--start-matrix",
        metavar="FILE",
        help="start from this matrix instead of --start: 4x4 (2-D: 3x3) numbers as text, fixed "
        "world mm to moving world mm, RAS; or an ITK affine (.tfm, .mat, .txt)",
    )
    _add_voxel_size(more)
    _add_results(parser)
    add_config_options(parser)
    _add_common(parser)
    parser.set_defaults(command=_register)


def _add_results(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("more results")
    group.add_argument(
        "--transform-format", metavar="NAME", action="append", default=[],
        help="also write the transform, and its inverse, for another program; may be repeated. "
        f"{help_texts.FORMATS}",
    )  # fmt: skip
    group.add_argument(
        "--dicom", action="store_true",
        help="also write the moved image as a DICOM series, moved labels as DICOM SEG; the fixed "
        "image must be a DICOM series",
    )  # fmt: skip
    _add_label_names(group)


def _add_apply(commands: Any) -> None:
    parser = _command(
        commands, "apply", "apply a saved transform", help_texts.APPLY, help_texts.APPLY_EXAMPLES
    )
    parser.add_argument(
        "transform", metavar="TRANSFORM",
        help="result or session folder of `register`, or a transform file of this or another "
        "program",
    )  # fmt: skip
    parser.add_argument(
        "inputs", metavar="INPUT", nargs="+",
        help="images, 4-D series, segmentations, points, surfaces",
    )  # fmt: skip
    parser.add_argument(
        "--out", metavar="PATH",
        help="folder for the results, or the file's name for a single input "
        "(default: beside each input, NAME_moved or NAME_back)",
    )  # fmt: skip
    parser.add_argument("--inverse", action="store_true", help="from the fixed scan to the moving")
    parser.add_argument(
        "--onto", "--grid", metavar="GRID", help="image whose grid the result shall have"
    )
    kinds = parser.add_mutually_exclusive_group()
    kinds.add_argument("--labels", action="store_true", help="inputs are segmentations")
    kinds.add_argument(
        "--image", action="store_true", help="inputs are images, whatever their names"
    )
    kinds.add_argument("--points", action="store_true", help="inputs are lists of points")
    parser.add_argument(
        "--dicom", action="store_true",
        help="write images as DICOM series and segmentations as DICOM SEG; the image whose grid "
        "they get must be DICOM",
    )  # fmt: skip
    _add_label_names(parser)
    others = parser.add_argument_group("transform files of other programs")
    others.add_argument(
        "--then", metavar="TRANSFORM", action="append", default=[],
        help="a transform that acts after the first one on a point of the fixed scan (of ANTs "
        "the affine after the warp); may be repeated",
    )  # fmt: skip
    others.add_argument(
        "--transform-format", metavar="NAME",
        help=f"default: found out. {help_texts.FORMATS}",
    )  # fmt: skip
    for role in ("fixed", "moving"):
        others.add_argument(
            f"--{role}", metavar="FILE",
            help=f"the {role} image for which the transform was made, where the file does not tell",
        )  # fmt: skip
    parser.add_argument(
        "--mode", choices=["linear", "nearest", "cubic", "majority"],
        help="interpolation (default: linear for images, nearest for labels; majority: smoother "
        "borders of labels)",
    )  # fmt: skip
    parser.add_argument(
        "--fill", type=float, default=0.0, metavar="X", help="value outside (default 0)"
    )
    _add_voxel_size(parser)
    _add_common(parser)
    parser.set_defaults(command=_apply)


def _add_demo(commands: Any) -> None:
    parser = _command(commands, "demo", "register the sample pair and show it", help_texts.DEMO, "")
    parser.add_argument("--2d", dest="two_d", action="store_true", help="a pair of slices: seconds")
    parser.add_argument(
        "--contrast", choices=["same", "different"], default="same",
        help="T1 and T1 (default), or T1 and T2",
    )  # fmt: skip
    parser.add_argument(
        "--out", metavar="DIR", default="napari-voxelmorph-demo",
        help="folder for the results (default: %(default)s)",
    )  # fmt: skip
    parser.add_argument("--no-window", action="store_true", help="do not open napari")
    _add_common(parser)
    parser.set_defaults(command=_demo)


def _add_models(commands: Any) -> None:
    parser = _command(
        commands, "models", "trained models", models_parser.TEXT, models_parser.EXAMPLES
    )
    models_parser.add_actions(parser)
    parser.set_defaults(command=_models)


def _command(
    commands: Any, name: str, summary: str, text: str, more: str
) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(
        name, help=summary, description=text, epilog=more, formatter_class=_Formatter
    )
    return parser


def _add_common(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("running")
    group.add_argument(
        "--threads", type=_threads, metavar="N", help="CPU threads (or as preferred)"
    )
    group.add_argument("--quiet", action="store_true", help="no progress, no summary")
    group.add_argument("--debug", action="store_true", help="on an error, print the traceback")


def _add_voxel_size(parser: Any) -> None:
    parser.add_argument(
        "--voxel-size", type=float, metavar="MM",
        help="read all images on a coarser grid, for files that are too large: blocks of voxels "
        "of at least this size become one",
    )  # fmt: skip


def _add_label_names(parser: Any) -> None:
    parser.add_argument(
        "--label-names", metavar="FILE", help="what labels are called in DICOM SEG: a FreeSurfer or "
        "Slicer table, ITK-SNAP labels, a BIDS dseg.tsv, or CSV",
    )  # fmt: skip


def _from_0(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"expected a number from 0, got {text!r}")
    return int(text)


def _threads(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a number from 1, got {text!r}")
    return int(text)


class _Version(argparse.Action):
    """Looks the version up only when asked."""

    def __init__(self, option_strings: list[str], dest: str, **options: Any) -> None:
        super().__init__(option_strings, argparse.SUPPRESS, nargs=0, help=options.get("help"))

    def __call__(self, parser: argparse.ArgumentParser, *_: Any) -> None:
        from importlib.metadata import version

        print(f"napari-voxelmorph {version('napari-voxelmorph')}")
        parser.exit()


def _register(arguments: argparse.Namespace) -> None:
    from napari_voxelmorph.cli.register import register

    register(arguments)


def _apply(arguments: argparse.Namespace) -> None:
    from napari_voxelmorph.cli.apply import apply

    apply(arguments)


def _demo(arguments: argparse.Namespace) -> None:
    from napari_voxelmorph.cli.demo import demo

    demo(arguments)


def _models(arguments: argparse.Namespace) -> None:
    from napari_voxelmorph.cli.models import models

    models(arguments)
