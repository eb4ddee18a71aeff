"""What can be saved of a result: everything, images, and the transform for other programs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from qtpy.QtCore import Signal
from qtpy.QtWidgets import QFileDialog, QMenu, QWidget

from napari_voxelmorph.gui.files.places import begin_in, remember_place

if TYPE_CHECKING:
    from napari_voxelmorph.gui.register.jobs import Outcome

_TEXTS = {
    "session": "Session folder… (everything; opens again here)",
    "moved": "Moved image… (NIfTI)",
    "dicom": "Moved image as DICOM series…",
    "transform": "Transform for ANTs, Slicer, FSL, FreeSurfer, AFNI, SPM…",
    "inverse": "Inverse transform for these…",
}
_IMAGES = "NIfTI (*.nii.gz *.nii)"


class SaveMenu(QMenu):
    """The menu of the button Save.  Emits `asked(kind, path)`.

    `kind` is session, moved, dicom, or "transform" or "inverse" with a colon and the name of a
    format of `engine.files.transforms.formats`.
    """

    asked = Signal(str, str)

    def __init__(self, parent: QWidget) -> None:
        super().__init__(parent)
        self.setToolTipsVisible(True)
        self.entries = {kind: self.addAction(text) for kind, text in _TEXTS.items()}
        self.insertSeparator(self.entries["transform"])
        for kind, action in self.entries.items():
            action.triggered.connect(lambda *_, kind=kind: self.ask(kind))

    def show_outcome(self, outcome: Outcome | None) -> None:
        """A DICOM series needs a fixed image from DICOM, to take patient and study from."""
        fixed = None if outcome is None else outcome.registration.fixed
        possible = fixed is not None and fixed.header.get("format") == "dicom"
        self.entries["dicom"].setEnabled(possible)
        self.entries["dicom"].setToolTip(
            "Beside the fixed scan: its patient, study and frame of reference; a new series"
            if possible
            else "Only where the fixed image was opened from a DICOM series"
        )

    def ask(self, kind: str) -> None:
        """Let the user say where."""
        if kind in ("transform", "inverse"):
            self._ask_transform(kind)
            return
        name, kinds = {
            "session": ("registration", ""),
            "moved": ("moved.nii.gz", _IMAGES),
            "dicom": ("moved_dicom", ""),
        }[kind]
        title = "Name of a new folder" if not kinds else "Save the moved image"
        start = begin_in(name, sessions=kind == "session")
        path, _ = QFileDialog.getSaveFileName(self.parentWidget(), title, start, kinds)
        if path:
            remember_place(path)
            self.asked.emit(kind, path)

    def _ask_transform(self, kind: str) -> None:
        # Loaded with the engine, and there is a result: this takes no time.
        from napari_voxelmorph.engine.files.transforms.formats import FORMATS

        filters = {
            f"{f.title}: {f.help} ({' '.join(f'*{s}' for s in f.suffixes)})": f
            for f in FORMATS.values()
        }
        title = f"Save the {'inverse ' if kind == 'inverse' else ''}transform"
        path, chosen = QFileDialog.getSaveFileName(
            self.parentWidget(), title, begin_in(kind), ";;".join(filters)
        )
        if not path:
            return
        remember_place(path)
        known = filters.get(chosen, FORMATS["itk"])
        if not path.lower().endswith(tuple(s.lower() for s in known.suffixes)):
            path += known.suffixes[0]
        self.asked.emit(f"{kind}:{known.name}", path)
