"""What can go wrong for the user, in words the user can act on.

Every message is one or two whole sentences: what was wrong, what was expected,
what to do.  The window, the command line and the Python API show it unchanged.
"""

from __future__ import annotations


class VoxelMorphError(Exception):
    """Base of every error that a user can mend."""


class InputError(VoxelMorphError, ValueError):
    """An image, mask, matrix or parameter cannot be used as it is."""


class SeveralVolumesError(InputError):
    """A file holds several volumes (`count`: time points, channels), and none was chosen."""

    def __init__(self, message: str, count: int) -> None:
        super().__init__(message)
        self.count = count


class FileFormatError(VoxelMorphError, ValueError):
    """A file is not what its name says, is damaged, or is of an unknown kind."""


class OutputError(VoxelMorphError, OSError):
    """A result could not be written (read-only folder, full disk, ...)."""


class NotEnoughMemoryError(VoxelMorphError, MemoryError):
    """The job needs more memory than the device has; says how much and what helps.

    `voxel_size` (mm), where given: read from their files at this size, the images would fit.
    """

    def __init__(self, message: str, voxel_size: float | None = None) -> None:
        super().__init__(message)
        self.voxel_size = voxel_size


class Cancelled(VoxelMorphError):
    """The user stopped the job; nothing was changed."""
