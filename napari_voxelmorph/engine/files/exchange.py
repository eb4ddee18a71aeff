"""Exchange two folders in one step, so that there is no moment without one of them."""

from __future__ import annotations

import ctypes
import os
import sys
from pathlib import Path
from typing import Any

_HERE, _EXCHANGE, _SWAP = -100, 2, 2  # AT_FDCWD, RENAME_EXCHANGE, RENAME_SWAP


def exchange(first: Path, second: Path) -> bool:
    """Exchange what two names stand for; False where the system cannot, and nothing has changed.

    renameat2(2) of Linux, renamex_np(2) of macOS; not on every file system.
    """
    names = os.fsencode(first), os.fsencode(second)
    try:
        library: Any = ctypes.CDLL(None, use_errno=True)
        if sys.platform == "darwin":
            return bool(library.renamex_np(*names, _SWAP) == 0)
        return bool(library.renameat2(_HERE, names[0], _HERE, names[1], _EXCHANGE) == 0)
    except (OSError, AttributeError, TypeError):  # Windows, an old libc
        return False
