"""Register a pair: heavy preparation once, then as many runs as wanted.

>>> registrar = Registrar()
>>> registrar.set_pair(moving, fixed)
>>> result = registrar.register()
>>> result.moved.data          # the moving image on the fixed grid
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from napari_voxelmorph.engine.config import DEFAULT, RegistrationConfig
from napari_voxelmorph.engine.device import pick_device
from napari_voxelmorph.engine.errors import InputError
from napari_voxelmorph.engine.estimate import Estimate, check_memory, estimate
from napari_voxelmorph.engine.geometry.volume import Matrix, Volume, check_affine
from napari_voxelmorph.engine.landmarks import (
    LandmarkPairs,
    Points,
    check_use,
    landmark_pairs,
    uses_landmarks,
)
from napari_voxelmorph.engine.loaded_model import card_of
from napari_voxelmorph.engine.model_checks import check_fits
from napari_voxelmorph.engine.pair_checks import check_pair, mask_of
from napari_voxelmorph.engine.result import Registration
from napari_voxelmorph.engine.stages import Run, Stopped, Task, never, run
from napari_voxelmorph.engine.steps import Step

__all__ = ["Registrar", "Registration", "Step"]


class Registrar:
    """Registers one pair of images, as often as wanted.

    Parameters
    ----------
    device : str
        "auto" (a GPU where there is one), "cpu", "cuda", "cuda:1", "mps".
    """

    def __init__(self, device: str = "auto") -> None:
        self.device = pick_device(device)
        self._pair: tuple[Volume, Volume] | None = None
        self._masks: tuple[Volume | None, Volume | None] = (None, None)
        self._points: tuple[Points | None, Points | None] = (None, None)

    def set_pair(
        self,
        moving: Volume,
        fixed: Volume,
        *,
        moving_mask: Volume | None = None,
        fixed_mask: Volume | None = None,
        moving_landmarks: Points | None = None,
        fixed_landmarks: Points | None = None,
    ) -> None:
        """Check a pair and keep it.

        Parameters
        ----------
        moving, fixed : Volume
            The image that is moved, and the one it is moved to.
        moving_mask, fixed_mask : Volume, optional
            Non-zero where the image counts; on the grid of its image.
        moving_landmarks, fixed_landmarks : ndarray (N, D), optional
            Matching points, world RAS mm, paired by their order.  Without both there are none.
            They are used where ``config.landmark_weight`` or ``config.start`` asks for it.

        Raises
        ------
        InputError
            When the pair cannot be registered, with the reason and the cure.
        """
        moving, fixed = check_pair(moving, fixed, moving_mask, fixed_mask)
        self._pair, self._points = (moving, fixed), (moving_landmarks, fixed_landmarks)
        self._masks = (
            None if moving_mask is None else mask_of(moving_mask),
            None if fixed_mask is None else mask_of(fixed_mask),
        )

    def register(
        self,
        config: RegistrationConfig = DEFAULT,
        start: Matrix | None = None,
        on_step: Callable[[Step], None] | None = None,
    ) -> Registration:
        """Run to the end and return the result; `on_step` is called after every iteration."""
        run = self.steps(config, start)
        while True:
            try:
                step = next(run)
            except StopIteration as finished:
                return finished.value  # type: ignore[no-any-return]
            if on_step is not None:
                on_step(step)

    def estimate(self, config: RegistrationConfig = DEFAULT) -> Estimate:
        """Memory (bytes) and time (seconds) that a run will take, roughly."""
        moving, fixed = self._need_pair()
        self._landmarks(config)
        return estimate(fixed, moving, config, self.device)

    def steps(
        self,
        config: RegistrationConfig = DEFAULT,
        start: Matrix | None = None,
        stopped: Stopped = never,
    ) -> Run:
        """Run as a generator of `Step`; its return value is the `Registration`.

        Closing the generator stops the run within one iteration, without a result.

        Parameters
        ----------
        config : RegistrationConfig
        start : ndarray (D + 1, D + 1), optional
            Fixed world to moving world (mm) to begin with, instead of ``config.start``.
        stopped : callable
            Asked between iterations; once it says True, the optimiser ends with the best
            deformation so far, and the run with a result.
        """
        moving, fixed = self._need_pair()
        landmarks = self._landmarks(config)
        if start is not None:
            start = np.array(start, dtype=np.float64)
            check_affine(start, fixed.ndim, "start matrix")
        device = pick_device(config.device) if config.device != "auto" else self.device
        if config.model:
            check_fits(card_of(config.model), fixed)
        check_memory(fixed, moving, config, device)
        moving_mask, fixed_mask = self._masks
        images = (fixed, moving, fixed_mask, moving_mask)
        return run(Task(*images, config, start, device, stopped, landmarks))

    def _landmarks(self, config: RegistrationConfig) -> LandmarkPairs | None:
        """The pairs, where the configuration uses them; raises `InputError` where it cannot."""
        (moving, fixed), pair = self._points, self._need_pair()
        pairs = None
        if moving is not None and fixed is not None and uses_landmarks(config):
            pairs = landmark_pairs(fixed, moving, pair[1])
        check_use(config, pairs)
        return pairs

    def _need_pair(self) -> tuple[Volume, Volume]:
        if self._pair is None:
            raise InputError("No pair yet: call set_pair(moving, fixed) before register().")
        return self._pair
