"""Running commands, for the tests of the command line."""

from __future__ import annotations

import subprocess
import sys

import pytest

from napari_voxelmorph.cli import main

QUICK = ["--iterations", "20,10", "--resolution", "6"]


def run(*arguments: str, **options) -> subprocess.CompletedProcess[str]:
    """Run the command line in a process of its own."""
    command = [sys.executable, "-m", "napari_voxelmorph.cli", *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, encoding="utf-8", check=False, **options
    )


def says(arguments: list[str], code: int, words: str, capsys: pytest.CaptureFixture[str]) -> None:
    """A command fails with an exit code and one sentence that holds some words."""
    assert main(arguments) == code
    error = capsys.readouterr().err
    assert words in error
    assert "Traceback" not in error
    assert error.strip().splitlines()[-1].startswith("napari-voxelmorph: ")
