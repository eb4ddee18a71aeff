"""A prepared cohort as the pairs of a training."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from napari_voxelmorph.engine.errors import InputError
from napari_voxelmorph.engine.networks.space import Space
from napari_voxelmorph.engine.training.config import TrainingConfig
from napari_voxelmorph.engine.training.data.augment import augmented
from napari_voxelmorph.engine.training.data.changes import plan
from napari_voxelmorph.engine.training.data.config import DEFAULT, DataConfig
from napari_voxelmorph.engine.training.data.lacks import check_lacks, share_a_name
from napari_voxelmorph.engine.training.data.pairing import (
    held_out_pairs,
    training_pair,
    training_scan,
)
from napari_voxelmorph.engine.training.data.prepare import prepare
from napari_voxelmorph.engine.training.data.prepared import Item, Memory, Prepared, Ready
from napari_voxelmorph.engine.training.data.progress import PreparationStep
from napari_voxelmorph.engine.training.data.subject import Cohort, Split
from napari_voxelmorph.engine.training.samples import Sample

_Pair = tuple[Item, Item]


class CohortSource:
    """Pairs of a prepared cohort; a `PairSource`.

    Parameters
    ----------
    prepared : Prepared
    seed : int
        Of the order of the pairs and of the augmentation.
    augmentation : float
        Strength, 0 to 1.
    held_out : int
        At most so many validation pairs.
    memory : int
        Bytes of scans that are kept ready.
    """

    def __init__(
        self,
        prepared: Prepared,
        seed: int = 0,
        augmentation: float = 0.0,
        held_out: int = 10,
        memory: int = 2 * 10**9,
    ) -> None:
        self.prepared, self.seed, self.augmentation = prepared, seed, augmentation
        self._memory = Memory(prepared, memory)
        self._train = prepared.of("train")
        if len(self._train) < (2 if prepared.atlas is None else 1):
            raise InputError(
                "Only one scan is left to train on, and pairs need two. Give more scans the split "
                "train, or register to an atlas."
            )
        self._validation = self._held_out("validation", held_out)
        self._test: dict[int, list[_Pair]] = {}

    @property
    def space(self) -> Space:
        """Grid and intensities of the samples."""
        return self.prepared.space

    @property
    def shape(self) -> tuple[int, ...]:
        """Voxels of every sample."""
        shape = self.prepared.space.shape
        assert shape is not None
        return shape

    @property
    def labels(self) -> tuple[int, ...]:
        """Ids of the structures."""
        return self.prepared.labels

    @property
    def description(self) -> Mapping[str, Any]:
        """JSON values for the card and the run folder."""
        return self.prepared.description

    @property
    def pairs_per_epoch(self) -> int:
        """As many as there are scans to train on."""
        return len(self._train)

    def draw(self, number: int) -> Sample:
        """Training pair of this number, augmented; depends on seed and number only."""
        count = len(self._train)
        if self.prepared.atlas is not None:
            moving = self._train[training_scan(number, count, self.seed)]
            fixed = self.prepared.atlas
        else:
            m, f = training_pair(number, count, self.seed)
            moving, fixed = self._train[m], self._train[f]
        if self.augmentation == 0:
            return self._sample(moving, fixed)
        random = np.random.default_rng([self.seed, 2, number])
        chosen = plan(
            random,
            self.shape,
            self.augmentation,
            self.space.orientation,
            fixed_stays=self.prepared.atlas is not None,
        )
        return augmented(self._sample(moving, fixed), chosen)

    @property
    def validation_count(self) -> int:
        """Held-out pairs."""
        return len(self._validation)

    def validation(self, index: int) -> Sample:
        """A held-out pair, never augmented."""
        return self._sample(*self._validation[index])

    def test_pairs(self, most: int = 1000) -> list[_Pair]:
        """Pairs of the scans of the split `test`."""
        return self._held_out("test", most)

    def sample(self, moving: Item, fixed: Item) -> Sample:
        """Any pair, as it is."""
        return self._sample(moving, fixed)

    def _held_out(self, split: Split, most: int) -> list[_Pair]:
        items = self.prepared.of(split)
        atlas = self.prepared.atlas
        if atlas is not None:
            count = min(len(items), most)
            return [(items[n * len(items) // count], atlas) for n in range(count)]
        if len(items) == 1 and most > 0:
            # With one held-out scan, a known one is its partner.
            partner = self._train[0]
            return [(items[0], partner), (partner, items[0])][:most]
        return [(items[m], items[f]) for m, f in held_out_pairs(len(items), most)]

    def _sample(self, moving: Item, fixed: Item) -> Sample:
        first, second = self._memory.get(moving), self._memory.get(fixed)
        return Sample(
            _image(first),
            _image(second),
            _labels(first),
            _labels(second),
            *_common_landmarks(moving, fixed),
            displacement=_displacement(first) if fixed is self.prepared.atlas else None,
            names=(moving.name, fixed.name),
        )


def cohort_source(
    prepared: Prepared, config: TrainingConfig, data: DataConfig = DEFAULT
) -> CohortSource:
    """The pairs of a prepared cohort for a training.

    Raises
    ------
    InputError
        When the recipe weighs what no pair has.
    """
    check_lacks(config, *_offers(prepared))
    return CohortSource(
        prepared, config.seed, config.augmentation, data.held_out_pairs, int(data.memory * 1e9)
    )


def _offers(prepared: Prepared) -> tuple[bool, bool]:
    """Whether there are landmarks of one name, and known transforms, to train on."""
    items, atlas = prepared.of("train"), prepared.atlas
    return share_a_name([i.landmarks for i in items], None if atlas is None else atlas.landmarks), (
        atlas is not None and any(i.supervised for i in items)
    )


def preparing(
    cohort: Cohort,
    config: TrainingConfig,
    folder: Path,
    data: DataConfig = DEFAULT,
    space: Space | None = None,
) -> Generator[PreparationStep, None, CohortSource]:
    """`prepare`, and then the pairs: what the window and the command line run before a training."""
    prepared = yield from prepare(cohort, folder, data, seed=config.seed, space=space)
    return cohort_source(prepared, config, data)


def _image(ready: Ready) -> Tensor:
    return torch.from_numpy(ready.image[None].copy())


def _labels(ready: Ready) -> Tensor | None:
    return None if ready.labels is None else torch.from_numpy(ready.labels.copy())


def _displacement(ready: Ready) -> Tensor | None:
    known = ready.displacement
    return None if known is None else torch.from_numpy(known.astype(np.float32))


def _common_landmarks(moving: Item, fixed: Item) -> tuple[Tensor | None, Tensor | None]:
    """Those of one name."""
    names = [name for name in fixed.landmarks if name in moving.landmarks]
    if not names:
        return None, None
    first, second = (
        torch.from_numpy(np.array([item.landmarks[n] for n in names], np.float32))
        for item in (moving, fixed)
    )
    return first, second
