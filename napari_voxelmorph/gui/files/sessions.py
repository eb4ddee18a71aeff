"""Saved results that come in through napari's readers: the layers carry them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from napari_voxelmorph.gui.views.display import KEY

if TYPE_CHECKING:
    from napari_voxelmorph.engine.result import Registration

#: Where a layer of a session keeps its result, by the layer's part in it.
CARRIES = {"fixed": "session", "moving": "session of"}


def session_of(layer: Any) -> Registration | None:
    """The result that a layer brings into the window, or None; the fixed image brings it."""
    return _carried(layer, "fixed")


def layer_of(registration: Registration, role: str, layers: Iterable[Any]) -> Any:
    """The layer that is the fixed or moving image of a result, or None."""
    return next((la for la in layers if _carried(la, role) is registration), None)


def _carried(layer: Any, role: str) -> Registration | None:
    kept = layer.metadata.get(KEY)
    return kept.get(CARRIES[role]) if isinstance(kept, Mapping) else None
