"""Section 1 of the Register dock: which images, and what belongs to them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from napari.layers import Image, Labels, Points
from qtpy.QtCore import Signal
from qtpy.QtWidgets import QCheckBox, QHBoxLayout, QPushButton, QSizePolicy
from superqt import QElidingLabel

from napari_voxelmorph.gui.background.later import later
from napari_voxelmorph.gui.form_parts import Rows
from napari_voxelmorph.gui.message import Message
from napari_voxelmorph.gui.register.layer_choice import LayerChoice
from napari_voxelmorph.gui.section import More, Section
from napari_voxelmorph.gui.views.display import KEY
from napari_voxelmorph.gui.views.overlays import KINDS
from napari_voxelmorph.gui.views.series_layers import axes_of

#: Roles of the pair and its companions, in the order of the dock.
COMPANIONS = {
    "moving_labels": "Moving labels",
    "fixed_labels": "Fixed labels",
    "moving_mask": "Moving mask",
    "fixed_mask": "Fixed mask",
    "moving_landmarks": "Moving points",
    "fixed_landmarks": "Fixed points",
}


class InputsSection(Section):
    """Choices of layers by role.  `changed` when any of them changes."""

    changed = Signal()
    open_asked = Signal(str)
    show_asked = Signal()

    def __init__(self, viewer: Any) -> None:
        super().__init__("1  Inputs", "inputs")
        self._viewer = viewer
        self.choices: dict[str, LayerChoice] = {}
        self.facts: dict[str, QElidingLabel] = {}
        self._build_pair()
        self._build_companions()
        self.message = Message(closable=False)
        self.add(self.message)
        for role, choice in self.choices.items():
            choice.changed.connect(self._on_changed)
            choice.open_asked.connect(lambda role=role: self.open_asked.emit(role))
            choice.volume_turned.connect(lambda role=role: self._turn_to_volume(role))
        events = viewer.layers.events
        self._sources = (events.inserted, events.removed, events.reordered, events.renamed)
        for source in self._sources:
            source.connect(self.refresh)
        self._listening = True
        events.inserted.connect(self._on_inserted)
        self.refresh()

    def _build_pair(self) -> None:
        rows = Rows()
        for role, label in (("moving", "Moving"), ("fixed", "Fixed")):
            what = f"{role} image"
            choice = LayerChoice(is_input_image, f"choose the {what}", what)
            facts = QElidingLabel()
            facts.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
            facts.setEnabled(False)
            self.choices[role], self.facts[role] = choice, facts
            rows.add(label, choice, _ROLE_HELP[role])
            rows.add("", facts)
        self.add(rows)
        self.swap = QPushButton("⇅  Swap")
        self.swap.setToolTip("The moving image becomes the fixed one, with all that belongs to it")
        self.swap.clicked.connect(self.swap_roles)
        self.show_both = QPushButton("Show together")
        self.show_both.setToolTip("Lay the moving image over the fixed one, as they start")
        self.show_both.clicked.connect(lambda: self.show_asked.emit())
        line = QHBoxLayout()
        line.addWidget(self.swap, 1)
        line.addWidget(self.show_both, 1)
        self.inside.addLayout(line)

    def _build_companions(self) -> None:
        self.more = More(_MORE)
        rows = Rows()
        for role, label in COMPANIONS.items():
            choice = LayerChoice(_ACCEPTS[role.split("_")[1]], "none", label.lower())
            self.choices[role] = choice
            rows.add(label, choice, _ROLE_HELP[role.split("_")[1]])
        self.use_points = QCheckBox("Use the points in the registration")
        self.use_points.setToolTip(
            "They pull the deformation (“Landmark weight” in the method's settings); otherwise their "
            "distance is only measured, which is then an honest test"
        )
        rows.add("", self.use_points)
        self.more.add(rows)
        self.add(self.more)

    def layer(self, role: str) -> Any:
        """The layer chosen for a role, or None."""
        return self.choices[role].layer

    def image(self, role: str) -> Any:
        """As `layer`; of a 4-D one the chosen volume, as a 3-D layer without a window."""
        return self.choices[role].image

    def choose(self, role: str, layer: Any) -> None:
        """Choose a layer for a role."""
        self.choices[role].choose(layer)

    def swap_roles(self) -> None:
        """Exchange moving and fixed, and their companions."""
        blocked = self.blockSignals(True)
        for role in [r for r in self.choices if r.startswith("moving")]:
            other = role.replace("moving", "fixed")
            first, second = self.choices[role], self.choices[other]
            moving, fixed = first.layer, second.layer
            volumes = first.volume.value(), second.volume.value()
            first.choose(fixed)
            second.choose(moving)
            first.volume.setValue(volumes[1])
            second.volume.setValue(volumes[0])
        self.blockSignals(blocked)
        self._on_changed()

    def _turn_to_volume(self, role: str) -> None:
        """Let the window show the volume that was chosen."""
        layer, dims = self.layer(role), self._viewer.dims
        if layer in self._viewer.layers and dims.ndim == layer.ndim:
            dims.set_point(0, layer.data_to_world((self.choices[role].volume.value(), 0, 0, 0))[0])

    def refresh(self, event: Any = None) -> None:
        """Offer the layers that are in the window now."""
        for choice in self.choices.values():
            choice.refresh(self._viewer.layers)
        self._show_facts()

    def _on_inserted(self, event: Any = None) -> None:
        # Later, not now: whoever adds two layers may be about to choose them himself.
        later(self, self._propose)

    def _propose(self) -> None:
        """Two scans and nothing chosen: take the first as moving, the second as fixed."""
        if not self._listening or self.layer("moving") or self.layer("fixed"):
            return
        scans = [layer for layer in self._viewer.layers if is_input_image(layer)]
        if len(scans) == 2:
            self.choose("moving", scans[0])
            self.choose("fixed", scans[1])

    def disconnect_layers(self) -> None:
        """Stop listening to the viewer (the dock is going away)."""
        self._listening = False
        self._viewer.layers.events.inserted.disconnect(self._on_inserted)
        for source in self._sources:
            source.disconnect(self.refresh)

    def _on_changed(self) -> None:
        self._show_facts()
        self.changed.emit()

    def _show_facts(self) -> None:
        for role, label in self.facts.items():
            layer = self.image(role)
            text = "" if layer is None else facts_of(layer)
            label.setText(text)
            label.setToolTip(text)
            label.setVisible(bool(text))
        count = sum(self.layer(role) is not None for role in COMPANIONS)
        self.more.set_text(f"{_MORE} ({count} chosen)" if count else _MORE)
        moving, fixed = self.layer("moving"), self.layer("fixed")
        self.swap.setEnabled(moving is not None or fixed is not None)
        a_pair = None not in (moving, fixed) and moving is not fixed
        self.show_both.setEnabled(a_pair and axes_of(moving) == axes_of(fixed))


def is_ours(layer: Any) -> bool:
    """Whether the plugin drew this layer itself (an overlay), so that it is no input."""
    kept = layer.metadata.get(KEY)
    return isinstance(kept, Mapping) and kept.get("role", "input") in KINDS


def is_input_image(layer: Any) -> bool:
    """Whether a layer may be the moving or fixed image."""
    return isinstance(layer, Image) and not is_ours(layer)


def _is_labels(layer: Any) -> bool:
    return isinstance(layer, Labels) and not is_ours(layer)


def _is_mask(layer: Any) -> bool:
    return isinstance(layer, Labels | Image) and not is_ours(layer)


def _is_points(layer: Any) -> bool:
    return isinstance(layer, Points) and not is_ours(layer)


_ACCEPTS = {"labels": _is_labels, "mask": _is_mask, "landmarks": _is_points}
_MORE = "segmentations, masks, landmarks"
_ROLE_HELP = {
    "moving": "The image that is moved.",
    "fixed": "The image that stays; the result lies on its voxels.",
    "labels": "A segmentation. Given for both images, they tell how well structures overlap before and after.",
    "mask": "Non-zero where the image counts; on the grid of its image.",
    "landmarks": "Matching points in both images, in the same order: their distance is measured, "
    "and they can take part in the registration.",
}


def facts_of(layer: Any) -> str:
    """Size and voxel size of a layer in one line."""
    shape = " × ".join(str(n) for n in layer.data.shape)
    # Where the scale is in the affine (a volume of a series), it counts too.
    spacing = np.linalg.norm(layer.affine.linear_matrix, axis=0) * layer.scale
    voxel = " × ".join(f"{s:.3g}" for s in spacing)
    unit = "mm" if any("milli" in str(u) for u in layer.units) else "px"
    same = len({f"{s:.3g}" for s in spacing}) == 1
    size = f"{float(spacing[0]):.3g}" if same else voxel
    return f"{shape} · {size} {unit}"
