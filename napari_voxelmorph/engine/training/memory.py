"""When the memory does not suffice for a training step."""

from __future__ import annotations

import torch

from napari_voxelmorph.engine.errors import NotEnoughMemoryError

SAVING_MEMORY = (
    "The memory does not suffice for a step: the training goes on with “Save memory”, which takes "
    "longer and changes no result."
)
#: What torch says on the CPU, where it has no error of its own for it.
_ON_THE_CPU = ("can't allocate memory", "not enough memory")


def is_lack_of_memory(error: BaseException) -> bool:
    """Whether torch or Python ran out of memory, and it has not been put into words yet."""
    if isinstance(error, NotEnoughMemoryError):
        return False
    if isinstance(error, torch.OutOfMemoryError | MemoryError):
        return True
    return isinstance(error, RuntimeError) and any(words in str(error) for words in _ON_THE_CPU)
