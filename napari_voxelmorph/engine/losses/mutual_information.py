"""Mutual information by Parzen windows, differentiable in both images.

Every intensity is shared among the bins by a Gaussian of half a bin's width (Wells et al.,
1996).  The joint histogram is a matrix product, taken in chunks that are computed again
on the way back, so that memory does not grow with bins times voxels.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint

from napari_voxelmorph.engine.losses.masking import check_pair

#: Voxels whose Parzen weights are in memory at once.
CHUNK = 1 << 18
#: Standard deviation of the Parzen window, in bins.
WIDTH = 0.5

Range = tuple[float, float]


def mutual_information(
    fixed: Tensor,
    moved: Tensor,
    mask: Tensor | None = None,
    *,
    bins: int = 32,
    ranges: tuple[Range, Range] | None = None,
) -> Tensor:
    """Mutual information H(fixed) + H(moved) - H(fixed, moved) in nats, mean over the batch.

    Larger is better: minimise its negative.

    Parameters
    ----------
    fixed, moved : Tensor (B, C, *S)
        The channels count as further samples.
    mask : Tensor (B or 1, C or 1, *S), optional
        Weights of the samples.
    bins : int
        Number of bins of each image.
    ranges : ((low, high), (low, high)), optional
        Intensities of the first and last bin of `fixed` and `moved`; what lies beyond counts
        as the end.  Default: the extremes within the mask, taken as constants.

    Returns
    -------
    Tensor ()
        0 when one of the images is constant.

    Raises
    ------
    InputError
        On shapes that do not match.
    """
    entropies = _entropies(fixed, moved, mask, bins, ranges)
    return (entropies[:, 0] + entropies[:, 1] - entropies[:, 2]).mean()


def normalized_mutual_information(
    fixed: Tensor,
    moved: Tensor,
    mask: Tensor | None = None,
    *,
    bins: int = 32,
    ranges: tuple[Range, Range] | None = None,
) -> Tensor:
    """(H(fixed) + H(moved)) / H(fixed, moved), from 1 to 2 (Studholme et al., 1999).

    Parameters and errors as for `mutual_information`; 1 when both images are constant.
    """
    entropies = _entropies(fixed, moved, mask, bins, ranges)
    tiny = 1e-6
    return ((entropies[:, 0] + entropies[:, 1] + tiny) / (entropies[:, 2] + tiny)).mean()


def _entropies(
    fixed: Tensor,
    moved: Tensor,
    mask: Tensor | None,
    bins: int,
    ranges: tuple[Range, Range] | None,
) -> Tensor:
    """H(fixed), H(moved), H(fixed, moved) of each pair of the batch, (B, 3)."""
    fixed, moved = check_pair(fixed, moved, mask, "mutual_information")
    rows = []
    for b in range(len(fixed)):
        f, m = fixed[b].flatten(), moved[b].flatten()
        if mask is None:
            weights = torch.ones_like(f)
        else:
            weights = mask[b if len(mask) > 1 else 0].to(f.dtype).expand_as(fixed[b]).flatten()
            inside = weights > 0
            f, m, weights = f[inside], m[inside], weights[inside]
        joint = _joint(
            _in_bins(f, bins, ranges and ranges[0]),
            _in_bins(m, bins, ranges and ranges[1]),
            weights,
            bins,
        )
        rows.append(torch.stack([_entropy(joint.sum(1)), _entropy(joint.sum(0)), _entropy(joint)]))
    return torch.stack(rows)


def _in_bins(values: Tensor, bins: int, limits: Range | None) -> Tensor:
    """Intensities as positions 0 ... bins - 1, (N,)."""
    if limits is None:
        if not len(values):
            return values
        low, high = values.detach().min(), values.detach().max()
    else:
        low, high = values.new_tensor(limits[0]), values.new_tensor(limits[1])
    span = (high - low).clamp(min=torch.finfo(values.dtype).tiny)
    return ((values - low) / span).clamp(0, 1) * (bins - 1)


def _joint(fixed: Tensor, moved: Tensor, weights: Tensor, bins: int) -> Tensor:
    """Joint histogram (bins, bins) of positions (N,), summing to 1."""
    total = fixed.new_zeros(bins, bins)
    for start in range(0, len(fixed), CHUNK):
        part = slice(start, start + CHUNK)
        total = total + checkpoint(
            _count, fixed[part], moved[part], weights[part], bins, use_reentrant=False
        )
    return total / total.sum().clamp(min=torch.finfo(total.dtype).tiny)


def _count(fixed: Tensor, moved: Tensor, weights: Tensor, bins: int) -> Tensor:
    centers = torch.arange(bins, dtype=fixed.dtype, device=fixed.device)

    def share(positions: Tensor) -> Tensor:  # (N,) -> (N, bins)
        return torch.softmax(-0.5 * ((positions[:, None] - centers) / WIDTH) ** 2, dim=1)

    return (share(fixed) * weights[:, None]).T @ share(moved)


def _entropy(p: Tensor) -> Tensor:
    return -(p * p.clamp(min=1e-12).log()).sum()
