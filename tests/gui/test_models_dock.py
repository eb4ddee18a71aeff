"""The shelf in the window: come, look, rename, send, remove, bring back."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from qtpy.QtCore import QMimeData, QPointF, Qt, QUrl
from qtpy.QtGui import QDropEvent
from qtpy.QtWidgets import QFileDialog, QInputDialog

from napari_voxelmorph.engine.checkpoints import INDEX, save_model
from napari_voxelmorph.engine.model_card import ModelCard
from napari_voxelmorph.engine.networks.architecture import Architecture
from napari_voxelmorph.engine.networks.registry import build
from napari_voxelmorph.engine.networks.space import Space
from napari_voxelmorph.gui.models.model_lines import curves_of
from napari_voxelmorph.gui.models.shelf_events import shelf_events

CURVES = {"loss": [[1, 0.9], [2, 0.5], [3, 0.4]], "validation dice": [[1, 0.5], [3, 0.6]]}


def tiny(folder: Path, **card: Any) -> Path:
    """A small random network in a folder."""
    architecture = Architecture(ndim=card.pop("ndim", 2), encoder=(2,), decoder=((2,),))
    values: dict[str, Any] = {
        "description": "For tests.", "domain": "noise", "licence": "CC0-1.0",
        "training": {"steps": 3, "curves": CURVES}, "scores": {"dice": 0.6},
    }  # fmt: skip
    network = build(architecture, torch.Generator().manual_seed(0))
    save_model(
        network,
        ModelCard(folder.name, architecture, Space(None, 1.0), **{**values, **card}),
        folder,
    )
    return folder


@pytest.fixture
def dock(
    make_napari_viewer: Any, qtbot: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Any:
    from napari_voxelmorph.gui.models.models_dock import ModelsDock

    monkeypatch.setattr("napari_voxelmorph.engine.shelf.package_folders", list)
    monkeypatch.setenv("NAPARI_VOXELMORPH_SYNC", "1")
    viewer = make_napari_viewer()
    found = ModelsDock(viewer)
    viewer.window.add_dock_widget(found, name="Models", area="right")
    return found


def names(dock: Any) -> list[str]:
    return [dock.list.item(i).text() for i in range(dock.list.count())]


def test_an_empty_shelf_says_how_to_get_a_model(dock):
    assert not dock.empty.isHidden() and dock.list.isHidden() and dock.details.isHidden()
    assert "Train dock" in dock.empty.text() and dock.come.isEnabled()


def test_a_model_comes_and_is_shown(dock, tmp_path):
    dock.work.bring([str(tiny(tmp_path / "first")), str(tiny(tmp_path / "second"))])
    assert names(dock) == ["first", "second"] and dock.list.line.name == "second"
    assert dock.empty.isHidden() and dock.message.kind == "done"
    texts = dock.details.texts()
    assert texts["Trained on"] == "noise" and texts["Licence"] == "CC0-1.0"
    assert "steps: 3" in texts["Training"] and len(texts["SHA-256"]) == 64
    assert [s.name for s in dock.details.curves.series] == ["training", "Dice"]
    dock.list.setCurrentRow(0)
    assert dock.details.name.text() == "first"
    # All that the list shows of it.
    line = dock.list.line
    assert (line.about, line.space, line.score, line.licence) == (
        "noise", "2-D at 1 mm", "Dice 0.600", "CC0-1.0",
    )  # fmt: skip
    assert line.size and len(line.hash) == 12


def test_out_to_a_zip_and_in_again(dock, tmp_path, monkeypatch):
    dock.work.bring([str(tiny(tmp_path / "first"))])
    target = tmp_path / "sent.zip"
    monkeypatch.setattr(QFileDialog, "getSaveFileName", lambda *a: (str(target), "Zip file"))
    dock.details.export.click()
    assert target.is_file() and "sent.zip" in dock.message.text.text().replace("\u200b", "")
    monkeypatch.setattr(QFileDialog, "getOpenFileNames", lambda *a: ([str(target)], ""))
    dock.come.menu().actions()[0].trigger()
    assert names(dock) == ["first", "sent"]


def test_rename_remove_and_bring_back(dock, tmp_path, monkeypatch):
    dock.work.bring([str(tiny(tmp_path / "first"))])
    monkeypatch.setattr(QInputDialog, "getText", lambda *a, **k: (" other name ", True))
    dock.details.rename.click()
    assert names(dock) == ["other name"]
    monkeypatch.setattr(QInputDialog, "getText", lambda *a, **k: ("../away", True))
    dock.details.rename.click()
    assert dock.message.kind == "error" and names(dock) == ["other name"]
    dock.details.remove.click()
    assert names(dock) == [] and not dock.empty.isHidden() and not dock.back.isHidden()
    dock.back.click()
    assert names(dock) == ["other name"] and dock.back.isHidden()


def test_damaged_and_foreign_files(dock, tmp_path):
    dock.work.bring([str(tiny(tmp_path / "good"))])
    foreign = tmp_path / "evil.zip"
    foreign.write_bytes(b"PK not a zip")
    dock.work.bring([str(foreign)])
    assert dock.message.kind == "error" and "evil.zip" in dock.message.text.text()
    assert "Traceback" not in dock.message.text.text() and names(dock) == ["good"]
    (tmp_path / "models" / "good" / INDEX).write_text("{}")
    shelf_events.changed.emit("")
    dock.list.viewport().grab()  # painting a damaged model raises nothing
    line = dock.list.line
    assert line.problem and line.unsuited == {2: "damaged", 3: "damaged"}
    assert "not written by" in dock.details.texts()["Damaged"]
    assert not dock.details.export.isEnabled() and dock.details.remove.isEnabled()


def test_a_strangers_words_are_not_obeyed(dock, tmp_path):
    folder = tiny(tmp_path / "stranger", domain="<h1>BIG</h1><img src='file:///etc/passwd'>")
    dock.work.bring([str(folder)])
    assert dock.details.texts()["Trained on"].startswith("<h1>BIG</h1>")
    for label in dock.details.card.findChildren(type(dock.details.name)):
        assert label.textFormat() == Qt.TextFormat.PlainText


def test_curves_of_a_stranger():
    bad = {"a": 1, "b": [[1, 2]], "c": [[2, 1], [1, 1]], "d": [["x", 1], [1, None], [1, 1e99]],
           "loss": [[1, 2], "x", [2, 1], [True, 1]]}  # fmt: skip
    assert curves_of({"curves": bad}) == {"loss": [(1.0, 2.0), (2.0, 1.0)]}
    assert curves_of({"curves": [1]}) == {} == curves_of({})


def test_models_of_the_package_stay(dock, tmp_path, monkeypatch):
    packaged = tmp_path / "package"
    packaged.mkdir()
    tiny(packaged / "shipped")
    monkeypatch.setattr("napari_voxelmorph.engine.shelf.package_folders", lambda: [packaged])
    dock.refresh()
    assert names(dock) == ["shipped"]
    assert not dock.details.remove.isEnabled() and not dock.details.rename.isEnabled()
    assert dock.details.export.isEnabled()


def test_files_may_be_dropped(dock, tmp_path):
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(tiny(tmp_path / "dropped")))])
    event = QDropEvent(
        QPointF(5, 5), Qt.DropAction.CopyAction, data, Qt.MouseButton.LeftButton,
        Qt.KeyboardModifier.NoModifier,
    )  # fmt: skip
    dock.dropEvent(event)
    assert names(dock) == ["dropped"]


def test_nothing_widens_the_dock(dock, tmp_path):
    long = "averylongwordwithoutanyplacetobreak" * 8
    folder = tiny(tmp_path / ("n" * 79), domain=long, description=long, licence=long)
    values = json.loads((folder / INDEX).read_text())
    values["training"]["recipe"] = {long: long[:190]}
    (folder / INDEX).write_text(json.dumps(values))
    dock.work.bring([str(folder)])
    assert dock.scroll_area.widget().minimumSizeHint().width() <= 360


def test_closing_the_dock_forgets_the_shelf(dock, tmp_path, qtbot):
    dock.viewer.window.remove_dock_widget(dock)
    dock.deleteLater()
    qtbot.wait(20)
    shelf_events.changed.emit("")  # nobody at home: nothing happens
