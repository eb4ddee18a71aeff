"""The house stands as planned: floors, no circles, an engine that knows no screen."""

from __future__ import annotations

import ast
import configparser
import subprocess
import sys
from functools import cache
from importlib import import_module
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "napari_voxelmorph"
SCREEN = {"napari", "qtpy", "magicgui", "superqt", "vispy", "PyQt5", "PyQt6", "PySide2", "PySide6"}

#: Imports go to the same floor or down, never up.  The longest matching name counts.
FLOORS = {
    "errors": 0,
    **dict.fromkeys(("geometry", "config", "parallel", "device", "preferences"), 1),
    **dict.fromkeys(
        (
            "result",
            "steps",
            "provenance",
            "pair_checks",
            "landmarks",
            "losses",
            "networks",
            "synthesis",
            "files",
        ),
        2,
    ),
    **dict.fromkeys(
        (
            "checkpoints",
            "keras_import",
            "loaded_model",
            "model_card",
            "model_checks",
            "model_transfer",
            "model_words",
            "model_zip",
            "network_needs",
            "shelf",
            "evaluation",
            "optimization",
            "estimate",
            "onto",
        ),
        3,
    ),
    **dict.fromkeys(
        (
            "apply",
            "training",
            "registration",
            "stages",
            "network_stage",
            "lambda_sweep",
            "uncertainty",
        ),
        4,
    ),
    **dict.fromkeys(("templates", "segmentation", "cohort", "report", "review"), 5),
}
FACES = 6


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(p): p for p in sorted(PACKAGE.rglob("*.py"))}


class WithoutTyping(ast.NodeTransformer):
    """Drops ``if TYPE_CHECKING:`` blocks: they are never run."""

    def visit_If(self, node: ast.If) -> ast.AST | list[ast.stmt]:
        if isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            return node.orelse
        return self.generic_visit(node)


@cache
def imports(module: str, typing: bool = True) -> frozenset[str]:
    """All modules that `module` names in an import, at any depth, known ones in full."""
    found = set()
    tree = ast.parse(MODULES[module].read_text(encoding="utf-8"))
    for node in ast.walk(tree if typing else WithoutTyping().visit(tree)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}: relative import; write it in full"
            name = node.module or ""
            inner = {f"{name}.{alias.name}" for alias in node.names} & MODULES.keys()
            found |= inner
            if len(inner) < len(node.names):
                found.add(name)
    return frozenset(found - {module})


def floor(module: str) -> int | None:
    parts = module.split(".")
    if parts[0] != "napari_voxelmorph":
        return None
    if len(parts) == 1 or module == "napari_voxelmorph.engine":
        return FACES + 1 if len(parts) == 1 else 0
    if parts[1] in ("cli", "gui"):
        return FACES
    assert parts[2] in FLOORS, f"{module}: give engine.{parts[2]} a floor in {Path(__file__).name}"
    return FLOORS[parts[2]]


@pytest.mark.parametrize("module", MODULES)
def test_imports_go_down_only(module: str) -> None:
    own = floor(module)
    for other in imports(module):
        level = floor(other)
        assert level is None or own is None or level <= own, f"{module} looks up to {other}"


def test_no_circles() -> None:
    done: set[str] = set()

    def visit(module: str, path: tuple[str, ...]) -> None:
        assert module not in path, " -> ".join((*path[path.index(module) :], module))
        if module in done:
            return
        for other in sorted(imports(module, typing=False) & MODULES.keys() - {"napari_voxelmorph"}):
            visit(other, (*path, module))
        done.add(module)

    for module in MODULES:
        visit(module, ())


@pytest.mark.parametrize("module", [m for m in MODULES if m.startswith("napari_voxelmorph.engine")])
def test_the_engine_does_not_print(module: str) -> None:
    tree = ast.parse(MODULES[module].read_text(encoding="utf-8"))
    calls = [n.func for n in ast.walk(tree) if isinstance(n, ast.Call)]
    assert not [c for c in calls if isinstance(c, ast.Name) and c.id == "print"], module


