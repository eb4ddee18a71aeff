"""The spread of answers from slightly other starts, for results without a posterior.

The moving image is shifted and turned a little, in pairs of opposite motions; the pair is
registered again, the known motion undone, and what is left of a difference is the spread
(test-time perturbation).  It says how much the answer hangs on where the search began, and
nothing of errors that every start shares.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.linalg import expm

from napari_voxelmorph.engine.errors import InputError
from napari_voxelmorph.engine.geometry.field import Field
from napari_voxelmorph.engine.geometry.volume import Matrix, Volume
from napari_voxelmorph.engine.landmarks import landmarks_of
from napari_voxelmorph.engine.loaded_model import load
from napari_voxelmorph.engine.networks.predict import predict
from napari_voxelmorph.engine.optimization.deformable import deform
from napari_voxelmorph.engine.result import Registration
from napari_voxelmorph.engine.uncertainty.sampling import Total
from napari_voxelmorph.engine.uncertainty.spread import Spread, SpreadStep
from napari_voxelmorph.engine.uncertainty.structures import LabelCount

Array = NDArray[np.float32]
Masks = tuple[Volume | None, Volume | None]
#: Other starts; an even number.
STARTS = 6
#: Shift per axis, voxels; a rotation moves the border of the image as far.
_SHIFT = 1.0
#: Steps on the middle levels when a network's field is refined.
_REFINING = 10
_REACH = 3.0


def perturbing(
    registration: Registration,
    generator: np.random.Generator,
    count: int = STARTS,
    labels: Volume | None = None,
    masks: Masks = (None, None),
    device: torch.device | None = None,
) -> Generator[SpreadStep, None, Spread]:
    """Register a pair again from other starts and measure how far the answers differ.

    Parameters
    ----------
    registration : Registration
        With a deformation; its method is taken, with few iterations.
    count : int
        Starts, an even number.
    labels : Volume, optional
        Moving segmentation.
    masks : (moving, fixed)
        As it was registered with.
    device : torch.device, optional
        Default: the CPU.

    Raises
    ------
    InputError
        When there is no deformation, or `count` is odd or below 2.
    """
    field = registration.field
    if field is None:
        raise InputError(
            "This result has no deformation, only a pre-alignment: there is no spread to measure."
        )
    if count < 2 or count % 2:
        raise InputError(f"perturbing: count must be an even number from 2, got {count}.")
    device = torch.device("cpu") if device is None else device
    total = Total(field, registration.fixed, paired=False)
    borders = None
    if labels is not None:
        reach = _REACH * _SHIFT * float(np.mean(registration.fixed.spacing))
        borders = LabelCount(registration, labels, reach)
    for number, motion in enumerate(motions(registration.fixed, generator, count)):
        again = _registered(registration, motion, masks, device)
        try:
            while True:
                try:
                    share = next(again)
                except StopIteration as end:
                    found = end.value
                    break
                words = f"registering again, {number + 1} of {count}"
                yield SpreadStep(words, (number + share) / count)
        finally:
            again.close()
        answer = undone(found, motion, field, registration.fixed)
        total.add(answer)
        if borders is not None:
            borders.add(Field(answer, field.scale, field.offset, "displacement"))
    return total.spread(borders)


def motions(fixed: Volume, generator: np.random.Generator, count: int) -> Iterator[Matrix]:
    """Small rigid motions of the fixed world (mm) about the image's centre, each and its inverse."""
    ndim = fixed.ndim
    shift = _SHIFT * float(np.mean(fixed.spacing))
    radius = 0.5 * float(np.max(np.array(fixed.shape) * fixed.spacing))
    there, back = np.eye(ndim + 1), np.eye(ndim + 1)
    there[:-1, -1], back[:-1, -1] = fixed.center, -np.asarray(fixed.center)
    for _ in range(count // 2):
        slope = np.zeros((ndim + 1, ndim + 1))
        turn = generator.normal(0, shift / radius, (ndim, ndim))
        slope[:-1, :-1] = (turn - turn.T) / np.sqrt(2)
        slope[:-1, -1] = generator.normal(0, shift, ndim)
        for sign in (1.0, -1.0):
            yield there @ np.asarray(expm(sign * slope)) @ back


def undone(found: Field, motion: Matrix, field: Field, fixed: Volume) -> Array:
    """Displacement (D, *Sg), voxels of the field's grid, of an answer without its start's motion.

    Fixed voxel x went to ``A⁻¹ P A (x + u(x))`` before the pre-alignment, P the motion.
    """
    shape = field.data.shape[1:]
    u = found.sample(field.offset, field.scale, shape).astype(np.float64)
    index = np.stack(np.meshgrid(*(np.arange(n) for n in shape), indexing="ij"))
    columns = (slice(None), *(None,) * len(shape))
    x = index * field.scale[columns] + field.offset[columns]
    matrix = np.linalg.inv(fixed.affine) @ motion @ fixed.affine
    moved = np.tensordot(matrix[:-1, :-1], x + u, axes=1) + matrix[:-1, -1][columns]
    return ((moved - x) / field.scale[columns]).astype(np.float32)


def _registered(
    base: Registration, motion: Matrix, masks: Masks, device: torch.device
) -> Generator[float, None, Field]:
    """The pair from another start; yields the share that is done."""
    config, affine = base.config, base.affine @ motion
    start, refine = None, True
    iterations = tuple(n // 2 for n in config.iterations)
    if base.ndim == 3:
        iterations = (*iterations[:-1], 0) if len(iterations) > 1 else iterations
    if config.model:
        yield 0.0
        model = load(config.model, device, lambda_of(base))
        found = predict(model.network, model.card.space, base.moving, base.fixed, affine)
        start, refine = found.field, config.refine
        iterations = tuple(min(n, _REFINING) for n in config.refine_iterations)
        if base.ndim == 3 and len(iterations) > 1:
            iterations = (*iterations[:-1], 0)
    if not refine and start is not None:
        return start
    # A network's field is refined in its own kind.
    kind = config.transform if start is None else start.kind
    settings = replace(config, model="", iterations=iterations, transform=kind)
    steps = deform(
        base.fixed, base.moving, affine, settings, device=device, moving_mask=masks[0],
        fixed_mask=masks[1], start=start, landmarks=landmarks_of(base.provenance),
    )  # fmt: skip
    try:
        while True:
            try:
                yield next(steps).fraction
            except StopIteration as end:
                return end.value  # type: ignore[no-any-return]
    finally:
        steps.close()


def lambda_of(registration: Registration) -> float:
    """The λ at which the model of a result ran: tuned afterwards, or as the run had it."""
    told = registration.provenance.get("lambda")
    if isinstance(told, dict) and told.get("source") == "hypernetwork":
        return float(told["value"])
    return registration.config.model_lambda
