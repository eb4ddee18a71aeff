"""The command line: ``napari-voxelmorph register | apply | demo | models | ...``.

Nothing heavy is imported before a command needs it, so ``--help`` answers at once.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Sequence

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; return its exit code (see ``napari-voxelmorph --help``)."""
    from napari_voxelmorph.cli.exits import run_guarded
    from napari_voxelmorph.cli.parser import build_parser
    from napari_voxelmorph.engine.preferences import load

    _print_anything()
    arguments = build_parser().parse_args(argv)
    problem = load()[1]
    if problem:
        print(f"Note: {problem}", file=sys.stderr)
    return run_guarded(arguments.command, arguments, debug=arguments.debug)


def _print_anything() -> None:
    """A letter that the terminal does not have must not end a command that has done its work."""
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout.errors == "strict":
        sys.stdout.reconfigure(errors="backslashreplace")
