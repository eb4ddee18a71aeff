"""Saved results that come in through napari's readers: the layers carry them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from napari_voxelmorph.gui.views.display import KEY

if TYPE_CHECKING:
    from napari_voxelmorph.engine.files.session import Session
    from napari_voxelmorph.gui.views.landmark_layer import LayerData

#: Where the fixed layer of a session keeps it, and the others their part in it.
_WHOLE, _PART = "session", "part of session"


def session_of(layer: Any) -> Session | None:
    """The session that a layer brings into the window, or None; the fixed image brings it."""
    return _kept(layer).get(_WHOLE)


def layer_of(session: Session, role: str, layers: Iterable[Any]) -> Any:
    """The layer that is an input of a session ("moving", "fixed_labels"...), or None."""
    for layer in layers:
        kept = _kept(layer)
        if kept.get(_WHOLE) is session and role == "fixed":
            return layer
        part = kept.get(_PART)
        if part is not None and part[0] is session and part[1] == role:
            return layer
    return None


def session_layers(folder: str) -> list[LayerData]:
    """Fixed and moved in the colours of the overlay; the other inputs are there, hidden.

    The fixed layer carries the whole session with it, for a Register dock to show.
    """
    from napari_voxelmorph.engine import files
    from napari_voxelmorph.engine.geometry.volume import Volume
    from napari_voxelmorph.gui.views.display import layer_from_volume
    from napari_voxelmorph.gui.views.landmark_layer import landmark_layer

    session = files.open_session(folder)
    registration = session.registration
    parts = {"moving": layer_from_volume(registration.moving, visible=False)}
    for role, part in session.companions.items():
        image = registration.moving if role.startswith("moving") else registration.fixed
        words = role.replace("_", " ").capitalize()
        if isinstance(part, Volume):
            parts[role] = layer_from_volume(part, visible=False)
        else:
            data, look, kind = landmark_layer(words, part, image)
            parts[role] = data, {**look, "visible": False}, kind
    for role, (_, look, _) in parts.items():
        look["metadata"] = {**look.get("metadata", {})}
        look["metadata"][KEY] = {**look["metadata"].get(KEY, {}), _PART: (session, role)}
    fixed = layer_from_volume(registration.fixed, colormap="magenta", blending="additive")
    fixed[1]["metadata"][KEY][_WHOLE] = session
    moved = layer_from_volume(registration.moved, colormap="green", blending="additive")
    return [*parts.values(), fixed, moved]


def _kept(layer: Any) -> Mapping[str, Any]:
    kept = layer.metadata.get(KEY)
    return kept if isinstance(kept, Mapping) else {}
