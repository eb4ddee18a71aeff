"""Small pairs with the true answer, and short trainings on them."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from napari_voxelmorph.engine.networks.space import Space
from napari_voxelmorph.engine.training.config import TrainingConfig
from napari_voxelmorph.engine.training.events import TrainedModel, TrainingStep
from napari_voxelmorph.engine.training.loop import train
from napari_voxelmorph.engine.training.samples import PairsInMemory, Sample

#: Two squeezed discs in one another.
LABELS = (10, 20)
#: Short enough for a test; one precision, so that numbers can be compared.
QUICK = TrainingConfig(
    steps=20,
    validate_every=10,
    warm_up=2,
    learning_rate=3e-3,
    smoothness=0.1,
    radius=2,
    decay="constant",
    precision="float32",
    device="cpu",
)


def make_sample(shape: tuple[int, ...], seed: int = 0, size: float = 2.0) -> Sample:
    """A textured disc; ``fixed(x) = moving(x + u(x))`` exactly, u of `size` voxels."""
    generator = torch.Generator().manual_seed(seed)
    phase = 6.28 * torch.rand(len(shape), generator=generator)
    axes = [torch.arange(n, dtype=torch.float32) for n in shape]
    grid = torch.stack(torch.meshgrid(*axes, indexing="ij"))

    def bend(x: torch.Tensor) -> torch.Tensor:
        waves = [
            torch.sin(2 * torch.pi * x[d - 1] / shape[d - 1] + phase[d]) for d in range(len(shape))
        ]
        return size * torch.stack(waves)

    def radius(x: torch.Tensor) -> torch.Tensor:
        away = [(x[d] - n / 2) / (0.38 * n) for d, n in enumerate(shape)]
        return torch.stack(away).square().sum(0).sqrt()

    def image(x: torch.Tensor) -> torch.Tensor:
        r = radius(x)
        texture = 0.2 * torch.sin(x.sum(0) / 2) * torch.sin(x[0] / 1.5)
        return (torch.sigmoid(8 * (1 - r)) * (0.5 + texture) + 0.3 * torch.sigmoid(12 * (0.5 - r)))[
            None
        ]

    def labels(x: torch.Tensor) -> torch.Tensor:
        r = radius(x)
        return ((r < 1).short() + (r < 0.5).short()).to(torch.int16)

    u = bend(grid)
    points = torch.rand(8, len(shape), generator=generator) * 0.5 + 0.25
    points = points * torch.tensor(shape, dtype=torch.float32)
    return Sample(
        image(grid),
        image(grid + u),
        labels(grid),
        labels(grid + u),
        points + bend(points.T).T,
        points,
        u,
        (f"moving {seed}", f"fixed {seed}"),
    )


def make_source(shape: tuple[int, ...] = (32, 28), count: int = 1) -> PairsInMemory:
    """`count` training pairs, of which the first is validated on too."""
    samples = [make_sample(shape, seed) for seed in range(count)]
    space = Space(spacing=None, percentile=0)
    return PairsInMemory(samples, samples[:1], LABELS, space, {"licence": "CC0-1.0"})


def finish(steps: Iterator[TrainingStep]) -> tuple[list[TrainingStep], TrainedModel]:
    """Run to the end; all steps, and the model."""
    seen = []
    while True:
        try:
            seen.append(next(steps))
        except StopIteration as end:
            return seen, end.value


@pytest.fixture(name="make_sample")
def make_sample_fixture() -> Callable[..., Sample]:
    return make_sample


@pytest.fixture(name="make_source")
def make_source_fixture() -> Callable[..., PairsInMemory]:
    return make_source


@pytest.fixture(name="finish")
def finish_fixture() -> Callable[..., tuple[list[TrainingStep], TrainedModel]]:
    return finish


@pytest.fixture
def quick() -> TrainingConfig:
    return QUICK


@pytest.fixture
def short(tmp_path: Path) -> Callable[..., tuple[list[TrainingStep], TrainedModel]]:
    """``short(source, network="pyramid", ...)``: a short training with these parameters."""

    def run(source: PairsInMemory, **values: object) -> tuple[list[TrainingStep], TrainedModel]:
        return finish(train(source, replace(QUICK, **values), tmp_path / "run"))

    return run
