"""A stage of a network in less memory: slab by slab, or computed again for the gradient.

Neither changes a number.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

#: Results of a stage larger than this many numbers are computed in slabs of about so many.
LARGEST = 2**26
#: The same while training, for a stage that is computed again: it should fit the cache.
LARGEST_AGAIN = 2**22


def in_slabs(
    stage: Callable[..., Tensor],
    inputs: Sequence[Tensor],
    margin: int,
    channels: int,
    unit: int = 1,
) -> Tensor:
    """``stage(*inputs)`` without gradients, cut along the first spatial axis where it is large.

    Parameters
    ----------
    stage : callable
        Convolutions and changes of resolution by whole factors.
    inputs : sequence of Tensor (B, C, n · k, ...)
        The number of planes of the coarsest, over `unit`, divides that of all and of the result.
    margin : int
        Planes of the coarsest input, over `unit`, that a plane of the result looks at on either
        side.  With as many computed in addition, the slabs' results are exactly the whole one's.
    channels : int
        The most channels that the stage holds at the resolution of the largest input.
    unit : int
        Planes that only make sense together: 2 for a stage that halves the resolution.
    """
    if torch.is_grad_enabled():
        return stage(*inputs)
    result = None
    for first, n, part in _slabs(stage, inputs, margin, channels, unit, LARGEST):
        if part.shape[2] == n:
            return part
        if result is None:
            result = _empty(part, n)
        result.narrow(2, first, part.shape[2]).copy_(part)
    assert result is not None
    return result


def again_in_slabs(
    stage: Callable[..., Tensor], image: Tensor, margin: int, channels: int, unit: int = 1
) -> Tensor:
    """`in_slabs` for training: no slab's features are kept, each is computed again.

    For a first stage, whose features are the largest and the cheapest.
    """
    numbers = image.shape[0] * channels * image[0, 0].numel()
    if not torch.is_grad_enabled() or numbers <= LARGEST_AGAIN:
        return in_slabs(stage, [image], margin, channels, unit)

    def again(part: Tensor) -> Tensor:
        return checkpointed(True, stage, part)

    parts = [p for *_, p in _slabs(again, [image], margin, channels, unit, LARGEST_AGAIN)]
    return torch.cat(parts, 2)


def _slabs(
    stage: Callable[..., Tensor],
    inputs: Sequence[Tensor],
    margin: int,
    channels: int,
    unit: int,
    largest: int,
) -> Iterator[tuple[int, int, Tensor]]:
    """First plane of the result, how many it has in all, and the slab that begins there."""
    planes = [tensor.shape[2] for tensor in inputs]
    n = min(planes) // unit
    finest = inputs[planes.index(max(planes))]
    numbers = finest.shape[0] * channels * finest[0, 0].numel()
    # Not thinner than four margins: at most half as much is computed twice.
    thickness = max(-(-n // -(-numbers // largest)), 4 * margin)
    for first in range(0, n, thickness):
        last = min(first + thickness, n)
        low, high = max(first - margin, 0), min(last + margin, n)
        part = stage(
            *(
                tensor.narrow(2, low * (size // n), (high - low) * (size // n))
                for tensor, size in zip(inputs, planes, strict=True)
            )
        )
        factor = part.shape[2] // (high - low)
        kept = part.narrow(2, (first - low) * factor, (last - first) * factor)
        yield first * factor, n * factor, kept


def _empty(like: Tensor, planes: int) -> Tensor:
    """As `like` in type and order in memory, with another number of planes."""
    last = torch.channels_last_3d if like.ndim == 5 else torch.channels_last
    layout = last if like.is_contiguous(memory_format=last) else torch.contiguous_format
    shape = (*like.shape[:2], planes, *like.shape[3:])
    return torch.empty(shape, dtype=like.dtype, device=like.device, memory_format=layout)


def checkpointed(use: bool, function: Callable[..., Tensor], *inputs: Any) -> Tensor:
    """``function(*inputs)``; if `use`, not kept for the backward pass but computed again."""
    if not use or not torch.is_grad_enabled():
        return function(*inputs)
    result: Tensor = checkpoint(function, *inputs, use_reentrant=False)
    return result
