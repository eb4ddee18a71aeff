"""`demo` in a process of its own, without a display."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from .commands import run


@pytest.mark.parametrize("options", [["--2d"], ["--2d", "--contrast", "different"]])
def test_demo_without_a_display(options: list[str], tmp_path: Path) -> None:
    hidden = {k: v for k, v in os.environ.items() if k not in ("DISPLAY", "WAYLAND_DISPLAY")}
    done = run("demo", *options, "--out", str(tmp_path), env=hidden)
    assert done.returncode == 0, done.stderr
    assert "no display" in done.stdout
    report = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    findings = report["findings"]
    assert findings["landmark_error_mm"]["after"] < 0.4 * findings["landmark_error_mm"]["before"]
    assert findings["dice"]["after"] > findings["dice"]["before"] + 0.3
