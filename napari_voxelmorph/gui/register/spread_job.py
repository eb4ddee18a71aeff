"""What the engine thread does for the uncertainty map.  No Qt here; heavy imports come late."""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_voxelmorph.engine.geometry.volume import Volume
    from napari_voxelmorph.engine.result import Registration
    from napari_voxelmorph.engine.uncertainty.spread import Spread, SpreadStep


def measured_spread(
    result: Registration,
    labels: Volume | None,
    masks: tuple[Volume | None, Volume | None],
) -> Generator[SpreadStep, None, Spread]:
    """The best spread there is for a result; its pictures are made here, not in the window."""
    from napari_voxelmorph.engine.device import pick_device
    from napari_voxelmorph.engine.uncertainty.measuring import measuring

    spread = yield from measuring(result, labels, masks, pick_device(result.config.device))
    prepare_spread(result, spread)
    return spread


def prepare_spread(result: Registration, spread: Spread | None = None) -> None:
    """Do what is done once per spread, so that its first slice is as quick as every other."""
    if spread is None:
        if result.posterior is None:
            return
        from napari_voxelmorph.engine.uncertainty.closed_form import closed_form

        spread = closed_form(result)
    spread.deviation_block((slice(0, 1),) * result.ndim, result.fixed)
