"""What a spread means for structures, against spreads and answers that are known."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from napari_voxelmorph.engine.evaluation.certainty import Certainty, grade
from napari_voxelmorph.engine.evaluation.flags import Limits, flags_of
from napari_voxelmorph.engine.evaluation.structures import compare, segmented
from napari_voxelmorph.engine.geometry.field import Field
from napari_voxelmorph.engine.geometry.posterior import Posterior
from napari_voxelmorph.engine.geometry.volume import Volume
from napari_voxelmorph.engine.result import Registration
from napari_voxelmorph.engine.review.rows import BY_KEY, rows_of
from napari_voxelmorph.engine.uncertainty.per_structure import agreement, along_surface, certainty
from napari_voxelmorph.engine.uncertainty.sampling import samples, sampling
from napari_voxelmorph.engine.uncertainty.spread import Spread

IDS = (7, 40, 90)


def finish(steps: Any) -> Any:
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value


def spread_of(deviation: Any, scale: Any, offset: Any, ndim: int = 3) -> Spread:
    """Equal in all directions: the deviation (mm) is what is given, on the field's grid."""
    covariance = np.zeros((6, *deviation.shape), np.float32)
    for n in (0, 3, 5)[3 - ndim :]:
        covariance[n] = np.square(deviation)
    return Spread(covariance, np.array(scale, float), np.array(offset, float), "samples")


def boxes(shape: tuple[int, ...]) -> Any:
    labels = np.zeros(shape, np.uint8)
    labels[tuple(slice(4, 10) for _ in shape)] = 7
    labels[tuple(slice(n - 9, n - 3) for n in shape)] = 40
    return labels


