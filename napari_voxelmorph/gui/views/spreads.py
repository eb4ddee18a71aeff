"""How uncertain the results of a window are, as far as it is known by now."""

from __future__ import annotations

from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

if TYPE_CHECKING:
    from napari_voxelmorph.engine.result import Registration
    from napari_voxelmorph.engine.uncertainty.spread import Spread


class Spreads:
    """Keeps what was measured for as long as the result lives."""

    def __init__(self) -> None:
        self._measured: WeakKeyDictionary[Registration, Spread] = WeakKeyDictionary()

    def put(self, registration: Registration, spread: Spread) -> None:
        """Keep a measured spread; it takes the place of the closed form."""
        self._measured[registration] = spread

    def is_measured(self, registration: Registration | None) -> bool:
        """Whether there is more than the closed form."""
        return registration in self._measured

    def tells_labels(self, registration: Registration | None) -> bool:
        """Whether it was measured together with a segmentation."""
        found = None if registration is None else self._measured.get(registration)
        return found is not None and found.structures is not None

    def has(self, registration: Registration | None) -> bool:
        """Whether `of` gives anything; costs nothing."""
        if registration is None:
            return False
        return registration.posterior is not None or registration in self._measured

    def of(self, registration: Registration | None) -> Spread | None:
        """The best that is known; of a result with a posterior at least the closed form."""
        if registration is None:
            return None
        found = self._measured.get(registration)
        if found is not None or registration.posterior is None:
            return found
        from napari_voxelmorph.engine.uncertainty.closed_form import closed_form

        return closed_form(registration)
