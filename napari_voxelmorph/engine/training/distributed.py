"""Training in several processes: ``torchrun --nproc_per_node=2 -m napari_voxelmorph.cli train``.

torchrun starts the same command several times and numbers the processes.  Each takes its own
pairs of a step, gradients are averaged, so all hold the same weights; process 0 validates
and writes.  The result is that of one process with the batch of all together.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import torch
from torch import Tensor, distributed

from napari_voxelmorph.engine.device import pick_device
from napari_voxelmorph.engine.errors import InputError

#: How long the others wait while process 0 validates and writes.
_PATIENCE = timedelta(hours=6)
#: What gloo and NCCL say when a partner is gone.
_GONE = ("Connection closed by peer", "Connection reset by peer", "remote process exited")


@dataclass(frozen=True)
class Team:
    """The processes of a training; methods do nothing when there is one."""

    rank: int
    size: int
    device: torch.device

    @property
    def chief(self) -> bool:
        """Whether this process validates and writes."""
        return self.rank == 0

    def pair_numbers(self, step: int, steps: int, batch: int) -> Iterator[int]:
        """Numbers of this process' pairs, for the updates after `step`."""
        for s in range(step, steps):
            first = (s * self.size + self.rank) * batch
            yield from range(first, first + batch)

    def average(self, tensors: Iterable[Tensor]) -> None:
        """Replace tensors by their mean over the processes."""
        if self.size > 1:
            some = list(tensors)
            flat = torch.cat([t.reshape(-1) for t in some])
            distributed.all_reduce(flat)
            flat /= self.size
            for t, mean in zip(some, torch.split(flat, [t.numel() for t in some]), strict=True):
                t.copy_(mean.reshape(t.shape))

    def any(self, asked: bool) -> bool:
        """Whether one process at least asks for it; all get the same answer."""
        if self.size == 1:
            return asked
        votes = torch.tensor([float(asked)], device=self.device)
        distributed.all_reduce(votes, distributed.ReduceOp.MAX)
        return bool(votes.item())

    def gather(self, value: Any) -> list[Any]:
        """The (picklable) values of all processes, in every process."""
        if self.size == 1:
            return [value]
        values: list[Any] = [None] * self.size
        distributed.all_gather_object(values, value)
        return values

    def from_chief(self, value: Any) -> Any:
        """The (picklable) value that process 0 has, in every process."""
        if self.size == 1:
            return value
        values = [value]
        distributed.broadcast_object_list(values, src=0)
        return values[0]


@contextmanager
def team(device: str) -> Iterator[Team]:
    """The processes that torchrun started, or this one alone.

    Parameters
    ----------
    device : str
        As `pick_device` takes it; with "auto" or "cuda" every process has a GPU of its own.

    Raises
    ------
    InputError
        When another process is gone: its own words say why.
    """
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1:
        yield Team(0, 1, pick_device(device))
        return
    rank, local = int(os.environ["RANK"]), int(os.environ.get("LOCAL_RANK", "0"))
    picked = pick_device(device)
    if picked.type == "cuda":
        picked = pick_device(f"cuda:{local}")
        torch.cuda.set_device(picked)
    distributed.init_process_group(
        "nccl" if picked.type == "cuda" else "gloo", timeout=_PATIENCE, rank=rank, world_size=size
    )
    try:
        yield Team(rank, size, picked)
    except RuntimeError as error:
        if not any(words in str(error) for words in _GONE):
            raise
        raise InputError(
            "Another process of this training has ended, and this one with it. Go on from the last "
            "checkpoint with --resume."
        ) from error
    finally:
        distributed.destroy_process_group()
