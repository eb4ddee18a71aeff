"""A session of the Register dock: what is kept of the window, and a window that shows it again."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from napari_voxelmorph.engine.errors import VoxelMorphError
from napari_voxelmorph.gui.files.sessions import layer_of
from napari_voxelmorph.gui.register.chosen_pair import chosen_pair
from napari_voxelmorph.gui.register.inputs_section import COMPANIONS
from napari_voxelmorph.gui.register.jobs import Outcome, Pair
from napari_voxelmorph.gui.register.session_parts import session_parts_of
from napari_voxelmorph.gui.views.window_view import seen, show_again

if TYPE_CHECKING:
    from napari_voxelmorph.engine.files.session import Session
    from napari_voxelmorph.engine.result import Registration
    from napari_voxelmorph.gui.register.register_dock import RegisterDock

_NOT_RESTORED = "The view could not be restored as it was saved; the result itself is complete."


def session_now(dock: RegisterDock, outcome: Outcome) -> Session:
    """A result with all that the window shows of it, ready to be written."""
    from napari_voxelmorph.engine.files.session import Session

    pair, parts = outcome.pair, session_parts_of(dock.viewer)
    given = {role: getattr(pair, role) for role in COMPANIONS}
    others = {}
    if outcome.tuned_from is not None:
        others["untuned"] = outcome.tuned_from.registration
    window = seen(dock.pair_view)
    if window is not None:
        tuned, reviewed, pins = parts.tuning(), parts.review(), parts.pins()
        before = parts.opened
        if before is not None and before.registration is outcome.registration:
            # A dock that is closed has nothing to say against what was kept before.
            then = before.window or window
            pins = pins if tuned is not None else _pinned(before)
            tuned, reviewed = tuned or then.tuned, reviewed or then.reviewed
        window = replace(window, tuned=tuned, reviewed=reviewed)
        others |= pins
    return Session(
        outcome.registration,
        {role: part for role, part in given.items() if part is not None},
        others,
        outcome.start,
        window,
    )


def _pinned(session: Session) -> dict[str, Registration]:
    return {name: other for name, other in session.others.items() if name != "untuned"}


def choose_inputs(dock: RegisterDock, session: Session) -> Pair:
    """Choose the layers that a session brought, and return them as a pair."""
    inputs, layers = dock.inputs, dock.viewer.layers
    for role in ("moving", "fixed", *COMPANIONS):
        inputs.choose(role, layer_of(session, role, layers))
    registration = session.registration
    try:
        # The very volumes that the dock will find: only then they count as the same pair.
        return replace(chosen_pair(inputs), moving=registration.moving, fixed=registration.fixed)
    except VoxelMorphError:  # a layer was taken away meanwhile
        return pair_of(session)


def pair_of(session: Session) -> Pair:
    """The pair of a session, without layers."""
    parts: dict[str, Any] = dict(session.companions)
    return Pair(session.registration.moving, session.registration.fixed, **parts)


def outcome_of(session: Session, pair: Pair) -> Outcome:
    """The result of a session as one of this window; not measured yet."""
    registration = session.registration
    start = np.eye(registration.ndim + 1) if session.start is None else session.start
    untuned = session.others.get("untuned")
    base = None if untuned is None else Outcome(untuned, pair, start)
    return Outcome(registration, pair, start, tuned_from=base)


def reopen(dock: RegisterDock, session: Session, pair: Pair) -> None:
    """Show a session as the present result, in the view that it was saved in."""
    runner, window = dock.runner, session.window
    outcome = outcome_of(session, pair)
    parts = session_parts_of(dock.viewer)
    parts.opened = session
    runner.take_up(outcome)
    both = (("moving_labels", "fixed_labels"), ("moving_landmarks", "fixed_landmarks"))
    if any(all(getattr(pair, role) is not None for role in roles) for roles in both):
        runner.measure(outcome)
    parts.came.emit()
    problems = list(session.problems)
    if window is not None:
        try:
            show_again(dock.pair_view, window)
        except Exception:  # numbers that are possible, but not for this window
            problems.append(_NOT_RESTORED)
    if problems:
        dock.message.show_text("warning", "\n".join(problems))
