"""Keep Python's garbage collector from stopping the window while a job runs.

With torch and numba loaded, one full collection looks at a million objects and takes a third
of a second, with Python's lock held; and napari asks for one whenever a layer is removed.
What exists when a hold begins is left out of collections until it ends; what is made
meanwhile is collected as always.
"""

from __future__ import annotations

import gc
import threading

_lock = threading.Lock()
_holds = 0


class Hold:
    """Leave old objects out of collections from now until `release`; a context manager too."""

    def __init__(self) -> None:
        global _holds
        self._held = True
        with _lock:
            _holds += 1
            if _holds == 1:
                gc.freeze()

    def release(self) -> None:
        """Collect everything again; calling it twice is harmless."""
        global _holds
        with _lock:
            if not self._held:
                return
            self._held = False
            _holds -= 1
            if _holds == 0:
                gc.unfreeze()

    def __enter__(self) -> Hold:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()