@pytest.mark.parametrize("ndim", [2, 3])
def test_a_spread_that_rises_evenly_has_the_value_of_the_middle(ndim: int) -> None:
    shape = (22, 25, 20)[:ndim]
    labels, spacing = boxes(shape), (1.0, 1.5, 2.0)[:ndim]
    # Half as fine as the image, and beside it.
    scale, offset = np.full(ndim, 2.0), np.full(ndim, 0.5)
    grid = np.indices([n // 2 + 2 for n in shape]).astype(float)
    axis = ndim - 1
    values = 0.1 + 0.05 * (offset[axis] + scale[axis] * grid[axis])
    spread = spread_of(values.reshape((1,) * (3 - ndim) + values.shape), scale, offset, ndim)
    seen = segmented(labels, spacing)
    found = finish(certainty(spread, seen, labels))
    for label in (7, 40):
        middle = np.nonzero(labels == label)[axis].mean()
        assert found[label].uncertainty == pytest.approx(0.1 + 0.05 * middle, rel=1e-4)
        assert np.isnan(found[label].confidence) and np.isnan(found[label].size_deviation)


def test_only_the_border_counts_and_by_its_area() -> None:
    labels = np.zeros((30, 24, 24), np.uint8)
    labels[5:25, 8:16, 8:16] = 1
    values = np.zeros(labels.shape)
    values[:15] = 1.0  # half of the border
    values[10:12, 11:13, 11:13] = 100.0  # within
    found = along_surface(spread_of(values, np.ones(3), np.zeros(3)),
                          segmented(labels, (1.0, 1.0, 1.0)).surfaces[1])  # fmt: skip
    assert found == pytest.approx(0.5, abs=0.02)
    # Slabs seen from above: a long side counts as much more than its ends as it is longer.
    seen = segmented(labels, (5.0, 1.0, 1.0)).surfaces[1]
    ends = np.zeros(labels.shape)
    ends[:6], ends[24:] = 1.0, 1.0
    long = along_surface(spread_of(ends, np.ones(3), np.zeros(3)), seen)
    assert long < 0.5 * along_surface(
        spread_of(ends, np.ones(3), np.zeros(3)), segmented(labels, (0.5, 1.0, 1.0)).surfaces[1]
    )


@pytest.fixture(scope="module")
def unsure() -> Any:
    """A result whose answers differ, and what 16 of them say of its labels."""
    rng = np.random.default_rng(4)
    shape = (26, 28, 24)
    labels = boxes(shape)
    labels[12:14, 4:10, 4:10] = 90  # thin
    place = np.diag([1.0, 1.2, 1.5, 1.0])
    mean = Field(rng.normal(0, 0.2, (3, 13, 14, 12)).astype(np.float32), np.full(3, 2.0),
                 np.full(3, 0.5))  # fmt: skip
    image = Volume(rng.random(shape, np.float32), place)
    posterior = Posterior(mean, np.full(mean.data.shape, 0.6, np.float16), smoothing=1.0)
    result = Registration(image, image, np.eye(4), mean, posterior=posterior)
    volume = Volume(labels, place, "labels")
    spread = finish(sampling(result, np.random.default_rng(0), labels=volume))
    answers, sizes = [], []
    for sample in samples(posterior, np.random.default_rng(0), 16):
        field = Field(sample, mean.scale, mean.offset, "displacement")
        answer = replace(result, field=field, posterior=None)
        answers.append(answer.warp(volume, "nearest"))
        parts = (volume.with_data((labels == n).astype(np.float32), kind="image") for n in IDS)
        sizes.append([answer.warp(part).sum() * 1.8 / 1000 for part in parts])
    return result, volume, spread, np.array(answers), np.array(sizes)


def test_confidence_is_the_share_of_voxels_that_answers_agree_on(unsure: Any) -> None:
    result, volume, spread, answers, _ = unsure
    moved = result.warp(volume, "nearest")
    found = agreement(spread.structures, moved)
    assert tuple(sorted(found)) == IDS
    for label, value in found.items():
        inside = moved == label
        expected = (answers[:, inside] == label).mean()
        assert value == pytest.approx(expected, abs=0.01)
        # About the overlap to expect between the result and another answer.
        dice = [2 * (inside & (a == label)).sum() / (inside.sum() + (a == label).sum())
                for a in answers]  # fmt: skip
        assert value == pytest.approx(np.mean(dice), abs=0.06)
    assert found[90] < found[7] < 1
    sure = replace(spread.structures, label=moved, probability=np.ones(moved.shape, np.float16))
    assert set(agreement(sure, moved).values()) == {1.0}


def test_all_figures_of_a_structure(unsure: Any) -> None:
    result, volume, spread, _, sizes = unsure
    moved = result.warp(volume, "nearest")
    seen = segmented(moved, result.fixed.spacing)
    found = finish(certainty(spread, seen, moved))
    for n, label in enumerate(IDS):
        assert found[label].size_deviation == pytest.approx(sizes[:, n].std(), rel=0.03)
        assert found[label].uncertainty > 0.1
    # What is known of a surface is not looked at again; the rest is.
    again = finish(certainty(spread, seen, moved, {7: 5.0}))
    assert again[7].uncertainty == 5.0 and again[40] == found[40]
    # Painted over: the surface is another one, the model's confidence in its own answer is not.
    painted = moved.copy()
    painted[moved == 90] = 7
    edited = finish(certainty(spread, segmented(painted, result.fixed.spacing), moved))
    assert edited[7].confidence == found[7].confidence
    assert edited[7].uncertainty != found[7].uncertainty and np.isnan(edited[90].uncertainty)


def test_words_flags_and_rows() -> None:
    assert [grade(v) for v in (0.95, 0.9, 0.8, 0.2, float("nan"))] == [
        "high", "high", "fair", "low", ""
    ]  # fmt: skip
    poor = Certainty(3.04, 0.31, 0.2)
    text = " ".join(flags_of(None, None, certainty=poor))
    assert "± 3.0 mm" in text and "only 31 % of its voxels" in text
    assert flags_of(None, None, Limits(uncertainty=4, confidence=0.3), poor) == []
    assert flags_of(None, None, certainty=Certainty()) == []
    assert rows_of({}, {}, {}, certainty={5: poor}) == []  # none without numbers of its own
    seen = segmented(boxes((22, 25, 20)), (1.0, 1.0, 1.0))
    rows = rows_of(finish(compare(seen, seen)), {}, {}, certainty={7: poor})
    assert [r.id for r in rows if r.flags] == [7]
    shown = {key: BY_KEY[key].text(rows[0].value(key)) for key in ("uncertainty", "confidence")}
    assert rows[0].id == 7 and shown == {"uncertainty": "3.04", "confidence": "0.31 low"}
    assert BY_KEY["confidence"].text(rows[1].value("confidence")) == "–"
