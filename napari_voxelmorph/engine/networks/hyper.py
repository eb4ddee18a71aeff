"""A network for every λ: a small network makes the weights of the large one.

(Hoopes et al., HyperMorph, IPMI 2021.)  There, a linear map of its own makes each weight from 64
to 128 features, which is a hundred times the network's own size.  Here weights are
``w(λ) = w₀ + Σ_k c_k(λ) d_k`` with few directions d_k, and the encoder, which looks at one image
at a time, is the same for all λ: its features are kept while λ moves.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.utils import parametrize

from napari_voxelmorph.engine.errors import InputError

#: Units of the hidden layers (as in SynthMorph's joint model).
_WIDTHS = (32, 32, 32)
#: The first directions, relative to the first weights.
_FIRST = 0.1
#: Balanced: the loss of a training without hyperparameters.
MIDDLE = 0.5


class Hypernetwork(nn.Module):
    """From hyperparameters in [0, 1] to the coordinates c of the weights.

    Attributes
    ----------
    condition : tuple of float
        The hyperparameters for which the network computes now.  Set them before a pass, and
        leave them until its gradient is taken.
    """

    def __init__(self, inputs: int, rank: int, generator: torch.Generator | None = None) -> None:
        super().__init__()
        sizes = (inputs, *_WIDTHS, rank)
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(sizes))
        for layer in self.layers:
            assert isinstance(layer, nn.Linear)
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu", generator=generator)
            nn.init.uniform_(layer.bias, -0.5, 0.5, generator=generator)
        self.condition: tuple[float, ...] = (MIDDLE,) * inputs

    def forward(self) -> Tensor:
        """Coordinates (rank,) for the present condition, in float32."""
        weight: Tensor = self.layers[0].weight  # type: ignore[assignment]
        x = 2 * torch.tensor(self.condition, device=weight.device, dtype=weight.dtype) - 1
        with torch.autocast(weight.device.type, enabled=False):
            for layer in self.layers[:-1]:
                x = torch.relu(layer(x))
            code: Tensor = self.layers[-1](x)
        return code


class Directions(nn.Module):
    """What is added to one tensor of weights; a parametrization of it."""

    def __init__(
        self,
        hypernetwork: Hypernetwork,
        weight: Tensor,
        rank: int,
        generator: torch.Generator | None,
    ) -> None:
        super().__init__()
        # In a tuple, so that it is not a part of every layer's own weights.
        self._owner = (hypernetwork,)
        self.directions = nn.Parameter(torch.empty(rank, weight.numel(), device=weight.device))
        size = 0.0 if weight.is_meta or weight.numel() < 2 else float(weight.detach().std())
        nn.init.normal_(self.directions, 0.0, _FIRST * size / rank**0.5, generator)

    def forward(self, weight: Tensor) -> Tensor:
        """The weights for the present condition."""
        code = self._owner[0]().to(weight.dtype)
        made: Tensor = weight + (code @ self.directions.to(weight.dtype)).reshape(weight.shape)
        return made


def add_hypernetwork(
    network: nn.Module, inputs: int, rank: int, generator: torch.Generator | None = None
) -> None:
    """Make all convolutions outside the encoder depend on `inputs` hyperparameters."""
    hypernetwork = Hypernetwork(inputs, rank, generator)
    for layer in list(_conditioned(network)):
        for name in ("weight", "bias"):
            value = getattr(layer, name)
            if value is not None:
                made = Directions(hypernetwork, value, rank, generator)
                # unsafe: without a trial run, which has no numbers on the meta device.
                parametrize.register_parametrization(layer, name, made, unsafe=True)
    network.hypernetwork = hypernetwork


def _conditioned(network: nn.Module) -> Iterator[nn.Module]:
    for name, layer in network.named_modules():
        if isinstance(layer, nn.Conv2d | nn.Conv3d) and "encoder" not in name.split("."):
            yield layer


def weights_at_condition(network: nn.Module) -> dict[str, Tensor]:
    """All weights by name, those that depend on hyperparameters for the present ones."""
    found = {}
    for path, layer in network.named_modules():
        names = [name for name, _ in layer.named_parameters(recurse=False)]
        if parametrize.is_parametrized(layer):
            names += list(layer.parametrizations)
        for name in names:
            found[f"{path}.{name}" if path else name] = getattr(layer, name).detach()
    return found


def set_condition(network: nn.Module, values: tuple[float, ...]) -> None:
    """Choose the hyperparameters of a network that depends on some.

    Raises
    ------
    InputError
        When it depends on none, or on another number of them, or one is not within 0 to 1.
    """
    hypernetwork = getattr(network, "hypernetwork", None)
    if not isinstance(hypernetwork, Hypernetwork):
        raise InputError("This model was trained for one λ only: choose a model with a λ.")
    wanted = len(hypernetwork.condition)
    if len(values) != wanted or not all(0.0 <= value <= 1.0 for value in values):
        raise InputError(
            f"This model takes {wanted} hyperparameter(s) from 0 to 1; got "
            f"{', '.join(f'{v:g}' for v in values) or 'none'}."
        )
    hypernetwork.condition = tuple(float(value) for value in values)


@torch.inference_mode()
def weight_path(network: nn.Module, values: Sequence[float]) -> NDArray[np.float64]:
    """How the weights move with the first hyperparameter: coordinates (N, rank).

    Each coordinate is multiplied by the length of its direction, so that distances are those
    of the weights where the directions are orthogonal.  Other hyperparameters are `MIDDLE`.
    """
    hypernetwork = network.hypernetwork
    assert isinstance(hypernetwork, Hypernetwork)
    lengths = sum(
        part.directions.float().flatten(1).square().sum(1)
        for part in network.modules()
        if isinstance(part, Directions)
    )
    before, found = hypernetwork.condition, []
    for value in values:
        hypernetwork.condition = (float(value), *(MIDDLE,) * (len(before) - 1))
        found.append(hypernetwork().float().cpu())
    hypernetwork.condition = before
    path: NDArray[np.float64] = (
        (torch.stack(found) * torch.as_tensor(lengths).sqrt().cpu()).double().numpy()
    )
    return path
