"""Help, version and usage: what can be typed, and what the help says of it."""

from __future__ import annotations

import subprocess
import sys

import pytest

from napari_voxelmorph.cli import main
from napari_voxelmorph.cli.config_options import config_from, preset_names
from napari_voxelmorph.cli.parser import build_parser
from napari_voxelmorph.cli.progress import duration
from napari_voxelmorph.engine.config import DEFAULT, PRESETS

from .commands import run


@pytest.mark.parametrize("command", [[], ["register"], ["apply"], ["demo"]])
def test_help_is_quick_and_loads_nothing_heavy(command: list[str]) -> None:
    code = (
        "import sys\nfrom napari_voxelmorph.cli import main\n"
        f"try: main({[*command, '--help']})\nexcept SystemExit as e: assert e.code == 0\n"
        "print(sorted({'torch', 'numpy', 'napari', 'qtpy', 'scipy', 'numba'} & sys.modules.keys()))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, encoding="utf-8", check=True
    )
    assert done.stdout.splitlines()[-1] == "[]"
    assert "napari-voxelmorph" in done.stdout


def test_help_teaches_with_commands_that_parse() -> None:
    text = (
        build_parser().format_help()
        + run("register", "--help").stdout
        + run("apply", "--help").stdout
    )
    joined = text.replace("\\\n", " ")
    commands = [
        line.split() for line in joined.splitlines() if line.strip().startswith("napari-voxelmorph")
    ]
    examples = [c[1:] for c in commands if len(c) > 2 and c[0] == "napari-voxelmorph"]
    assert len(examples) >= 10
    for example in examples:
        known = example[: example.index("see")] if "see" in example else example
        build_parser().parse_args(known)


def test_every_parameter_is_an_option() -> None:
    arguments = build_parser().parse_args(["register", "f", "m", "--out", "o"])
    assert config_from(arguments) == DEFAULT
    given = ["--preset", "different-contrast", "--smoothness", "2.5", "--symmetric"]
    arguments = build_parser().parse_args(
        ["register", "f", "m", "--out", "o", *given, "--iterations", "10,5", "--radius", "3"]
    )
    config = config_from(arguments)
    assert (config.similarity, config.smoothness, config.symmetric) == ("mind", 2.5, True)
    assert (config.iterations, config.radius) == ((10, 5), 3)
    assert set(preset_names().values()) == set(PRESETS)


def test_version() -> None:
    from importlib.metadata import version

    assert run("--version").stdout.strip() == f"napari-voxelmorph {version('napari-voxelmorph')}"


@pytest.mark.parametrize(
    "arguments",
    [[], ["register"], ["register", "a", "b"], ["nonsense"],
     ["register", "a", "b", "--out", "o", "--similarity", "psychic"],
     ["register", "a", "b", "--out", "o", "--threads", "0"]],
)  # fmt: skip
def test_usage_errors_are_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 2
    assert "usage:" in capsys.readouterr().err


def test_durations() -> None:
    assert [duration(s) for s in (0.2, 59, 61, 3900)] == ["0 s", "59 s", "1 min 1 s", "1 h 5 min"]
