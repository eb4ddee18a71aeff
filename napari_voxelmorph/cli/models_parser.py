"""What can be typed after ``napari-voxelmorph models``."""

from __future__ import annotations

import argparse
from typing import Any

TEXT = """\
The shelf of trained models: those of the package and your own.

A model is a folder with model.json (what it is, what it was trained on, its licence)
and weights.safetensors. Opening one never runs code.
"""

EXAMPLES = """\
examples:
  napari-voxelmorph models list
  napari-voxelmorph models import vm2_cc.h5 --name "VM-2 CC"     weights of the papers
  napari-voxelmorph models import sent-by-a-friend.zip
  napari-voxelmorph models show "VM-2 CC"
  napari-voxelmorph models export "VM-2 CC" --out vm2.zip
  napari-voxelmorph register fixed.nii.gz moving.nii.gz --out result --model "VM-2 CC"

your own models are kept in NAPARI_VOXELMORPH_MODELS, or in the system's data folder.
"""


def add_actions(parser: argparse.ArgumentParser) -> None:
    """Add one sub-command per action; ``arguments.action`` names it."""
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True, dest="action")
    _action(actions, "list", "all models")
    show = _action(actions, "show", "everything that is known of a model")
    show.add_argument("name", metavar="NAME")
    come = _action(actions, "import", "put models onto the shelf")
    come.add_argument(
        "sources", metavar="FILE", nargs="+",
        help="model folder, zip file of one, or Keras file (.h5) of the VoxelMorph papers",
    )  # fmt: skip
    come.add_argument("--name", metavar="NAME", help="on the shelf (default: the file's)")
    go = _action(actions, "export", "write a model to a zip file or a folder")
    go.add_argument("name", metavar="NAME")
    go.add_argument(
        "--out",
        metavar="PATH",
        help="a name that ends in .zip, or a new folder (default: NAME.zip)",
    )
    go.add_argument("--force", action="store_true", help="replace the zip file that is there")
    rename = _action(actions, "rename", "give one of your models another name")
    rename.add_argument("name", metavar="NAME")
    rename.add_argument("new_name", metavar="NEW")
    remove = _action(actions, "remove", "move one of your models to the trash of the shelf")
    remove.add_argument("name", metavar="NAME")
    remove.add_argument("--yes", action="store_true", help="do not ask")


def _action(actions: Any, name: str, summary: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = actions.add_parser(name, help=summary, description=summary)
    parser.add_argument("--json", action="store_true", help="answer as JSON")
    parser.add_argument("--debug", action="store_true", help="on an error, print the traceback")
    return parser
