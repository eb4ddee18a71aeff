"""What a session keeps of the λ strip, and a strip that takes it up again."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from napari_voxelmorph.engine.errors import InputError
from napari_voxelmorph.gui.lambda_strip.showing import Pin, Showing
from napari_voxelmorph.gui.lambda_strip.tuner import Tuner
from napari_voxelmorph.gui.register.session_parts import session_parts_of

if TYPE_CHECKING:
    from napari_voxelmorph.engine.files.session import Session
    from napari_voxelmorph.engine.files.session_window import Tuned
    from napari_voxelmorph.engine.result import Registration


class Kept:
    """Between the strip of a window and the sessions that are saved and opened in it."""

    def __init__(self, viewer: Any, tuner: Tuner, showing: Showing) -> None:
        self._tuner, self._showing = tuner, showing
        self._taken: Session | None = None
        self._parts = session_parts_of(viewer)
        self._parts.tuning, self._parts.pins = self.tuned, self.pins
        self._parts.came.connect(self.take_up)
        tuner.changed.connect(self.take_up)

    def tuned(self) -> Tuned | None:
        """Where λ and the pins are, and who computes; None while there is nothing to tune."""
        from napari_voxelmorph.engine.files.session_window import Tuned

        source, showing = self._tuner.source, self._showing
        if source is None:
            return None
        pins = {name: pin.value for name, pin in showing.pins.items()}
        return Tuned(source.kind, source.name, showing.value, pins)

    def pins(self) -> dict[str, Registration]:
        """The exact results that are pinned."""
        pins = self._showing.pins
        return {name: pin.result for name, pin in pins.items() if pin.result is not None}

    def take_up(self) -> None:
        """Choose the source of a session that was opened, and set its pins, once they can be."""
        session, tuner = self._parts.opened, self._tuner
        outcome = tuner.present.outcome
        if session is None or session is self._taken or tuner.source is None or outcome is None:
            return
        if outcome.registration is not session.registration:
            return
        tuned = None if session.window is None else session.window.tuned
        if tuned is None:
            self._taken = session
            return
        found = [n for n, s in enumerate(tuner.sources) if (s.kind, s.name) ==
                 (tuned.source, tuned.name)]  # fmt: skip
        if found and tuner.sources[found[0]] is not tuner.source:
            tuner.choose_source(found[0])  # and back here, by `changed`
            return
        self._taken = session
        if found:
            self._pin(session, tuned)
        else:
            tuner.told.emit(
                "warning", f"λ of this session came from “{tuned.name}”, which is not here now: its "
                "pins are left out.", "",
            )  # fmt: skip

    def _pin(self, session: Session, tuned: Tuned) -> None:
        showing, source = self._showing, self._tuner.source
        assert source is not None
        for name, value in tuned.pins.items():
            with suppress(InputError):  # λ that this source has no longer
                position = source.scale.position(source.scale.checked(value))
                showing.pins[name] = Pin(position, value, session.others.get(name))
                showing.pinned.emit(name, showing.pins[name])
        showing.moved.emit()

    def leave(self) -> None:
        """The strip is gone."""
        with suppress(RuntimeError, TypeError):  # the window is gone, and its signals
            self._parts.came.disconnect(self.take_up)
        self._parts.tuning, self._parts.pins = _nothing, dict


def _nothing() -> None:
    """There is no strip."""
