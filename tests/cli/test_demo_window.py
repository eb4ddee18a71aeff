"""The demo's window shows the result; nothing of it goes past napari's plugin mechanism."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytestmark = pytest.mark.gl


def test_the_demo_opens_the_result_in_napari(
    make_napari_viewer, qtbot, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    import napari

    from napari_voxelmorph.cli import demo, main

    seen = {}

    def look() -> None:
        qtbot.wait(3000)
        seen["picture"] = viewer.screenshot(canvas_only=True, flash=False)
        seen["layers"] = [layer.name for layer in viewer.layers]
        seen["docks"] = list(viewer.window.dock_widgets)

    assert main(["demo", "--2d", "--no-window", "--quiet", "--out", str(tmp_path)]) == 0
    viewer = make_napari_viewer(show=True)
    monkeypatch.setattr(napari, "Viewer", lambda **_: viewer)
    monkeypatch.setattr(napari, "run", look)
    demo.show(tmp_path / "session")
    assert any("moved" in name for name in seen["layers"])
    assert any("Register" in name for name in seen["docks"])
    assert np.asarray(seen["picture"])[..., :3].std() > 20
