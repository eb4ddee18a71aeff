"""What the λ strip says."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from napari_voxelmorph.engine.lambda_sweep.knots import Knots
    from napari_voxelmorph.engine.lambda_sweep.source import LambdaSource
    from napari_voxelmorph.gui.lambda_strip.showing import State

NOTHING = (
    "How stiff shall the deformation be?\n"
    "Register with a model that has λ, or with the optimiser, to tune it here: drag, and watch "
    "every overlay follow."
)
RUNNING = "A registration is running; λ can be tuned when it has ended."
NO_FIELD = "This result has no deformation, so there is no λ to tune. Register with “Deform” on."
LOOKING = "Looking what can be tuned…"
OUTSIDE = "The result of another pair is shown; register, or undo to come back to it."

#: State -> text and colour of the badge, and its explanation.
BADGES: dict[State, tuple[str, str, str]] = {
    "none": ("", "#808080", ""),
    "registered": ("as registered", "#4cae5f", "The result of the run itself, exact."),
    "preview": (
        "≈ preview",
        "#e3b617",
        "Interpolated between computed fields, for the eye only. The exact result follows when "
        "λ rests; only exact results are measured and saved.",
    ),
    "computing": ("computing…", "#e3b617", "No field near this λ yet; it is being computed."),
    "exact": ("✓ exact", "#4cae5f", "Computed for this very λ: measured, and what is saved."),
}

HELP = (
    "Left: loose, follows the images closely, may fold. Right: stiff, smooth. Each curve is over "
    "its own range, measured at the dots on every second voxel; hatched: more than 0.1 % of the "
    "volume is folded. Arrows: 0.01; Page keys: next dot; Space held: compare with a pin."
)


def about_source(source: LambdaSource) -> tuple[str, str]:
    """A source in a drop-down, and its explanation."""
    if source.kind == "hypernetwork":
        return (
            f"{source.name} (λ)",
            "One network for every λ: what it gives by itself, without refinement.",
        )
    if source.kind == "models":
        return (
            source.name,
            "Models that were trained alike with different smoothness; between them the picture "
            "is a preview, at rest λ goes to the nearest of them.",
        )
    return (
        "optimiser",
        "A few steps of the optimiser at half resolution, from the registered result on, under "
        "another smoothness.",
    )


def progress(knots: Knots | None, sweeping: bool, measuring: bool, held: str) -> str:
    """What is under way, or how good the preview is."""
    if held:
        return f"showing pin {held}"
    if measuring:
        return "measuring the exact result…"
    count = 0 if knots is None else len(knots.knots)
    if sweeping:
        return f"computing fields over λ: {count} ready" if count else "computing fields over λ…"
    if knots is None:
        return ""
    error = knots.worst
    if error == error and count > 2:
        return f"{count} fields; between them the preview is right to about {error:.2g} voxel"
    return f"{count} fields"
