"""What all tests share: strict Qt, a way to do without OpenGL, real data, sample pairs."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

# Before Qt or napari is imported.  Without a display Qt draws into memory.
HAS_DISPLAY = bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
if not HAS_DISPLAY:
    os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
HAS_OPENGL = HAS_DISPLAY and os.environ.get("QT_QPA_PLATFORM", "xcb") != "offscreen"
os.environ.setdefault("QT_API", "pyqt6")
os.environ.setdefault("NAPARI_STRICT_QT", "1")
os.environ.setdefault("NAPARI_ASYNC", "0")
# Nobody's own preferences: tests that set some name a file of their own.
os.environ["NAPARI_VOXELMORPH_PREFERENCES"] = os.path.join(
    tempfile.gettempdir(), f"voxelmorph-tests-{os.getpid()}", "preferences.json"
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Picture tests need a real OpenGL canvas."""
    if HAS_OPENGL:
        return
    skip = pytest.mark.skip(reason="needs a display with OpenGL: run `make test-pictures`")
    for item in items:
        if "gl" in item.keywords:
            item.add_marker(skip)


@pytest.fixture(autouse=True)
def no_opengl(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let napari host layers without OpenGL.

    napari asks two things of the graphics driver when an image is added; with no driver
    the questions fail.  Only tests that use a viewer pay for the imports.
    """
    uses_viewer = {"make_napari_viewer", "make_napari_viewer_proxy", "viewer", "qtbot"}
    if HAS_OPENGL or not uses_viewer & set(request.fixturenames):
        return
    for module in (
        "napari._vispy.layers.image",
        "napari._vispy.layers.labels",
        "napari._vispy.utils.gl",
    ):
        for name, answer in (
            ("get_gl_extensions", "GL_ARB_texture_float"),
            ("get_max_texture_sizes", (16384, 2048)),
        ):
            monkeypatch.setattr(f"{module}.{name}", lambda answer=answer: answer, raising=False)


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """Folder of real scans, which are not part of the repository."""
    named = os.environ.get("NAPARI_VOXELMORPH_DATA")
    folder = Path(named) if named else Path(__file__).parents[2] / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"no real scans at {folder}; set NAPARI_VOXELMORPH_DATA to their folder")
    return folder


@pytest.fixture(scope="session")
def pair_2d():
    """A quick 2-D phantom pair (112 x 96 voxels); do not change it."""
    from napari_voxelmorph.engine.synthesis.phantom import make_pair

    return make_pair(2, seed=1, spacing=2.0)


@pytest.fixture(scope="session")
def pair_3d():
    """A quick 3-D phantom pair (48 x 56 x 48 voxels); do not change it."""
    from napari_voxelmorph.engine.synthesis.phantom import make_pair

    return make_pair(3, seed=1, spacing=4.0)
