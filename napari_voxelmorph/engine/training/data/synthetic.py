"""A `PairSource` of synthetic pairs: endless, seeded, from anatomy maps or from pure noise."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from napari_voxelmorph.engine.errors import InputError
from napari_voxelmorph.engine.networks.space import Space
from napari_voxelmorph.engine.synthesis.anatomy_maps import (
    EXTENT,
    ORIENTATION,
    LabelMaps,
    find_maps,
    load_anatomy,
)
from napari_voxelmorph.engine.synthesis.shape_maps import shape_map
from napari_voxelmorph.engine.synthesis.structures import shapes_table
from napari_voxelmorph.engine.synthesis.training_pairs import (
    BRAIN_2MM,
    SHAPES,
    Recipe,
    draw_images,
    known_displacement,
    plan_pair,
    scaled,
)
from napari_voxelmorph.engine.training.samples import Sample

#: Streams of random numbers: training pairs, validation pairs, maps of either.
_TRAIN, _CHECK, _TRAIN_MAP, _CHECK_MAP = range(4)
_RECENT = 8


def _parameter(default: Any, label: str, help: str, **bounds: Any) -> Any:
    return field(default=default, metadata={"label": label, "help": help, **bounds})


@dataclass(frozen=True)
class SyntheticConfig:
    """Which synthetic pairs.  Frozen: change it with `dataclasses.replace`."""

    kind: Literal["anatomy", "shapes"] = _parameter(
        "anatomy", "Made from", "anatomy: a folder of label maps. shapes: pure noise."
    )
    shape: tuple[int, ...] = _parameter((80, 96, 112), "Grid", "Voxels along each axis.")
    spacing: float = _parameter(2.0, "Voxel size", "In mm; of anatomy.", min=0.5, max=4.0, step=0.5)
    maps: str = _parameter("", "Label maps", "Folder of the anatomy maps.")
    held_out: int = _parameter(
        2, "Held-out maps", "Maps that only validation sees.", min=1, max=1000
    )
    labels: int = _parameter(
        20, "Shapes", "Labels of a map of noise shapes.", min=2, max=200, advanced=True
    )
    reuse: int = _parameter(
        32, "Pairs per noise map", "How often a new one is drawn.", min=1, max=10000, advanced=True
    )
    easiest: float = _parameter(
        0.0, "First difficulty", "0: small deformations of one map.", min=0.0, max=1.0, step=0.1
    )
    hardest: float = _parameter(
        1.0, "Last difficulty", "1: two people, the worst of scans.", min=0.0, max=1.0, step=0.1
    )
    ramp: int = _parameter(
        4000, "Ramp", "Pairs from the first to the last difficulty.", min=0, max=10_000_000
    )
    known: bool = _parameter(
        False,
        "Known displacements",
        "Give the true displacement of pairs from one map, for the known-field weight.",
        advanced=True,
    )
    validation: int = _parameter(
        6, "Validation pairs", "From held-out maps.", min=0, max=1000, advanced=True
    )
    seed: int = _parameter(0, "Seed", "The same seed gives the same pairs.", min=0, max=2**31 - 1)


#: What `synthetic_source` knows by name.
PRESETS: dict[str, SyntheticConfig] = {
    "brain-3d": SyntheticConfig(),
    "any-2d": SyntheticConfig(kind="shapes", shape=(256, 256), spacing=1.0),
    "any-3d": SyntheticConfig(kind="shapes", shape=(96, 96, 96), spacing=1.0),
}


def synthetic_source(
    name: str, maps: str = "", device: str = "cpu", cache: Path | None = None, **changes: Any
) -> SyntheticSource:
    """The source of a preset: "brain-3d" (needs `maps`, a folder), "any-2d" or "any-3d".

    Raises
    ------
    InputError
        On an unknown name or parameter, or a folder without maps.
    """
    if name not in PRESETS:
        raise InputError(f"Unknown synthetic data “{name}”: use one of {', '.join(PRESETS)}.")
    unknown = set(changes) - set(SyntheticConfig.__dataclass_fields__)
    if unknown:
        raise InputError(f"Synthetic data has no parameters {sorted(unknown)}.")
    return SyntheticSource(replace(PRESETS[name], maps=str(maps), **changes), device, cache)


class SyntheticSource:
    """Pairs that are made when they are asked for; the same number gives the same pair.

    Parameters
    ----------
    config : SyntheticConfig
    device : str
        Where pairs are painted, and where their tensors are: "cpu" uses compiled kernels.
    cache : path, optional
        Folder that keeps the aligned anatomy maps between runs.
    recipe : Recipe, optional
        Default: `BRAIN_2MM` or `SHAPES`, scaled to the grid.
    """

    def __init__(
        self,
        config: SyntheticConfig,
        device: str = "cpu",
        cache: Path | None = None,
        recipe: Recipe | None = None,
    ) -> None:
        _check(config)
        self.config, self._device = config, device
        anatomy = config.kind == "anatomy"
        if recipe is None:
            recipe = (
                scaled(BRAIN_2MM, 2 / config.spacing)
                if anatomy
                else scaled(SHAPES, max(config.shape) / 256)
            )
        self.recipe = recipe
        self._noise_maps: dict[tuple[int, int], NDArray[np.uint8]] = {}
        if not anatomy:
            self._table = shapes_table(config.labels)
            return
        every = load_anatomy(find_maps(config.maps), min(1.0, config.spacing), cache)
        count = len(every.data) - config.held_out
        if count < 1:
            raise InputError(
                f"{len(every.data)} label maps, of which {config.held_out} are held out, leave "
                "none to train on. Hold out fewer."
            )
        self._table = every.table
        parts = (slice(count), slice(count, None))
        self._anatomy = [
            LabelMaps(every.data[p], every.table, every.spacing, every.names[p]) for p in parts
        ]

    @property
    def space(self) -> Space:
        """Heads: millimetres, axes left, down, front.  Shapes: any image as it is."""
        if self.config.kind == "anatomy":
            return Space(self.config.shape, self.config.spacing, ORIENTATION)
        return Space(None, None, "")

    @property
    def shape(self) -> tuple[int, ...]:
        return self.config.shape

    @property
    def labels(self) -> tuple[int, ...]:
        return self._table.structure_ids

    @property
    def description(self) -> Mapping[str, Any]:
        values = {**asdict(self.config), "shape": list(self.config.shape)}
        # A folder's name may be private; the names of the maps say which they were.
        values["maps"] = list(self._anatomy[0].names) if self.config.kind == "anatomy" else []
        # Through JSON, so that it equals what a run folder holds.
        text = json.dumps({"source": "synthetic", **values, "recipe": asdict(self.recipe)})
        return dict(json.loads(text))

    @property
    def pairs_per_epoch(self) -> int:
        return 100

    def difficulty(self, number: int) -> float:
        """Of a training pair: from `easiest` to `hardest` in `ramp` pairs."""
        c = self.config
        share = min(1.0, number / c.ramp) if c.ramp else 1.0
        return c.easiest + share * (c.hardest - c.easiest)

    def draw(self, number: int) -> Sample:
        rng = self._rng(_TRAIN, number)
        if self.config.kind == "anatomy":
            maps = self._anatomy[0]
        else:
            # One of a few maps; every `reuse` pairs the oldest makes room for a new one.
            oldest = number // self.config.reuse
            maps = self._shapes(_TRAIN_MAP, oldest + int(rng.integers(_RECENT)))
        return self._sample(maps, self.recipe, self.difficulty(number), rng)

    @property
    def validation_count(self) -> int:
        return self.config.validation

    def validation(self, index: int) -> Sample:
        rng = self._rng(_CHECK, index)
        anatomy = self.config.kind == "anatomy"
        maps = self._anatomy[1] if anatomy else self._shapes(_CHECK_MAP, index)
        # Two people, where there are two.
        recipe = replace(self.recipe, two_maps=1.0 if self.recipe.two_maps else 0.0)
        return self._sample(maps, recipe, 1.0, rng)

    def _rng(self, stream: int, number: int) -> np.random.Generator:
        return np.random.default_rng((self.config.seed, stream, number))

    def _shapes(self, stream: int, number: int) -> LabelMaps:
        """The noise map of this number; the latest are kept."""
        key = (stream, number)
        kept = self._noise_maps
        if key not in kept:
            rng = self._rng(stream, number)
            kept[key] = shape_map(self.config.shape, self.config.labels, rng)
            while len(kept) > 2 * _RECENT:
                kept.pop(next(iter(kept)), None)
        return LabelMaps([kept[key]], self._table, 1.0, (f"noise {number}",), wrap=True)

    def _sample(
        self, maps: LabelMaps, recipe: Recipe, difficulty: float, rng: np.random.Generator
    ) -> Sample:
        c = self.config
        plan = plan_pair(maps, c.shape, c.spacing, recipe, difficulty, rng)
        moving, moving_labels = draw_images(plan.moving, c.shape, self._device)
        fixed, fixed_labels = draw_images(plan.fixed, c.shape, self._device)
        return Sample(
            moving,
            fixed,
            moving_labels,
            fixed_labels,
            displacement=known_displacement(plan, c.shape) if c.known else None,
            names=plan.names,
        )


def _check(config: SyntheticConfig) -> None:
    shape = config.shape
    if len(shape) not in (2, 3) or any(type(n) is not int or not 8 <= n <= 1024 for n in shape):
        raise InputError(f"Synthetic data: expected 2 or 3 axes of 8 to 1024 voxels, got {shape}.")
    if config.kind == "anatomy" and (
        len(shape) != 3 or any(n * config.spacing > m for n, m in zip(shape, EXTENT, strict=True))
    ):
        raise InputError(
            f"Synthetic heads need three axes of at most {EXTENT} mm (left, down, front); got "
            f"{shape} voxels of {config.spacing} mm."
        )
