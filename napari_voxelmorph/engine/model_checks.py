"""Does a model suit a pair?  What it cannot do, and what the user should know before a run."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from napari_voxelmorph.engine.errors import InputError
from napari_voxelmorph.engine.geometry.volume import Volume
from napari_voxelmorph.engine.model_card import PROFILE, ModelCard
from napari_voxelmorph.engine.networks.space import Space, content
from napari_voxelmorph.engine.shelf import Entry, shelf

#: Voxels this many times as large, or small, as the model's are far from what it has seen.
_FAR_SPACING = 1.8
#: An image that fills less than this of the model's grid, along an axis, looks small to it.
_SMALL_SHARE = 0.4
#: Profiles of T1 brains of seven sources lie within 0.13 of their middle; T2 and PD ones 0.17
#: and more away from it (FLAIR 0.11: that is not seen).
_OTHER_CONTRAST = 0.15
#: Less of one value than this is not what brain extraction leaves.
_LEAST_BACKGROUND = 0.15
_SAMPLE = 200_000


def misfit(card: ModelCard, ndim: int) -> str:
    """Why a model cannot register images of so many axes, in words; empty when it can."""
    architecture = card.architecture
    if architecture.ndim != ndim:
        return f"for {architecture.ndim}-D images; these are {ndim}-D"
    if architecture.channels != 1:
        return f"for images with {architecture.channels} channels; these have one"
    return ""


def check_fits(card: ModelCard, fixed: Volume, entries: Sequence[Entry] | None = None) -> None:
    """Raise `InputError` when the model cannot register the pair; names the models that can.

    Parameters
    ----------
    entries : sequence of Entry, optional
        Models to offer instead; default: those on the shelf.
    """
    reason = misfit(card, fixed.ndim)
    if not reason:
        return
    known = shelf() if entries is None else entries
    others = [e.name for e in known if e.card is not None and not misfit(e.card, fixed.ndim)]
    cure = f"Models that fit: {', '.join(others)}." if others else "No model on the shelf fits."
    raise InputError(f"The model “{card.name}” is {reason}. {cure} Or register without a model.")


def warnings_for_model(card: ModelCard, moving: Volume, fixed: Volume) -> list[str]:
    """What the user should know before this model registers this pair; empty when all is well."""
    both = (moving, fixed)
    warnings = _voxels(card, both) + _field_of_view(card, fixed)
    if card.space.orientation and fixed.ndim == 3 and not fixed.oriented:
        warnings.append(
            f"The model wants its images turned to {card.space.orientation}, and “{fixed.name}” "
            "does not say where left is: it may be shown to the model the wrong way round."
        )
    return warnings + _contrast(card, both) + _whole_heads(card, both)


def _voxels(card: ModelCard, volumes: Sequence[Volume]) -> list[str]:
    wanted = card.space.spacing
    if wanted is None:
        return []
    ratios = [np.array(volume.spacing) / wanted for volume in volumes]
    far = [
        f"“{v.name}” ({' x '.join(f'{s:.3g}' for s in v.spacing)} mm)"
        for v, ratio in zip(volumes, ratios, strict=True)
        if ratio.max() >= _FAR_SPACING or ratio.min() <= 1 / _FAR_SPACING
    ]
    if not far:
        return []
    return [
        f"The model was made for voxels of {wanted:g} mm, unlike those of {' and '.join(far)}: "
        "expect less of it, and refine the result."
    ]


def _field_of_view(card: ModelCard, fixed: Volume) -> list[str]:
    space = card.space
    if space.shape is None or space.spacing is None or len(space.shape) != fixed.ndim:
        return []
    low, high = content(fixed)
    filled = np.sort((high - low + 1) * np.array(fixed.spacing))
    # Axes are matched by size: the model's own order only matters once they are turned.
    seen = np.sort(np.array(space.shape) * space.spacing)
    if (filled > 1.02 * seen).any():
        return [
            f"The model sees {_mm(seen)} mm, and “{fixed.name}” fills {_mm(filled)} mm: what lies "
            "outside follows its edge."
        ]
    if (filled < _SMALL_SHARE * seen).any():
        return [
            f"“{fixed.name}” fills {_mm(filled)} mm of the {_mm(seen)} mm that the model was made "
            "for: is it the same part of the body?"
        ]
    return []


def _contrast(card: ModelCard, volumes: Sequence[Volume]) -> list[str]:
    if len(card.profile) != len(PROFILE):
        return []
    wanted = np.array(card.profile)
    other = [
        f"“{v.name}”"
        for v in volumes
        if np.abs(wanted - profile(v, card.space)).max() > _OTHER_CONTRAST
    ]
    if not other:
        return []
    return [
        f"The intensities of {' and '.join(other)} are spread otherwise than in the model's "
        "training: another contrast, or another part of the body? Judge the result by eye."
    ]


def _whole_heads(card: ModelCard, volumes: Sequence[Volume]) -> list[str]:
    if "skull-stripped" not in card.domain.lower():
        return []
    whole = [f"“{v.name}”" for v in volumes if _background(v) < _LEAST_BACKGROUND]
    if not whole:
        return []
    seem = "seems to be a whole head" if len(whole) == 1 else "seem to be whole heads"
    return [
        f"The model was trained on skull-stripped scans, and {' and '.join(whole)} {seem}: "
        "extract the brain first, or register without a model."
    ]


def unlike(
    card: ModelCard,
    extents: Sequence[Sequence[float]],
    profiles: Sequence[Sequence[float]],
) -> list[str]:
    """What speaks against training a model further on a cohort; empty when all is well.

    Parameters
    ----------
    extents : sequence of D floats
        Width of each scan's content along its axes, mm.
    profiles : sequence of sequence of float
        `profile` of each scan.
    """
    space, words = card.space, []
    usual = np.sort(np.median([np.sort(e) for e in extents], axis=0))
    if space.shape is not None and space.spacing is not None and len(space.shape) == len(usual):
        seen = np.sort(np.array(space.shape) * space.spacing)
        if (usual > 1.02 * seen).any():
            words.append(
                f"The model sees {_mm(seen)} mm, and the scans fill {_mm(usual)} mm: what lies "
                "outside is not learnt."
            )
        elif (usual < _SMALL_SHARE * seen).any():
            words.append(
                f"The scans fill {_mm(usual)} mm of the {_mm(seen)} mm that the model was made for: "
                "most of its work would be lost on nothing. Are they of the same part of the body?"
            )
    if len(card.profile) == len(PROFILE):
        far = [np.abs(np.array(p) - card.profile).max() > _OTHER_CONTRAST for p in profiles]
        if 2 * sum(far) > len(far):
            words.append(
                "The intensities are spread otherwise than in the model's training: another "
                "contrast? It will have to learn more."
            )
    return words


def profile(volume: Volume, space: Space) -> NDArray[np.float64]:
    """Quantiles (`model_card.PROFILE`) of what is brighter than the background.

    As shares of the value that `space` scales to, so that gain and offset do not count.
    """
    data = np.asarray(volume.data, np.float32).reshape(-1)
    data = data[:: max(1, data.size // _SAMPLE)]
    data = data[np.isfinite(data)]
    if not data.size:
        return np.zeros(len(PROFILE))
    low, high = float(data.min()), float(data.max())
    bright = data[data > low + 1e-3 * (high - low)] - low
    top = float(np.percentile(bright, space.percentile or 99.0)) if bright.size else 0.0
    if top <= 0:
        return np.zeros(len(PROFILE))
    return np.asarray(np.percentile(bright, PROFILE) / top, np.float64)


def _background(volume: Volume) -> float:
    """Share of the voxels that hold the lowest value exactly, as brain extraction leaves it."""
    data = np.asarray(volume.data).reshape(-1)
    data = data[:: max(1, data.size // _SAMPLE)]
    return float((data == data.min()).mean())


def _mm(sizes: NDArray[np.float64]) -> str:
    return " x ".join(f"{s:.0f}" for s in sizes)
