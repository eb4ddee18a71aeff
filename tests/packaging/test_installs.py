"""What users install holds everything: built and installed as wheel, sdist and editable."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.slow

# Run by the new environment's Python, far from the checkout.
CHECK = """
import importlib.util, pathlib, sys
from importlib.resources import files
from importlib.metadata import distribution
from npe2 import PluginManager
import napari_voxelmorph

expected = pathlib.Path(sys.argv[1]).resolve()
home = pathlib.Path(napari_voxelmorph.__file__).resolve()
assert expected in home.parents, f"{home} is not in {expected}"
assert (home.parent / "py.typed").is_file()

manager = PluginManager()
manager.discover()
manifest = manager.get_manifest("napari-voxelmorph")
assert manifest.contributions.widgets and manifest.contributions.sample_data
for command in manifest.contributions.commands:
    module = command.python_name.split(":")[0]
    assert importlib.util.find_spec(module), f"{module} is missing"

assert (files("napari_voxelmorph_models") / "README.md").is_file(), "models are missing"
pair = napari_voxelmorph.make_pair(2, spacing=4)
assert pair.fixed.data.max() > 0
print("fine")
"""


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what a commit of the working tree would hold."""
    copy = tmp_path_factory.mktemp("source") / "checkout"
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, check=False,
    )  # fmt: skip
    if listed.returncode:
        skip = shutil.ignore_patterns(
            ".git", ".venv*", "build", "dist", "*.egg-info", "__pycache__"
        )
        shutil.copytree(ROOT, copy, ignore=skip)
        return copy
    for name in filter(None, listed.stdout.decode().split("\0")):
        if (ROOT / name).is_file():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, copy / name)
    return copy


@pytest.fixture(scope="module")
def built(checkout: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A wheel made from an sdist, as pip and PyPI do it."""
    out = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(out), str(checkout)]
    run = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", check=False)
    assert run.returncode == 0, run.stdout[-3000:] + run.stderr[-3000:]
    return {"wheel": next(out.glob("*.whl")), "sdist": next(out.glob("*.tar.gz"))}


def environment(folder: Path) -> Path:
    """A new environment that borrows the libraries of this one; returns its Python."""
    venv.create(folder, with_pip=False)
    scheme = {"base": str(folder), "platbase": str(folder)}
    own = Path(sysconfig.get_path("purelib", "venv", vars=scheme))
    # A plain path line: the borrowed folder's own .pth files (our editable install) stay unread.
    (own / "borrowed.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def install_and_check(python: Path, what: list[str], home: Path) -> None:
    clean = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}
    options = ["--no-deps", "--no-index", "--no-build-isolation", "--ignore-installed", "--quiet"]
    pip = [str(python), "-m", "pip", "install", *options, *what]
    run = subprocess.run(
        pip, capture_output=True, text=True, encoding="utf-8", env=clean, cwd="/", check=False
    )
    assert run.returncode == 0, run.stdout + run.stderr
    run = subprocess.run(
        [str(python), "-c", CHECK, str(home)],
        capture_output=True, text=True, encoding="utf-8", env=clean, cwd="/", check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    assert run.stdout.strip() == "fine"
    script = python.parent / "napari-voxelmorph"
    run = subprocess.run(
        [str(script), "--version"],
        capture_output=True,
        text=True,
        encoding="utf-8",
        env=clean,
        check=False,
    )
    assert run.stdout.startswith("napari-voxelmorph "), run.stderr


@pytest.mark.parametrize("kind", ["wheel", "sdist"])
def test_installed_from(kind: str, built: dict[str, Path], tmp_path: Path) -> None:
    python = environment(tmp_path / "env")
    install_and_check(python, [str(built[kind])], tmp_path / "env")


@pytest.mark.parametrize("strict", [False, True], ids=["editable", "strict editable"])
def test_installed_editable(strict: bool, checkout: Path, tmp_path: Path) -> None:
    source = tmp_path / "checkout"
    shutil.copytree(checkout, source)
    python = environment(tmp_path / "env")
    options = ["--config-settings", "editable_mode=strict"] if strict else []
    install_and_check(python, [*options, "--editable", str(source)], source)


def test_the_wheel_holds_the_package_and_nothing_else(built: dict[str, Path]) -> None:
    names = zipfile.ZipFile(built["wheel"]).namelist()
    tops = {name.split("/")[0] for name in names}
    packages = {"napari_voxelmorph", "napari_voxelmorph_manifest", "napari_voxelmorph_models"}
    assert {t for t in tops if not t.endswith(".dist-info")} == packages
    manifest = [n for n in names if n.startswith("napari_voxelmorph_manifest/")]
    assert manifest == ["napari_voxelmorph_manifest/napari.yaml"]
    assert any(n.endswith("licenses/LICENSE") for n in names)


def test_the_sdist_can_be_built_again(built: dict[str, Path]) -> None:
    with tarfile.open(built["sdist"]) as archive:
        names = {n.split("/", 1)[-1] for n in archive.getnames()}
    assert {"setup.cfg", "pyproject.toml", "napari.yaml", "LICENSE", "README.md"} <= names
    assert "models/README.md" in names
