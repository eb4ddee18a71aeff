"""Bring images into the window for the Register dock: from files, or the sample pair."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from napari.layers import Layer
from qtpy.QtCore import QObject, Signal
from qtpy.QtWidgets import QFileDialog, QMessageBox, QWidget

from napari_voxelmorph.engine.errors import VoxelMorphError
from napari_voxelmorph.engine.geometry.volume import Kind, Volume
from napari_voxelmorph.gui.background.engine_thread import EngineThread
from napari_voxelmorph.gui.background.pace import canvas_of, unpainted
from napari_voxelmorph.gui.background.turns import Pieces, Turns
from napari_voxelmorph.gui.files.file_jobs import (
    TooLarge,
    load_images,
    load_points,
    load_sample,
    load_session_layers,
)
from napari_voxelmorph.gui.files.places import begin_in, remember_place
from napari_voxelmorph.gui.files.readers import session_in
from napari_voxelmorph.gui.register.inputs_section import InputsSection
from napari_voxelmorph.gui.views.display import volume_from_layer
from napari_voxelmorph.gui.views.landmark_layer import landmark_layer

_FILTER = (
    "Images (*.nii *.nii.gz *.mgz *.mgh *.img *.hdr *.nrrd *.nhdr *.mha *.mhd *.dcm "
    "*.png *.tif *.tiff *.jpg *.jpeg);;Sessions (session.json);;All files (*)"
)

_POINTS = "Landmarks (*.csv *.txt *.tsv *.mrk.json *.fcsv *.pts);;All files (*)"


class Opening(QObject):
    """Reads in the engine thread, adds the layers here, and chooses them in the dock."""

    failed = Signal(str, str)
    working = Signal(str)
    opened = Signal(list)
    ended = Signal()

    def __init__(
        self, viewer: Any, inputs: InputsSection, engine: EngineThread, parent: QWidget
    ) -> None:
        super().__init__(parent)
        self._viewer = viewer
        self._inputs = inputs
        self._engine = engine
        self._parent = parent
        self._turns = Turns(self, self._on_error)

    def ask_two(self) -> None:
        """Let the user pick two files: the first becomes moving, the second fixed."""
        paths, _ = QFileDialog.getOpenFileNames(
            self._parent, "Open two images: first the moving one, then the fixed one", begin_in(),
            _FILTER,
        )  # fmt: skip
        if len(paths) == 1:
            more, _ = QFileDialog.getOpenFileName(
                self._parent, "Open the fixed image", begin_in(), _FILTER
            )
            paths += [more] if more else []
        if paths:
            remember_place(paths[0])
            self.open_pair(paths)

    def ask_session(self) -> None:
        """Let the user pick the folder of a session."""
        path = QFileDialog.getExistingDirectory(
            self._parent, "Open a session folder", begin_in(sessions=True)
        )
        if path:
            remember_place(path)
            self.open_session(path)

    def open_session(self, path: str) -> None:
        """Read a session; its layers bring it to the dock, as they do when napari opens it."""
        self.working.emit("Opening…")
        self._engine.submit(
            load_session_layers(str(session_in(Path(path)) or path)),
            lane="open",
            on_done=self._add_session,
            on_error=self._on_error,
        )

    def _add_session(self, layers: list[Layer]) -> None:
        """All at once: the dock takes the session up in the next turn, and sets the view."""
        with unpainted(canvas_of(self._viewer)):
            for layer in layers:
                self._viewer.add_layer(layer)
        self.ended.emit()

    def open_pair(self, paths: list[str]) -> None:
        """Read files; the first two become moving and fixed.  A session comes as a whole."""
        session = next((path for path in paths if session_in(Path(path))), None)
        if session is not None:
            self.open_session(session)
        else:
            self._read(paths, ["moving", "fixed"])

    def ask_for(self, role: str) -> None:
        """Let the user pick the file for one role of the dock."""
        what = role.replace("_", " ")
        if role.endswith("landmarks"):
            path, _ = QFileDialog.getOpenFileName(
                self._parent, f"Open the {what}", begin_in(), _POINTS
            )
            if path:
                remember_place(path)
                self._read_points(role, path)
            return
        path, _ = QFileDialog.getOpenFileName(self._parent, f"Open the {what}", begin_in(), _FILTER)
        if path:
            remember_place(path)
        if path and session_in(Path(path)) is not None:
            self.open_session(path)
        elif path:
            self._read([path], [role])

    def sample(self) -> None:
        """Make the sample pair and choose all its parts."""
        self.working.emit("Making the sample pair…")
        self._engine.submit(
            load_sample, lane="open", on_done=self._add_sample, on_error=self._on_error
        )

    def _read(self, paths: list[str], roles: list[str], **how: Any) -> None:
        kinds: list[Kind] = ["labels" if _holds_labels(role) else "image" for role in roles]
        self.working.emit("Opening…")
        self._engine.submit(
            load_images(paths, kinds, **how),
            lane="open",
            on_done=lambda found: self._on_read(found, paths, roles),
            on_error=self._on_error,
        )

    def _on_read(self, found: list[Layer] | TooLarge, paths: list[str], roles: list[str]) -> None:
        if not isinstance(found, TooLarge):
            self._turns.add(self._adding(found, roles))
            return
        self.ended.emit()
        how = ask_how(self._parent, found)
        if how is not None:
            self._read(paths, roles, **how)

    def _add_sample(self, parts: dict[str, Layer]) -> None:
        self._turns.add(self._adding(list(parts.values()), list(parts)))

    def _adding(self, layers: list[Layer], roles: list[str]) -> Pieces:
        """Add layers, and choose each for its role."""
        with unpainted(canvas_of(self._viewer)):
            for layer, role in zip(layers, [*roles, *[""] * len(layers)], strict=False):
                self._viewer.add_layer(layer)
                if role:
                    self._inputs.choose(role, layer)
                yield None
        yield None
        self._viewer.reset_view()
        self.ended.emit()
        self.opened.emit(roles)

    def _read_points(self, role: str, path: str) -> None:
        image = self._inputs.image(role.replace("_landmarks", ""))
        if image is None:
            self.failed.emit("Choose the image first; landmarks are drawn over it.", "")
            return
        try:
            volume = volume_from_layer(image)
        except VoxelMorphError as error:
            self.failed.emit(str(error), "")
            return
        self._engine.submit(
            load_points(path, volume.ndim),
            lane="open",
            on_done=lambda points: self._add_points(role, points, volume),
            on_error=self._on_error,
        )

    def _add_points(self, role: str, points: Any, volume: Volume) -> None:
        data = landmark_layer(role.replace("_", " ").capitalize(), points, volume)
        self._inputs.choose(role, self._viewer.add_layer(Layer.create(*data)))
        self.opened.emit([role])

    def _on_error(self, sentence: str, details: str) -> None:
        self.ended.emit()
        self.failed.emit(sentence, details)


def ask_how(parent: QWidget, found: TooLarge) -> dict[str, Any] | None:
    """Ask whether a large file shall be opened coarser, or as it is; None: not at all."""
    box = QMessageBox(QMessageBox.Icon.Warning, "Too large", found.sentence, parent=parent)
    coarser = box.addButton(f"Open at {found.voxel_size:g} mm", QMessageBox.ButtonRole.AcceptRole)
    as_it_is = None
    if found.readable:
        as_it_is = box.addButton("Open as it is", QMessageBox.ButtonRole.DestructiveRole)
    box.addButton(QMessageBox.StandardButton.Cancel)
    box.exec()
    chosen = box.clickedButton()
    box.deleteLater()
    if chosen is coarser:
        return {"voxel_size": found.voxel_size}
    return {"to_register": False} if as_it_is is not None and chosen is as_it_is else None


def _holds_labels(role: str) -> bool:
    return role.endswith(("labels", "mask"))
