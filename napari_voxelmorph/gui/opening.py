"""Bring images into the window for the Register dock: from files, or the sample pair."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from napari.layers import Layer
from qtpy.QtCore import QObject, Signal
from qtpy.QtWidgets import QFileDialog, QWidget

from napari_voxelmorph.engine.geometry.volume import Volume
from napari_voxelmorph.gui.display import layer_from_volume
from napari_voxelmorph.gui.engine_thread import EngineThread
from napari_voxelmorph.gui.inputs_section import InputsSection
from napari_voxelmorph.gui.jobs import load_images, load_sample

_FILTER = (
    "Images (*.nii *.nii.gz *.mgz *.mgh *.img *.hdr *.nrrd *.nhdr *.mha *.mhd *.dcm "
    "*.png *.tif *.tiff *.jpg *.jpeg);;All files (*)"
)


class Opening(QObject):
    """Reads in the engine thread, adds the layers here, and chooses them in the dock."""

    failed = Signal(str, str)
    working = Signal(str)
    opened = Signal(list)

    def __init__(
        self, viewer: Any, inputs: InputsSection, engine: EngineThread, parent: QWidget
    ) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._inputs = inputs
        self._engine = engine
        self._parent = parent

    def ask_two(self) -> None:
        """Let the user pick two files: the first becomes moving, the second fixed."""
        paths, _ = QFileDialog.getOpenFileNames(
            self._parent, "Open two images: first the moving one, then the fixed one", "", _FILTER
        )
        if len(paths) == 1:
            more, _ = QFileDialog.getOpenFileName(self._parent, "Open the fixed image", "", _FILTER)
            paths += [more] if more else []
        if paths:
            self.open_pair(paths)

    def open_pair(self, paths: list[str]) -> None:
        """Read files; the first two become moving and fixed."""
        self._read(paths, ["moving", "fixed"])

    def ask_for(self, role: str) -> None:
        """Let the user pick the file for one role of the dock."""
        what = role.replace("_", " ")
        if role.endswith("landmarks"):
            path, _ = QFileDialog.getOpenFileName(
                self._parent, f"Open the {what}", "", "Points (*.csv);;All files (*)"
            )
            if path:
                self._add_points(role, path)
            return
        path, _ = QFileDialog.getOpenFileName(self._parent, f"Open the {what}", "", _FILTER)
        if path:
            self._read([path], [role])

    def sample(self) -> None:
        """Make the sample pair and choose all its parts."""
        self.working.emit("Making the sample pair…")
        self._engine.submit(
            load_sample, lane="open", on_done=self._add_sample, on_error=self._on_error
        )

    def _read(self, paths: list[str], roles: list[str]) -> None:
        kinds = ["labels" if _holds_labels(role) else "image" for role in roles]
        self.working.emit("Opening…")
        self._engine.submit(
            load_images(paths, kinds),
            lane="open",
            on_done=lambda volumes: self._add(volumes, roles),
            on_error=self._on_error,
        )

    def _add(self, volumes: list[Volume], roles: list[str]) -> None:
        layers = [self._viewer.add_layer(Layer.create(*layer_from_volume(v))) for v in volumes]
        for layer, role in zip(layers, roles, strict=False):
            self._inputs.choose(role, layer)
        self._viewer.reset_view()
        self.opened.emit(roles)

    def _add_sample(self, parts: dict[str, Any]) -> None:
        for role, data in parts.items():
            layer = self._viewer.add_layer(Layer.create(*data))
            layer.visible = role in ("moving", "fixed")
            self._inputs.choose(role, layer)
        self._viewer.reset_view()
        self.opened.emit(list(parts))

    def _add_points(self, role: str, path: str) -> None:
        self._guarded(lambda: self._inputs.choose(role, self._viewer.open(path)[0]))

    def _guarded(self, action: Callable[[], None]) -> None:
        from napari_voxelmorph.gui.plain_words import sentence_and_details

        try:
            action()
        except Exception as error:  # napari's readers raise anything
            self._on_error(*sentence_and_details(error))

    def _on_error(self, sentence: str, details: str) -> None:
        self.failed.emit(sentence, details)


def _holds_labels(role: str) -> bool:
    return role.endswith(("labels", "mask"))
