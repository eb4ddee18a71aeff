"""What a network is, apart from its weights: frozen, checked, and plain JSON."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from napari_voxelmorph.engine.errors import InputError
from napari_voxelmorph.engine.networks.unet import Downsampling

Design = Literal["unet", "pyramid"]
Output = Literal["velocity", "displacement"]
_MOST_CHANNELS, _MOST_LEVELS = 4096, 8


@dataclass(frozen=True)
class Architecture:
    """A VoxelMorph network.

    Parameters
    ----------
    ndim : int
        2 or 3.
    encoder, decoder, downsampling
        Of the `UNet`.
    output : "velocity" or "displacement"
        A velocity is integrated by scaling and squaring.
    squarings : int
        Self-compositions while training; a finished field may choose its own number.
    offset : float
        Image voxel that voxel 0 of the field stands for (see `FieldGrid`).  Max-pooling by
        s calls for ``(s - 1) / 2``; the published half-resolution network was trained with 0.
    probabilistic : bool
        A second head gives the logarithm of the variance.
    channels : int
        Of each of the two images.
    design : "unet" or "pyramid"
        The pyramid (`networks.pyramid`) halves once before its encoder, which has one width per
        resolution (1/2, 1/4, ...); its decoder has as many lists, coarsest first, or fewer.
    symmetric : bool
        Exchanging the images negates the velocity exactly: ``v = (g(m, f) - g(f, m)) / 2``.
    hyper : int
        Hyperparameters, λ first, that the weights outside the encoder depend on
        (`networks.hyper`).
    rank : int
        Directions in which those weights vary with them.
    """

    ndim: int = 3
    encoder: tuple[int, ...] = (16, 32, 32, 32)
    decoder: tuple[tuple[int, ...], ...] = ((32,), (32,), (32,), (32, 32, 16, 16))
    downsampling: Downsampling = "max-pool"
    output: Output = "velocity"
    squarings: int = 7
    offset: float = 0.5
    probabilistic: bool = False
    channels: int = 1
    design: Design = "unet"
    symmetric: bool = False
    hyper: int = 0
    rank: int = 4

    def __post_init__(self) -> None:
        object.__setattr__(self, "encoder", _widths(self.encoder, "encoder"))
        if not isinstance(self.decoder, list | tuple):
            raise InputError(
                f"Architecture: decoder must be a list of lists, got {self.decoder!r}."
            )
        decoder = tuple(_widths(widths, "decoder") for widths in self.decoder)
        object.__setattr__(self, "decoder", decoder)
        levels = len(self.encoder)
        if not 1 <= levels <= _MOST_LEVELS or not 1 <= len(decoder) <= levels + 1:
            raise InputError(
                f"Architecture: the encoder needs 1 to {_MOST_LEVELS} widths and the decoder 1 to "
                f"{levels + 1} lists (one more than the encoder has); got {levels} and {len(decoder)}."
            )
        for name, choices in (
            ("ndim", (2, 3)),
            ("downsampling", get_args(Downsampling)),
            ("output", get_args(Output)),
            ("probabilistic", (False, True)),
            ("design", get_args(Design)),
            ("symmetric", (False, True)),
        ):
            value = getattr(self, name)
            if value not in choices or type(value) is not type(choices[0]):
                raise InputError(f"Architecture: {name} must be one of {choices}, got {value!r}.")
        _number("squarings", self.squarings, 0, 12, whole=True)
        _number("offset", self.offset, 0, self.scale - 1)
        _number("channels", self.channels, 1, 64, whole=True)
        _number("hyper", self.hyper, 0, 4, whole=True)
        _number("rank", self.rank, 1, 64, whole=True)
        if self.output != "velocity" and (
            self.probabilistic or self.symmetric or self.design == "pyramid"
        ):
            raise InputError(
                "Architecture: a probabilistic or symmetric network or a pyramid gives a velocity."
            )
        if self.design == "pyramid" and len(decoder) > levels:
            raise InputError("Architecture: a pyramid ends at half resolution or coarser.")

    @property
    def scale(self) -> int:
        """Image voxels per voxel of the field."""
        return int(2 ** (len(self.encoder) + 1 - len(self.decoder)))

    def to_json(self) -> dict[str, Any]:
        """Plain values for `json.dumps`."""
        return {**dataclasses.asdict(self), "decoder": [list(w) for w in self.decoder]}

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Architecture:
        """The architecture that `to_json` wrote.

        Raises
        ------
        InputError
            On a name that this version does not know, or a value that cannot be.
        """
        known = {f.name for f in dataclasses.fields(cls)}
        if not isinstance(values, Mapping) or set(values) - known:
            unknown = sorted(set(values) - known) if isinstance(values, Mapping) else values
            raise InputError(
                f"Architecture: unknown parameters {unknown}; this model needs a newer "
                "napari-voxelmorph."
            )
        return cls(**values)


def _widths(values: Any, name: str) -> tuple[int, ...]:
    if not isinstance(values, list | tuple) or not values:
        raise InputError(f"Architecture: {name} must hold whole numbers, got {values!r}.")
    for value in values:
        _number(name, value, 1, _MOST_CHANNELS, whole=True)
    return tuple(values)


def _number(name: str, value: Any, low: float, high: float, whole: bool = False) -> None:
    kinds: tuple[type, ...] = (int,) if whole else (int, float)
    if type(value) not in kinds or not low <= value <= high:
        what = "a whole number" if whole else "a number"
        raise InputError(
            f"Architecture: {name} must be {what} from {low} to {high}, got {value!r}."
        )


_STRIDED: dict[str, Any] = {"downsampling": "strided", "output": "displacement", "offset": 0.0}
_THREE = ((32,), (32,), (32,))

#: The papers' networks, the half-resolution velocity form, and the coarse-to-fine pyramid.
PRESETS: dict[str, Architecture] = {
    "voxelmorph-1": Architecture(decoder=(*_THREE, (32, 8), (8,)), **_STRIDED),
    "voxelmorph-2": Architecture(decoder=(*_THREE, (32, 32), (16, 16)), **_STRIDED),
    "voxelmorph-diff": Architecture(
        decoder=(*_THREE, (32, 16)), downsampling="strided", offset=0.0, probabilistic=True
    ),
    "velocity": Architecture(),
    "pyramid": Architecture(
        design="pyramid",
        symmetric=True,
        encoder=(16, 24, 32, 48),
        decoder=((48, 48), (48, 32), (32, 32), (24, 24)),
    ),
}
