"""λ from one network for every λ: the encoder runs once per pair, the rest once per λ.

In float32, also where bfloat16 is quicker: its rounding differs from λ to λ, and moved a real
brain by more (0.15 voxel in the mean) than a step of the slider (benchmarks/NOTES.md).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from napari_voxelmorph.engine.lambda_sweep.scale import LambdaScale
from napari_voxelmorph.engine.lambda_sweep.source import FieldSteps, Kind, SweepStep
from napari_voxelmorph.engine.networks.hyper import MIDDLE, weight_path
from napari_voxelmorph.engine.networks.network import RegistrationNetwork
from napari_voxelmorph.engine.networks.predict import run
from napari_voxelmorph.engine.networks.pyramid import Features, Pyramid
from napari_voxelmorph.engine.networks.space import Array, Place, Space, conform, place
from napari_voxelmorph.engine.networks.unet import crop
from napari_voxelmorph.engine.result import Registration


@dataclass(frozen=True, eq=False)
class _Conformed:
    """The pair on the model's grid and, of a pyramid, the features of both images."""

    where: Place
    moving: Array
    fixed: Array
    features: tuple[Features, Features] | None


class HyperSource:
    """See `LambdaSource`.

    Parameters
    ----------
    name : str
        Of the model.
    load : callable
        Gives the conditioned network in float32; called once, when it is first needed.
    space : Space
    base : Registration
        The pair and its pre-alignment.
    device : torch.device
    scale : LambdaScale
        Within 0 to 1, the range of the training.
    registered : float
        λ of the base.
    """

    kind: Kind = "hypernetwork"
    members: tuple[float, ...] = ()

    def __init__(
        self,
        name: str,
        load: Callable[[], RegistrationNetwork],
        space: Space,
        base: Registration,
        device: torch.device,
        scale: LambdaScale,
        registered: float = MIDDLE,
    ) -> None:
        self.name, self.scale, self.registered = name, scale, registered
        self._load, self._space, self._base, self._device = load, space, base, device
        self._layout = torch.channels_last_3d if base.ndim == 3 else torch.channels_last
        self._network: RegistrationNetwork | None = None
        self._pair: _Conformed | None = None

    def field(self, value: float) -> FieldSteps:
        """See `LambdaSource.field`."""
        value = self.scale.checked(value)
        if self._network is None:
            yield SweepStep("loading the model", 0.0)
            self._network = self._load()
        others = (MIDDLE,) * (self._network.architecture.hyper - 1)
        plain = self._network.at(value, *others).to(self._device, memory_format=self._layout)  # type: ignore[call-overload]
        if self._pair is None:
            yield SweepStep("reading both images", 0.1)
            self._pair = self._conformed(plain)
        yield SweepStep(f"network, {self.scale.name} {value:.3g}", 0.3)
        data = _matched(plain, self._pair)
        return self._pair.where.field(data, plain.architecture)

    def path(self, positions: NDArray[np.float64]) -> NDArray[np.float64]:
        """The hypernetwork's coordinates, each as long as what it adds to the weights.

        Its ReLUs bend them sharply, in places that few fields would not show.
        """
        if self._network is None:
            self._network = self._load()
        return weight_path(self._network, [self.scale.value(p) for p in positions])

    def _conformed(self, plain: RegistrationNetwork) -> _Conformed:
        base, space = self._base, self._space
        where = place(space, base.fixed)
        moving = conform(base.moving, base.fixed, where, space, base.affine)
        fixed = conform(base.fixed, base.fixed, where, space)
        if not isinstance(plain, Pyramid):
            return _Conformed(where, moving, fixed, None)
        return _Conformed(where, moving, fixed, (_encoded(plain, moving), _encoded(plain, fixed)))


@torch.inference_mode()
def _encoded(network: Pyramid, image: Array) -> Features:
    weight = next(network.parameters())
    tensor: Tensor = torch.from_numpy(image)[None, None].to(weight.device, weight.dtype)
    return network.encode(tensor)


@torch.inference_mode()
def _matched(network: RegistrationNetwork, pair: _Conformed) -> Array:
    """The field (D, *Sg) in float32."""
    if pair.features is None or not isinstance(network, Pyramid):
        return run(network, pair.moving, pair.fixed)
    shape = tuple(-(-n // network.architecture.scale) for n in pair.fixed.shape)
    found = crop(network.match(*pair.features), shape)[0, : network.architecture.ndim]
    data: Array = found.float().cpu().contiguous().numpy()
    return data
