"""Which λ is proposed, and that folding and silence are heeded."""

from __future__ import annotations

import numpy as np

from napari_voxelmorph.engine.lambda_sweep.knots import Scores
from napari_voxelmorph.engine.lambda_sweep.suggestion import suggest


def scores(similarity, ndv=None, **dice):
    ndv = [0.0] * len(similarity) if ndv is None else ndv
    rows = []
    for i, (s, n) in enumerate(zip(similarity, ndv, strict=True)):
        rows.append(Scores(s, n, {int(k[1:]): v[i] for k, v in dice.items()}))
    return rows


def test_overlap_decides_where_there_are_segmentations():
    rows = scores([0.9, 0.8, 0.7], s3=[0.5, 0.7, 0.6], s8=[0.9, 0.8, 0.2])
    assert suggest(rows).index == 1 and "mean Dice" in suggest(rows).why
    assert suggest(rows, 8).index == 0 and "structure 8" in suggest(rows, 8).why
    assert suggest(rows, 99) is None


def test_without_them_the_stiffest_that_keeps_most_of_the_gain():
    rows = scores([0.90, 0.899, 0.885, 0.7, 0.5])
    assert suggest(rows).index == 2  # 0.5 + 0.95 * 0.4 = 0.88
    assert suggest(scores([0.5, 0.5, 0.5])).index == 2


def test_what_folds_is_passed_over_unless_all_does():
    rows = scores([0.9, 0.8, 0.7], [1.0, 0.05, 0.0], s1=[0.9, 0.6, 0.5])
    assert suggest(rows).index == 1
    rows = scores([0.9, 0.8], [3.0, 2.0], s1=[0.9, 0.6])
    assert suggest(rows).index == 0 and "folds" in suggest(rows).why


def test_nothing_to_go_by():
    assert suggest([]) is None
    assert suggest(scores([np.nan, np.nan])) is None
