"""Samples stacked into the tensors of one step, on the training's device."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from napari_voxelmorph.engine.errors import InputError
from napari_voxelmorph.engine.training.samples import Sample


@dataclass(frozen=True, eq=False)
class Batch:
    """B pairs on one grid.

    Parameters
    ----------
    moving, fixed : Tensor (B, 1, *S), float32
    moving_labels, fixed_labels : Tensor (B, *S), int16, or None
        0 everywhere in a pair that has no segmentations; None when no pair has.
    landmarks : tuple of (moving (P, D), fixed (P, D)) or None, one entry per pair
    displacement : Tensor (B, D, *S) or None
        Known displacements; 0 in a pair without.
    known : Tensor (B,)
        1 for pairs with a known displacement, else 0.
    names : tuple of (moving name, fixed name)
    """

    moving: Tensor
    fixed: Tensor
    moving_labels: Tensor | None
    fixed_labels: Tensor | None
    landmarks: tuple[tuple[Tensor, Tensor] | None, ...]
    displacement: Tensor | None
    known: Tensor
    names: tuple[tuple[str, str], ...]

    def __len__(self) -> int:
        return len(self.names)

    def pair(self, b: int) -> Batch:
        """The batch of pair `b` alone."""
        one = slice(b, b + 1)

        def part(tensor: Tensor | None) -> Tensor | None:
            return None if tensor is None else tensor[one]

        return Batch(
            self.moving[one],
            self.fixed[one],
            part(self.moving_labels),
            part(self.fixed_labels),
            self.landmarks[one],
            part(self.displacement),
            self.known[one],
            self.names[one],
        )


def stack(samples: Sequence[Sample], device: torch.device) -> Batch:
    """One batch of these samples.

    Raises
    ------
    InputError
        When a sample's images, segmentations or field are not all on one grid.
    """
    shape = tuple(samples[0].fixed.shape)
    for sample in samples:
        _check(sample, shape)
    return Batch(
        torch.stack([s.moving for s in samples]).to(device),
        torch.stack([s.fixed for s in samples]).to(device),
        _labels([s.moving_labels for s in samples], shape, device),
        _labels([s.fixed_labels for s in samples], shape, device),
        tuple(_landmarks(s, device) for s in samples),
        _displacements(samples, shape, device),
        torch.tensor([float(s.displacement is not None) for s in samples], device=device),
        tuple(s.names for s in samples),
    )


def _check(sample: Sample, shape: tuple[int, ...]) -> None:
    """`shape`: (1, *S), of the first sample's fixed image."""
    grids = {
        "moving image": sample.moving.shape[1:],
        "fixed image": sample.fixed.shape[1:],
        "moving segmentation": None if sample.moving_labels is None else sample.moving_labels.shape,
        "fixed segmentation": None if sample.fixed_labels is None else sample.fixed_labels.shape,
        "known displacement": None
        if sample.displacement is None
        else sample.displacement.shape[1:],
    }
    for what, grid in grids.items():
        if grid is not None and tuple(grid) != shape[1:]:
            raise InputError(
                f"The {what} of the pair “{sample.names[0]}” to “{sample.names[1]}” has "
                f"{'x'.join(map(str, grid))} voxels, and the training's grid has "
                f"{'x'.join(map(str, shape[1:]))}. Bring all images to one grid first."
            )


def _labels(
    maps: Sequence[Tensor | None], shape: tuple[int, ...], device: torch.device
) -> Tensor | None:
    if all(m is None for m in maps):
        return None
    empty = torch.zeros(shape[1:], dtype=torch.int16)
    return torch.stack([empty if m is None else m.to(torch.int16) for m in maps]).to(device)


def _landmarks(sample: Sample, device: torch.device) -> tuple[Tensor, Tensor] | None:
    moving, fixed = sample.moving_landmarks, sample.fixed_landmarks
    if moving is None or fixed is None or len(fixed) == 0:
        return None
    if moving.shape != fixed.shape:
        raise InputError(
            f"The pair “{sample.names[0]}” to “{sample.names[1]}” has {len(moving)} moving and "
            f"{len(fixed)} fixed landmarks. Landmarks belong together by their order: give as many "
            "of both."
        )
    return moving.to(device, torch.float32), fixed.to(device, torch.float32)


def _displacements(
    samples: Sequence[Sample], shape: tuple[int, ...], device: torch.device
) -> Tensor | None:
    if all(s.displacement is None for s in samples):
        return None
    none = torch.zeros(len(shape) - 1, *shape[1:])
    return torch.stack([none if s.displacement is None else s.displacement for s in samples]).to(
        device
    )
