"""Which scans make a pair: every epoch each scan once as moving and once as fixed."""

from __future__ import annotations

from functools import lru_cache

import numpy as np


def training_pair(number: int, count: int, seed: int) -> tuple[int, int]:
    """Moving and fixed scan (0 to `count` - 1) of training pair `number`.

    An epoch is `count` pairs: the scans are shuffled, and each is paired with the one some
    places further on, so that all are used equally.  Depends on the numbers given only.
    """
    epoch, place = divmod(number, count)
    order, shift = _epoch(epoch, count, seed)
    return order[place], order[(place + shift) % count]


def training_scan(number: int, count: int, seed: int) -> int:
    """The scan that is registered to the atlas in training pair `number`."""
    epoch, place = divmod(number, count)
    return _epoch(epoch, count, seed)[0][place]


@lru_cache(maxsize=16)
def _epoch(epoch: int, count: int, seed: int) -> tuple[tuple[int, ...], int]:
    random = np.random.default_rng([seed, 1, epoch])
    shift = int(random.integers(1, count)) if count > 1 else 0
    return tuple(int(i) for i in random.permutation(count)), shift


def held_out_pairs(count: int, most: int) -> list[tuple[int, int]]:
    """Pairs (moving, fixed) of `count` held-out scans, at most about `most`, always the same.

    Rings: every scan is as often moving as fixed.  With more scans than pairs, evenly spread
    ones are taken.
    """
    if count < 2 or most < 1:
        return []
    size = min(count, max(2, most))
    chosen = [n * count // size for n in range(size)]
    rings = max(1, min(size - 1, most // size))
    return [(a, chosen[(n + r) % size]) for r in range(1, rings + 1) for n, a in enumerate(chosen)]
