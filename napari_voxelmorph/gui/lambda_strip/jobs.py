"""What the engine thread does for the λ strip.  No Qt here; heavy imports come late."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace
from typing import TYPE_CHECKING

from napari_voxelmorph.gui.lambda_strip.structure_names import names_beside
from napari_voxelmorph.gui.register.jobs import Outcome, measured

if TYPE_CHECKING:
    from napari_voxelmorph.engine.geometry.volume import Volume
    from napari_voxelmorph.engine.lambda_sweep.exact import Exact
    from napari_voxelmorph.engine.lambda_sweep.knots import Knots, Scores
    from napari_voxelmorph.engine.lambda_sweep.source import LambdaSource, SweepStep
    from napari_voxelmorph.engine.lambda_sweep.sources import Sources
    from napari_voxelmorph.engine.lambda_sweep.sweep import Sweep
    from napari_voxelmorph.engine.result import Registration


class LambdaJobs:
    """The methods run in the engine thread only."""

    def sources(self, outcome: Outcome) -> Sources:
        """What can tune a result."""
        from napari_voxelmorph.engine.device import pick_device
        from napari_voxelmorph.engine.lambda_sweep.sources import sources_for

        pair, base = outcome.pair, outcome.registration
        device = pick_device(base.config.device)
        return sources_for(base, (pair.moving_mask, pair.fixed_mask), device)

    def names(self, outcome: Outcome) -> dict[int, str]:
        """What the structures are called."""
        return names_beside(outcome)

    def sweep(self, source: LambdaSource, outcome: Outcome) -> Sweep:
        """The fields over λ, and how good they are."""
        from napari_voxelmorph.engine.lambda_sweep.sweep import sweep

        return sweep(source, outcome.registration, labels_of(outcome))

    def exact(self, source: LambdaSource, outcome: Outcome, value: float, chosen: str) -> Exact:
        """The exact result for λ."""
        from napari_voxelmorph.engine.lambda_sweep.exact import exact

        return exact(source, outcome.registration, value, chosen)

    def measure(self, result: Registration, base: Outcome) -> Outcome:
        """The exact result with all its numbers."""
        from napari_voxelmorph.engine.lambda_sweep.exact import with_metrics

        before = replace(base.registration, affine=base.start, field=None)
        result = with_metrics(result, before, base.pair.fixed_mask)
        return replace(measured(result, base.pair, base.start), tuned_from=base)

    def box(
        self, outcome: Outcome, knots: Knots, block: tuple[slice, ...]
    ) -> Generator[SweepStep, None, list[Scores]]:
        """How good every knot is within a block of the fixed grid."""
        from napari_voxelmorph.engine.lambda_sweep.preview import preview
        from napari_voxelmorph.engine.lambda_sweep.scores import Ruler
        from napari_voxelmorph.engine.lambda_sweep.source import SweepStep

        base = outcome.registration
        ruler = Ruler(base, labels_of(outcome), block)
        found = []
        for number, knot in enumerate(knots.knots):
            yield SweepStep("looking into the box", number / len(knots.knots))
            found.append(ruler.scores(None, preview(base, knots.blend(knot.position))))
        return found


def labels_of(outcome: Outcome) -> tuple[Volume, Volume] | None:
    """Both segmentations of a pair, (moving, fixed), or None."""
    moving, fixed = outcome.pair.moving_labels, outcome.pair.fixed_labels
    return None if moving is None or fixed is None else (moving, fixed)
