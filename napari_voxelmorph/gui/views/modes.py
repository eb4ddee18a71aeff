"""The six ways of looking at a pair: which layers are open, in which colours, in which cells."""

from __future__ import annotations

from typing import Any, Literal

from napari.components import ViewerModel

from napari_voxelmorph.gui.background.pace import draw_unseen
from napari_voxelmorph.gui.ticker import Ticker
from napari_voxelmorph.gui.views.layer_stack import LayerStack
from napari_voxelmorph.gui.views.overlays import RANK

Mode = Literal["overlay", "checkerboard", "swipe", "flicker", "difference", "side by side"]
MODES: tuple[Mode, ...] = (
    "overlay", "checkerboard", "swipe", "flicker", "difference", "side by side",
)  # fmt: skip
_SHOWN: dict[str, tuple[str, ...]] = {
    "overlay": ("fixed", "moved"),
    "checkerboard": ("checkerboard",),
    "swipe": ("swipe",),
    "flicker": ("fixed", "moved"),
    "difference": ("difference",),
    "side by side": ("fixed", "moved"),
}
#: What the modes open and close; overlays are left to the user.
MAP_ROLES = ("displacement", "jacobian", "uncertainty", "label entropy")
#: Comes and goes with its map.
_LINE_OF = {"uncertainty": "unsure"}
BASE_ROLES = ("fixed", "moved", "difference", "checkerboard", "swipe")
_FIXED_CELL = ("fixed", "fixed labels", "fixed landmarks")


class ModeSwitch:
    """Puts a `LayerStack` into a mode, and takes it out again without a trace."""

    def __init__(self, viewer: ViewerModel, stack: LayerStack) -> None:
        self.viewer, self.stack = viewer, stack
        self.mode: Mode = "overlay"
        self.flicker = Ticker(viewer, self.flip, 500, repeat=True)
        self._colours: dict[str, Any] = {}
        self._grid_before: tuple[Any, ...] | None = None

    def roles(self, mode: Mode) -> tuple[str, ...]:
        """The layers that a mode needs."""
        return _SHOWN[mode]

    def apply(self, mode: Mode) -> None:
        """Show the pair in `mode`; its layers must be in the stack.

        Under a coloured map, overlay mode shows the fixed image alone, in grey: magenta and
        green would falsify the map's colours.
        """
        self.flicker.stop()
        self.mode = mode
        mapped = mode == "overlay" and any(self.stack.is_shown(role) for role in MAP_ROLES)
        self._colour(grey=mapped or mode in ("flicker", "side by side"))
        shown = ("fixed",) if mapped else _SHOWN[mode]
        for role in BASE_ROLES:
            self.stack.show(role, role in shown)
        if mode == "side by side":
            self.arrange()
            self.fit()
        else:
            self._leave_grid()
        if mode == "flicker":
            self.stack.show("moved", False)
            self.flicker.start()

    def one_map(self, role: str) -> None:
        """Close the other maps (one would hide the other) and suit the images to this one."""
        for other in MAP_ROLES:
            if other != role:
                self.stack.show(other, False)
                self.stack.show(_LINE_OF.get(other, other), False)
        self.apply(self.mode)

    def flip(self) -> None:
        """Show the other image of the pair (flicker)."""
        fixed_next = not self.stack.is_shown("fixed")
        self.stack.show("fixed", fixed_next)
        self.stack.show("moved", not fixed_next)

    def arrange(self) -> None:
        """Two linked cells: the moved image with its overlays, and the fixed one with its marks.

        napari fills cells with `stride` neighbours of the layer list, hidden ones included,
        so the larger group (ours of the moved image, and all of the user's) is the first.
        """
        if self.mode != "side by side":
            return
        layers, grid = self.viewer.layers, self.viewer.canvas.grid
        if self._grid_before is None:
            self._grid_before = (grid.enabled, grid.stride, grid.shape, grid.spacing)
        ours = sorted(self.stack, key=lambda item: RANK[item[0]])
        fixed = [la for r, la in ours if r in _FIXED_CELL]
        first = [la for la in layers if la not in [o for _, o in ours]]
        first += [la for r, la in ours if r not in _FIXED_CELL]
        groups = (first, fixed) if len(first) >= len(fixed) else (fixed, first)
        self._reorder([*groups[0], *groups[1]])
        grid.stride = max(len(groups[0]), 1)
        grid.shape = (1, 2)
        grid.spacing = 4
        opened, grid.enabled = not grid.enabled, True
        self._name_cells(True)
        if opened:
            # The cells of a grid get their size when they are drawn: once unseen, or the
            # first picture would show a few voxels over all of the canvas.
            draw_unseen(self.viewer)

    def stop(self) -> None:
        """Back to a plain canvas."""
        self.flicker.stop()
        self._leave_grid()
        self._colours = {}
        self.mode = "overlay"

    def _reorder(self, wanted: list[Any]) -> None:
        layers = self.viewer.layers
        for place, layer in enumerate(wanted):
            now = layers.index(layer)
            if now != place:
                layers.move(now, place)

    def _leave_grid(self) -> None:
        if self._grid_before is None:
            return
        grid = self.viewer.canvas.grid
        grid.enabled, grid.stride, grid.shape, grid.spacing = self._grid_before
        self._grid_before = None
        self._name_cells(False)
        ours = [la for _, la in sorted(self.stack, key=lambda item: RANK[item[0]])]
        self._reorder([*(la for la in self.viewer.layers if la not in ours), *ours])
        self.fit()

    def fit(self) -> None:
        """Fill the cells (or the canvas) with the pair."""
        layer = self.stack.get("fixed") or self.stack.get("moved")
        if layer is None:
            return
        if layer.ndim == self.viewer.dims.ndim:
            self.viewer.fit_to_view(layers=[layer])
        else:  # beside a 4-D layer; napari cannot fit to fewer axes than it shows
            self.viewer.reset_view()

    def _name_cells(self, on: bool) -> None:
        for role in ("fixed", "moved"):
            layer = self.stack.get(role)
            if layer is not None:
                layer.name_overlay.visible = on
                # Tiled with the letter at the top; in a corner the two would overlap.
                layer.name_overlay.position = "top_center"

    def own_colour(self, role: str) -> Any:
        """The colours of an image that is shown in grey for now; None where it has its own."""
        return self._colours.get(role)

    def _colour(self, grey: bool) -> None:
        """Grey for looking at one image at a time; the user's own colours come back after."""
        for role in ("fixed", "moved"):
            layer = self.stack.get(role)
            if layer is None:
                continue
            if grey and role not in self._colours:
                self._colours[role] = layer.colormap
                layer.colormap = "gray"
            elif not grey and role in self._colours:
                layer.colormap = self._colours.pop(role)
