"""Answers drawn from the posterior, and what they say together.

Samples come in pairs ``μ ± n``: their means cancel the noise to first order, and the noise,
whose smoothing costs as much as an integration, is made once for both.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import replace
from typing import cast

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from napari_voxelmorph.engine.errors import InputError
from napari_voxelmorph.engine.geometry.field import Field, as_3d_field
from napari_voxelmorph.engine.geometry.integration import integrate_array, squarings_for
from napari_voxelmorph.engine.geometry.posterior import Posterior
from napari_voxelmorph.engine.geometry.volume import Volume
from napari_voxelmorph.engine.losses.variational import gaussian_taps
from napari_voxelmorph.engine.parallel import run_slabs
from napari_voxelmorph.engine.result import Registration
from napari_voxelmorph.engine.uncertainty import sample_kernels
from napari_voxelmorph.engine.uncertainty.closed_form import closed_form
from napari_voxelmorph.engine.uncertainty.spread import Spread, SpreadStep, to_millimetres
from napari_voxelmorph.engine.uncertainty.structures import LabelCount

Array = NDArray[np.float32]
Sampling = Generator[SpreadStep, None, Spread]
SAMPLES = 16
#: First step of the integration, voxels of the field: what it gets wrong is the same in
#: every sample, so that it may be longer than for a result.
_STEP = 0.4
#: A border is looked at as far as this many standard deviations.
_REACH = 3.0
#: Voxels on each side over which covariances are averaged, at least; see `steadied`.
_LEAST_BOX = 4


def sampling(
    registration: Registration,
    generator: np.random.Generator,
    count: int = SAMPLES,
    labels: Volume | None = None,
) -> Sampling:
    """Draw answers from the posterior of a result and measure their spread.

    Yields after every sample; may be closed at any of them.

    Parameters
    ----------
    generator : numpy Generator
    count : int
        Samples, an even number.
    labels : Volume, optional
        Moving segmentation, on any grid of the moving world.

    Raises
    ------
    InputError
        When the result has no posterior, or `count` is odd or below 2.
    """
    if count < 2 or count % 2:
        raise InputError(f"sampling: count must be an even number from 2, got {count}.")
    first = closed_form(registration)
    posterior = cast(Posterior, registration.posterior)
    field = posterior.mean
    yield SpreadStep("closed form", 0.0, lambda: first)
    total = Total(field, registration.fixed)
    borders = None
    if labels is not None:
        reach = _REACH * float(np.percentile(first.deviation, 99))
        borders = LabelCount(registration, labels, reach)
    for number, sample in enumerate(samples(posterior, generator, count), 1):
        total.add(sample)
        if borders is not None:
            borders.add(Field(sample, field.scale, field.offset, "displacement"))
        yield SpreadStep(f"sample {number} of {count}", number / count)
    return steadied(total.spread(borders), first, posterior.smoothing)


def steadied(drawn: Spread, guide: Spread, smoothing: float) -> Spread:
    """Covariances of few samples, averaged over their neighbours in the pattern of the guide.

    ``Σ = t (B ∗ Σ_K) / (B ∗ t)`` with the trace t of the closed form and a box B: a ratio that
    varies slowly is all that samples have to tell.  Of 16 samples the standard deviation is off
    by 15 %; so by 5 %, and the closed form alone by 7 % (benchmarks/NOTES.md).
    """
    size = 2 * max(_LEAST_BOX, round(4 * smoothing)) + 1
    trace = guide.covariance[0] + guide.covariance[3] + guide.covariance[5]
    below = _box(trace, size)
    gain = np.divide(trace, below, out=np.zeros_like(trace), where=below > 0)
    covariance = np.stack([_box(part, size) for part in drawn.covariance]) * gain
    return replace(drawn, covariance=covariance)


def _box(image: Array, size: int) -> Array:
    for axis in range(image.ndim):
        image = ndimage.uniform_filter1d(image, size, axis, mode="nearest")
    return image


def samples(posterior: Posterior, generator: np.random.Generator, count: int) -> Iterator[Array]:
    """Displacements (D, *Sg), voxels of the field's grid, in antithetic pairs."""
    mean = posterior.mean.data
    for _ in range(count // 2):
        made = noise(posterior, generator)
        for velocity in (mean + made, mean - made):
            largest = float(np.abs(velocity).max(initial=0.0))
            yield integrate_array(velocity, squarings_for(largest, _STEP))


def noise(posterior: Posterior, generator: np.random.Generator) -> Array:
    """``τ · G ∗ (d ε)``, (D, *Sg); zeros beyond the edge, as the network was trained."""
    shape = posterior.deviation.shape
    made = generator.standard_normal(shape, np.float32)
    made *= posterior.deviation
    made *= np.float32(posterior.temperature)
    if posterior.smoothing > 0:
        taps = gaussian_taps(posterior.smoothing).numpy()
        run_slabs(_smooth, len(made), made, taps, chunks_per_thread=len(made))
    return made


def _smooth(fields: Array, taps: NDArray[np.float64], a: int, b: int) -> None:
    for c in range(a, b):
        for axis in range(fields.ndim - 1):
            fields[c] = ndimage.correlate1d(fields[c], taps, axis, mode="constant")


class Total:
    """Mean and covariance (mm) of displacements as they come.

    Parameters
    ----------
    field : Field
        On whose grid they lie.
    fixed : Volume
    paired : bool
        They come as antithetic pairs, whose mean is known beforehand: the squares are then
        divided by their number, not by one less.
    """

    def __init__(self, field: Field, fixed: Volume, paired: bool = True) -> None:
        self._field, self._paired = field, paired
        self._matrix = to_millimetres(field, fixed).astype(np.float32)
        shape = field.forward.shape[1:]
        self.count = 0
        self.mean = np.zeros((3, *shape), np.float32)
        self._moment = np.zeros((6, *shape), np.float32)
        self._folded = np.zeros(shape, np.float32)

    def add(self, displacement: Array) -> None:
        """One more, (D, *Sg) in voxels of the field's grid."""
        self.count += 1
        u = as_3d_field(displacement)
        run_slabs(
            sample_kernels.add_sample, u.shape[1], u, self._matrix, self.count, self.mean, self._moment,
            self._folded,
        )  # fmt: skip

    def spread(self, borders: LabelCount | None = None) -> Spread:
        """The spread so far."""
        free = max(1, self.count if self._paired else self.count - 1)
        return Spread(
            (self._moment / free).astype(np.float32),
            self._field.scale,
            self._field.offset,
            "samples" if self._paired else "perturbations",
            self.count,
            self._folded / np.float32(max(1, self.count)),
            None if borders is None else borders.structures(self._paired),
        )
