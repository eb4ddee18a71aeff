"""The exact result for one λ: what may be measured, saved and believed."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from napari_voxelmorph.engine.evaluation.quality import quality
from napari_voxelmorph.engine.geometry.field import Field
from napari_voxelmorph.engine.geometry.volume import Volume
from napari_voxelmorph.engine.lambda_sweep.source import LambdaSource, SweepStep, nearest_exact
from napari_voxelmorph.engine.result import Registration

Exact = Generator[SweepStep, None, Registration]


def exact(source: LambdaSource, base: Registration, value: float, chosen: str = "") -> Exact:
    """The result of `base`'s pair for λ, integrated and moved, without metrics yet.

    Where the source has only some λ, the nearest of them on the slider.

    Parameters
    ----------
    source : LambdaSource
    base : Registration
    value : float
        λ.
    chosen : str
        How λ was chosen, for the provenance: "by hand", or the suggestion's reason.

    Raises
    ------
    InputError
        When λ is outside the range.
    """
    value = nearest_exact(source, value)
    field: Field = yield from source.field(value)
    yield SweepStep("moving the image", 0.8)
    result = replace(
        base,
        field=field,
        metrics={},
        timings={},
        unrefined=None,
        provenance=_story(source, base, value, chosen),
    )
    _ = result.moved
    return result


def _story(source: LambdaSource, base: Registration, value: float, chosen: str) -> dict[str, Any]:
    story = dict(base.provenance)
    story["created"] = datetime.now(UTC).isoformat(timespec="seconds")
    story["lambda"] = {
        "value": value,
        "called": source.scale.name,
        "range": [source.scale.low, source.scale.high],
        "source": source.kind,
        "name": source.name,
        "chosen": chosen or "by hand",
        "exact": True,
    }
    return story


def with_metrics(
    result: Registration, before: Registration, fixed_mask: Volume | None = None
) -> Registration:
    """The result with its numbers, as every finished run has them.

    Parameters
    ----------
    before : Registration
        How the pair lay when the run began.
    fixed_mask : Volume, optional
    """
    metrics = quality(result, before, fixed_mask)
    changed = replace(result, metrics=metrics)
    changed.__dict__["moved"] = result.moved
    return changed


def tuned_value(result: Registration) -> float | None:
    """The λ that a result was tuned to; None when it was not."""
    told = result.provenance.get("lambda")
    value = told.get("value") if isinstance(told, dict) else None
    return float(value) if isinstance(value, int | float) else None
