"""What a λ slider needs from whoever can compute a field for λ."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from napari_voxelmorph.engine.geometry.field import Field
from napari_voxelmorph.engine.lambda_sweep.scale import LambdaScale

Kind = Literal["hypernetwork", "models", "optimiser"]


@dataclass(frozen=True)
class SweepStep:
    """What is being done now, for whoever watches.

    Parameters
    ----------
    words : str
    fraction : float
        How much is done, 0 to 1.
    partial : callable, optional
        Returns what can be shown already; cheap.
    """

    words: str
    fraction: float
    partial: Callable[[], Any] | None = None


FieldSteps = Generator[SweepStep, None, Field]


class LambdaSource(Protocol):
    """Gives the exact field of one pair for any λ of its range.

    Attributes
    ----------
    kind : "hypernetwork", "models" or "optimiser"
    name : str
        For people: the model's name, or "optimiser".
    scale : LambdaScale
    members : tuple of float
        The only λ that it can compute, rising; empty: every λ of the range.
    registered : float
        The λ of the result that it began from.
    """

    kind: Kind
    name: str
    scale: LambdaScale
    members: tuple[float, ...]
    registered: float

    def field(self, value: float) -> FieldSteps:
        """The field for λ, on the fixed image's axes; may be closed at any yield.

        Parameters
        ----------
        value : float
            λ, in the range.

        Raises
        ------
        InputError
            When λ is outside the range, or not a member.
        """
        ...

    def path(self, positions: NDArray[np.float64]) -> NDArray[np.float64] | None:
        """A curve (N, K) over slider positions (N,) that bends where the field does; cheap.

        None where nothing is known before fields are computed.
        """
        ...


def nearest_exact(source: LambdaSource, value: float) -> float:
    """The λ nearest on the slider that the source can compute exactly; λ itself if it can."""
    value = source.scale.checked(value)
    if not source.members:
        return value
    place = source.scale.position
    return min(source.members, key=lambda m: abs(place(m) - place(value)))


def field_of(steps: FieldSteps) -> Field:
    """Run the steps of a field to their end."""
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value  # type: ignore[no-any-return]