@pytest.mark.parametrize(
    "module",
    [m for m in MODULES if m.startswith(("napari_voxelmorph.engine", "napari_voxelmorph.cli"))],
)
def test_the_engine_names_no_screen(module: str) -> None:
    named = {name.split(".")[0] for name in imports(module)}
    allowed = {"napari"} if module == "napari_voxelmorph.cli.demo" else set()
    assert not (named & SCREEN) - allowed, module


def test_cli_and_gui_never_meet() -> None:
    for module in MODULES:
        for face, other in ((".cli", ".gui"), (".gui", ".cli")):
            if module.startswith(f"napari_voxelmorph{face}"):
                assert not [i for i in imports(module) if i.startswith(f"napari_voxelmorph{other}")]


def test_the_whole_engine_loads_without_a_screen() -> None:
    engine = [m for m in MODULES if m.startswith("napari_voxelmorph.engine")]
    code = f"import sys, importlib; [importlib.import_module(m) for m in {engine}]; " + (
        f"print(*sorted({{m.split('.')[0] for m in sys.modules}} & {SCREEN}))"
    )
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, encoding="utf-8", check=False
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.strip() == "", f"the engine loaded {run.stdout}"


def test_importing_the_package_is_light() -> None:
    code = "import sys, napari_voxelmorph; print(*sys.modules)"
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, encoding="utf-8", check=True
    )
    loaded = {name.split(".")[0] for name in run.stdout.split()}
    assert not loaded & (SCREEN | {"torch", "numpy", "scipy", "numba", "nibabel", "SimpleITK"})


def test_public_names_exist() -> None:
    import napari_voxelmorph

    for name in napari_voxelmorph.__all__:
        assert getattr(napari_voxelmorph, name) is not None
    with pytest.raises(AttributeError):
        _ = napari_voxelmorph.nothing_of_that_name


def setup_cfg() -> configparser.ConfigParser:
    config = configparser.ConfigParser()
    config.read(ROOT / "setup.cfg")
    return config


def test_setup_cfg_lists_every_package() -> None:
    listed = set(setup_cfg()["options"]["packages"].split())
    folders = {module_name(p) for p in PACKAGE.rglob("__init__.py")}
    assert listed - {"napari_voxelmorph_models", "napari_voxelmorph_manifest"} == folders


def test_no_python_at_the_top_level() -> None:
    # The manifest's package is the top folder itself: a module here would be shipped.
    assert not list(ROOT.glob("*.py"))


def test_the_manifest_is_the_top_level_file() -> None:
    config = setup_cfg()
    assert (
        "napari_voxelmorph_manifest:napari.yaml"
        in config["options.entry_points"]["napari.manifest"]
    )
    assert "napari_voxelmorph_manifest = ." in config["options"]["package_dir"]
    assert (ROOT / "napari.yaml").is_file() and not (ROOT / "napari.yaml").is_symlink()


def commands() -> list[dict[str, str]]:
    manifest = yaml.safe_load((ROOT / "napari.yaml").read_text(encoding="utf-8"))
    return manifest["contributions"].get("commands", [])


@pytest.mark.parametrize("command", commands(), ids=lambda c: c["id"])
def test_every_command_of_the_manifest_imports(command: dict[str, str]) -> None:
    assert command["id"].startswith("napari-voxelmorph.")
    module, name = command["python_name"].split(":")
    assert callable(getattr(import_module(module), name))


def test_npe2_finds_and_accepts_the_manifest() -> None:
    from npe2 import PluginManifest

    manifest = PluginManifest.from_distribution("napari-voxelmorph")
    assert manifest.display_name
    assert len(manifest.contributions.commands or []) == len(commands())


MOST_LINES = 300


@pytest.mark.parametrize("module", MODULES)
def test_modules_stay_short(module: str) -> None:
    lines = len(MODULES[module].read_text(encoding="utf-8").splitlines())
    assert lines <= MOST_LINES, (
        f"{module} has {lines} lines: give one of its jobs a file of its own"
    )
