"""The columns of uncertainty and confidence: how they fill, and what is looked at again."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from qtpy.QtCore import Qt

from napari_voxelmorph.engine.config import DEFAULT
from napari_voxelmorph.engine.geometry.field import Field
from napari_voxelmorph.engine.geometry.posterior import Posterior
from napari_voxelmorph.engine.review.kept import kept_findings
from napari_voxelmorph.engine.uncertainty import per_structure
from napari_voxelmorph.engine.uncertainty.closed_form import closed_form


def unsure(made):
    """The result with a still field whose posterior is wider at one end."""
    field = Field(np.zeros((3, 12, 13, 11), np.float32), np.full(3, 2.0), np.full(3, 0.5))
    deviation = np.full((3, 12, 13, 11), 0.1, np.float16)
    deviation[:, 6:] = 0.6
    config = replace(DEFAULT, iterations=(2, 2, 2), device="cpu")
    return replace(made.result, field=field, config=config, posterior=Posterior(field, deviation))


@pytest.fixture
def sure(docks):
    """The docks with a result that has a posterior."""
    docks.made = docks.scene()
    docks.register.runner.take_up(docks.outcome_of(docks.made, result=unsure(docks.made)))
    return docks


def values(qa, key):
    return {row.id: row.value(key) for row in qa.judging.rows}


def test_without_an_uncertainty_the_cells_say_how_to_get_it(shown):
    for key in ("uncertainty", "confidence"):
        column = shown.at(key)
        assert not shown.qa.table.isColumnHidden(column)
        assert set(shown.texts(column)) == {"–"}
        tip = shown.qa.table.sorted.index(0, column).data(Qt.ItemDataRole.ToolTipRole)
        assert "uncertainty map" in tip and "Measure the uncertainty" in tip
    # An affine result has no spread at all.
    assert not shown.qa.tools.spread.isEnabled()


def test_a_posterior_gives_the_uncertainty_by_itself(sure):
    found = values(sure.qa, "uncertainty")
    deviation = closed_form(sure.qa.judging.outcome.registration).deviation_block(
        None, sure.made.fixed
    )
    moved = sure.qa.judging.judged.moved.labels
    for label in (17, 53):
        inside = moved == label
        from scipy import ndimage

        rim = ndimage.binary_dilation(inside) & ~ndimage.binary_erosion(inside)
        assert found[label] == pytest.approx(deviation[rim].mean(), rel=0.15)
    assert found[53] > 2 * found[17]
    assert set(sure.texts(sure.at("confidence"))) == {"–"}
    table = sure.qa.table
    table.sortByColumn(sure.at("uncertainty"), Qt.SortOrder.DescendingOrder)
    shown = sure.texts(sure.at("uncertainty"))
    assert shown == sorted(shown, reverse=True) and sure.texts(0)[0].endswith("3")


def test_samples_bring_confidence_and_the_volumes_deviation(sure):
    qa = sure.qa
    assert qa.tools.spread.isEnabled()
    qa.tools.spread_asked.emit()
    confidence = values(qa, "confidence")
    assert all(0 < v <= 1 for v in confidence.values()) and confidence[17] > confidence[53]
    words = sure.texts(sure.at("confidence"))
    assert all(text.split()[1] in ("high", "fair", "low") for text in words)
    spread = sure.register.spread.spread
    told = dict(zip(spread.structures.ids, spread.structures.deviation_ml, strict=True))
    assert values(qa, "size_deviation") == pytest.approx(told)
    assert not qa.tools.spread.isEnabled()
    qa.tools.color.setCurrentIndex(qa.tools.color.findData("confidence"))
    sure.open_outlines()
    colors = sure.layer("moved labels").colormap.color_dict
    assert colors[17][2] > colors[53][2]  # surer: bluer


def test_only_what_changed_is_looked_at_again(sure, monkeypatch):
    asked = []
    real = per_structure.along_surface

    def spy(spread, surface):
        asked.append(surface)
        return real(spread, surface)

    monkeypatch.setattr(per_structure, "along_surface", spy)
    before = values(sure.qa, "uncertainty")
    sure.correct()
    surfaces = sure.qa.judging.judged.moved.surfaces
    assert [s is surfaces[17] for s in asked] == [True]
    after = values(sure.qa, "uncertainty")
    assert after[53] == before[53] and after[17] != before[17]
    # Another result has another spread: everything is looked at.
    asked.clear()
    result = unsure(sure.made)
    sure.register.runner.take_up(sure.outcome_of(sure.made, result=result))
    assert len(asked) >= 3


def test_another_result_without_a_spread_shows_none(sure):
    assert np.isfinite(list(values(sure.qa, "uncertainty").values())).all()
    sure.register.runner.take_up(sure.outcome_of(sure.made))
    assert np.isnan(list(values(sure.qa, "uncertainty").values())).all()


def test_a_large_uncertainty_is_a_reason_to_look(sure):
    assert not any(row.flags for row in sure.qa.judging.rows if row.id != 3)
    limit = values(sure.qa, "uncertainty")
    sure.qa.limits.form.fields["uncertainty"].widget.setValue((limit[17] + limit[53]) / 2)
    flags = {row.id: " ".join(row.flags) for row in sure.qa.judging.rows}
    assert "unsure" in flags[53] and "unsure" not in flags[17]


def test_the_figures_are_kept_for_table_and_report(docks, worklist, tmp_path):
    qa = docks.qa
    qa.reviewing.open(str(worklist))
    made = docks.scene()
    docks.register.runner.take_up(docks.outcome_of(made, result=unsure(made)))
    qa.tools.spread_asked.emit()
    qa.panel.go_on.setChecked(False)
    qa.verdicts.give("review", False)
    kept = kept_findings(worklist.with_name("list.review"), "A").structures
    shown = values(qa, "confidence")
    assert {s.id: s.values["confidence"] for s in kept} == pytest.approx(shown)
    qa.bar.write(str(tmp_path / "out.csv"))
    text = (tmp_path / "out.csv").read_text(encoding="utf-8")
    assert "uncertainty,confidence" in text and f"{shown[17]:.6g}" in text
    qa.bar.write(str(tmp_path / "out.html"))
    page = (tmp_path / "out.html").read_text(encoding="utf-8")
    assert f"{shown[17]:.2f} " in page and "Unsure ± mm" in page
