"""Work on the window in pieces, one per turn of its event loop, so that it paints between.

napari takes a tenth of a second to add a layer; four of them in one turn are a window that
stands still.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Generator

from qtpy.QtCore import QObject, QTimer

from napari_voxelmorph.gui.background.engine_worker import is_synchronous
from napari_voxelmorph.gui.plain_words import sentence_and_details

#: Yields after each piece: None, or the milliseconds to wait before the next one.
Pieces = Generator[int | None, None, None]


class Turns:
    """Does what was added, in order.  Main thread only.

    Parameters
    ----------
    parent : QObject
        With it the work ends.
    on_error : callable
        Given a sentence and details when a piece fails; the rest of that work is dropped.
    """

    def __init__(self, parent: QObject, on_error: Callable[[str, str], None]) -> None:
        self._on_error = on_error
        self._work: deque[Pieces] = deque()
        self._inside = False
        self._timer = QTimer(parent)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self._on_turn)

    @property
    def waiting(self) -> bool:
        """Whether there is anything left to do."""
        return bool(self._work)

    def add(self, work: Pieces) -> None:
        """Begin `work` in the next turn, after what was added before."""
        self._work.append(work)
        if is_synchronous():
            self.finish()
        elif not self._timer.isActive():
            self._timer.start(0)

    def finish(self) -> None:
        """Do all the rest here and now."""
        while self._work and not self._inside:
            time.sleep((self._next_piece() or 0) / 1000)

    def drop(self) -> None:
        """Forget the rest."""
        while self._work and not self._inside:
            self._work.popleft().close()

    def _on_turn(self) -> None:
        pause = self._next_piece()
        if self._work:
            self._timer.start(pause or 0)

    def _next_piece(self) -> int | None:
        # A piece that handles waiting events (napari's progress does) may come back here.
        if self._inside or not self._work:
            return None
        self._inside = True
        try:
            return next(self._work[0])
        except StopIteration:
            self._work.popleft()
        except Exception as error:
            self._work.popleft()
            self._on_error(*sentence_and_details(error))
        finally:
            self._inside = False
        return None
