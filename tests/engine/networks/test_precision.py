"""bfloat16 only where it is right and faster, and never for positions."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor, nn

from napari_voxelmorph.engine.networks import precision
from napari_voxelmorph.engine.networks.architecture import PRESETS, Architecture
from napari_voxelmorph.engine.networks.precision import (
    bfloat16_is_good,
    for_inference,
    inference_precision,
)
from napari_voxelmorph.engine.networks.registry import build

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def asked_anew() -> Iterator[None]:
    bfloat16_is_good.cache_clear()
    yield
    bfloat16_is_good.cache_clear()


class Slow(nn.Module):
    """Convolutions that take some of their time, or are somewhat wrong, in bfloat16."""

    def __init__(self, layers: nn.Module, loops: int, wrong: float) -> None:
        super().__init__()
        self.layers, self.loops, self.wrong = layers, loops, wrong

    def forward(self, x: Tensor) -> Tensor:
        half = x.dtype == torch.bfloat16
        for _ in range(1 if half else self.loops):
            made = self.layers(x.float())
        made = made.to(x.dtype)
        if half and self.wrong:
            made[..., -4:] *= 1 + self.wrong  # one end of a large volume
        return made


@pytest.mark.parametrize(
    ("loops", "wrong", "good"), [(6, 0.0, True), (1, 0.0, False), (6, 0.2, False)]
)
def test_only_when_right_and_faster(
    monkeypatch: pytest.MonkeyPatch, loops: int, wrong: float, good: bool
) -> None:
    trial = precision._trial

    def slow(dtype: torch.dtype, image: Tensor, generator: torch.Generator):  # type: ignore[no-untyped-def]
        layers, _ = trial(torch.float32, image, generator)
        return Slow(layers, loops, wrong), image.to(dtype)

    monkeypatch.setattr(precision, "_trial", slow)
    monkeypatch.setattr(precision, "_has_bfloat16", lambda device: True)
    assert bfloat16_is_good("cpu") is good
    wanted = torch.bfloat16 if good else torch.float32
    assert inference_precision(CPU) == (wanted, torch.channels_last_3d)


def test_a_machine_without_it_is_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precision, "_has_bfloat16", lambda device: False)
    monkeypatch.setattr(precision, "_passes", lambda device: pytest.fail("tested"))
    assert inference_precision(CPU, 2) == (torch.float32, torch.channels_last)
    assert inference_precision(torch.device("mps"))[0] == torch.float32


def test_too_little_memory_for_the_test(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(device: torch.device) -> bool:
        raise torch.OutOfMemoryError("no memory")

    monkeypatch.setattr(precision, "_has_bfloat16", lambda device: True)
    monkeypatch.setattr(precision, "_passes", fails)
    assert not bfloat16_is_good("cpu")


@pytest.mark.parametrize(
    "architecture",
    [PRESETS["pyramid"], PRESETS["voxelmorph-diff"], PRESETS["voxelmorph-2"]],
    ids=["pyramid", "diff", "2"],
)
def test_fields_agree(architecture: Architecture, monkeypatch: pytest.MonkeyPatch) -> None:
    generator = torch.Generator().manual_seed(0)
    network = build(architecture, generator, field_std=0.05).eval()
    pair = torch.rand((2, 1, 1, 16, 20, 18), generator=generator)
    with torch.inference_mode():
        single = network(*pair)
        monkeypatch.setattr(precision, "bfloat16_is_good", lambda device: True)
        network = for_inference(network, CPU)
        assert next(network.parameters()).dtype == torch.bfloat16
        half = network(*pair.bfloat16())
    assert half.dtype == torch.float32
    assert (half - single).abs().mean() < 0.02 * single.abs().mean()
    # Not rounded to the eight bits of bfloat16.
    assert not torch.equal(half, half.bfloat16().float())
