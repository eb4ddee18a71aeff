"""The stage of a run in which a trained network gives the deformation, in one pass."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Any

import torch

from napari_voxelmorph.engine.geometry.volume import Matrix, Volume
from napari_voxelmorph.engine.loaded_model import LoadedModel, load
from napari_voxelmorph.engine.model_card import posterior_smoothing
from napari_voxelmorph.engine.model_checks import check_fits
from napari_voxelmorph.engine.networks.hyper import MIDDLE
from napari_voxelmorph.engine.networks.predict import predict
from napari_voxelmorph.engine.result import Registration

CPU = torch.device("cpu")


@dataclass(frozen=True)
class NetworkStep:
    """What is being done now, for whoever watches."""

    level: str
    fraction: float
    similarity: float | None = None


@dataclass(frozen=True)
class Prediction:
    """The network's result, by which model, and where it ran in the end."""

    registration: Registration
    model: LoadedModel
    device: torch.device
    lam: float

    def story(self) -> dict[str, Any]:
        """For the provenance of the result."""
        card = self.model.card
        return {
            "name": self.model.name,
            "folder": str(self.model.folder),
            "sha256": card.sha256,
            "licence": card.licence,
            "device": str(self.device),
        } | ({"lambda": self.lam} if card.architecture.hyper else {})


def predicting(
    name: str,
    moving: Volume,
    fixed: Volume,
    affine: Matrix,
    device: torch.device,
    lam: float = MIDDLE,
) -> Generator[NetworkStep, None, Prediction]:
    """Load a model where it is not loaded yet, and run it once.

    A GPU that has too little memory for it leaves the work to the CPU, and says so.

    Raises
    ------
    InputError
        When there is no such model, or it does not suit the pair.
    FileFormatError, NotEnoughMemoryError
        As `checkpoints.load_model`.
    """
    yield NetworkStep("loading the model", 0.05)
    model = load(name, device, lam)
    check_fits(model.card, fixed)
    yield NetworkStep("one pass", 0.3)
    try:
        found = _predicted(model, moving, fixed, affine)
    except torch.OutOfMemoryError:
        found = None
    if found is None:
        torch.cuda.empty_cache()
        yield NetworkStep("one pass on the CPU: the GPU has too little free memory", 0.4)
        model, device = load(name, CPU, lam), CPU
        found = _predicted(model, moving, fixed, affine)
    return Prediction(found, model, device, lam)


def _predicted(model: LoadedModel, moving: Volume, fixed: Volume, affine: Matrix) -> Registration:
    card = model.card
    return predict(
        model.network,
        card.space,
        moving,
        fixed,
        affine,
        smoothing=posterior_smoothing(card),
        temperature=card.temperature,
    )
