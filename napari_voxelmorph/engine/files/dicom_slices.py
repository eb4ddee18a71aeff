"""DICOM slices: what each file says of itself, and which belong together in which order."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_voxelmorph.engine.errors import FileFormatError, InputError, SeveralVolumesError
from napari_voxelmorph.engine.files.dicom_elements import Tag, is_dicom, read_elements
from napari_voxelmorph.engine.files.reading import damaged, require_memory

#: Cosines that differ by less are one direction.
PARALLEL = 1e-3


@dataclass(frozen=True)
class Slice:
    """What one DICOM file says of itself.

    Parameters
    ----------
    position, axes : ndarray (3,) and (2, 3), or None
        Centre of the first voxel, and the directions along a row and down a column; LPS mm.
    spacing : (between columns, between rows) in mm.
    """

    path: Path
    elements: dict[Tag, bytes]

    def text(self, group: int, element: int) -> str:
        """Value as text, "" when absent."""
        return self.elements.get((group, element), b"").decode("latin-1").strip(" \0")

    def floats(self, group: int, element: int, count: int) -> NDArray[np.float64] | None:
        """Decimal numbers, None when absent or not `count` finite ones."""
        try:
            values = np.array([float(v) for v in self.text(group, element).split("\\")])
        except ValueError:
            return None
        return values if values.shape == (count,) and np.isfinite(values).all() else None

    def short(self, group: int, element: int) -> int:
        """Unsigned 16-bit number, 0 when absent."""
        big = self.text(2, 0x10) == "1.2.840.10008.1.2.2"
        value = self.elements.get((group, element), b"")[:2]
        return int.from_bytes(value, "big" if big else "little")

    @property
    def series(self) -> str:
        return self.text(0x20, 0x0E)

    @property
    def position(self) -> NDArray[np.float64] | None:
        return self.floats(0x20, 0x32, 3)

    @property
    def axes(self) -> NDArray[np.float64] | None:
        values = self.floats(0x20, 0x37, 6)
        return None if values is None else values.reshape(2, 3)

    @property
    def spacing(self) -> tuple[float, float]:
        # Pixel Spacing; of radiographs that at the detector, of scanned films that on the film.
        for tag in ((0x28, 0x30), (0x18, 0x1164), (0x18, 0x2010)):
            values = self.floats(*tag, 2)
            if values is not None and min(values) > 0:
                return float(values[1]), float(values[0])
        return 1.0, 1.0

    @property
    def grid(self) -> tuple[int, int]:
        return self.short(0x28, 0x11), self.short(0x28, 0x10)

    @property
    def frames(self) -> int:
        text = self.text(0x28, 0x08)
        return int(text) if text.isdigit() else 1

    @property
    def enhanced(self) -> bool:
        """Whether the place of the frames is in functional groups, which GDCM reads."""
        return any(group == 0x5200 for group, _ in self.elements)

    @property
    def number(self) -> int:
        text = self.text(0x20, 0x13)
        return int(text) if text.lstrip("+-").isdigit() else 0


def series_of_file(path: Path) -> list[Slice]:
    first = Slice(path, read_elements(path))
    if not first.series or first.frames > 1:
        return [first]
    return [s for s in _readable(path.parent) if s.series == first.series]


def only_series(folder: Path) -> list[Slice]:
    groups: dict[str, list[Slice]] = {}
    for item in _readable(folder):
        groups.setdefault(item.series, []).append(item)
    if not groups:
        raise FileFormatError(
            f"The folder “{folder.name}” holds no DICOM images. Choose the folder in which the "
            "slices (.dcm) are, or one of the files."
        )
    if len(groups) > 1:
        lines = "; ".join(
            f"“{g[0].text(0x08, 0x103E) or 'no description'}” with {len(g)} files, such as "
            f"{min(s.path.name for s in g)}"
            for g in list(groups.values())[:8]
        )
        raise InputError(
            f"The folder “{folder.name}” holds {len(groups)} DICOM series: {lines}. Open one "
            "file of the series that you want."
        )
    return next(iter(groups.values()))


def _readable(folder: Path) -> list[Slice]:
    """Every DICOM image of a folder (not of its sub-folders)."""
    found = []
    for path in sorted(folder.iterdir()):
        if path.name.startswith(".") or path.name.upper() == "DICOMDIR" or not path.is_file():
            continue
        if is_dicom(path) or path.suffix.lower() in (".dcm", ".dicom", ".ima"):
            item = Slice(path, read_elements(path))
            if (0x7FE0, 0x10) in item.elements or min(item.grid) > 0:
                found.append(item)
    return found


def check_slices(path: Path, slices: list[Slice]) -> None:
    for item in slices:
        columns, rows = item.grid
        if min(columns, rows) < 1 or (0x7FE0, 0x10) not in item.elements:
            raise damaged(item.path, "DICOM", "it holds no image (or its end is missing)")
        if item.short(0x28, 0x02) > 1 or item.text(0x28, 0x04) == "PALETTE COLOR":
            raise InputError(
                f"“{item.path.name}” holds colours (RGB); one number per voxel is needed. Choose a "
                "grey series, or convert it."
            )
        length = item.elements[(0x7FE0, 0x10)]
        declared = columns * rows * item.frames * max(item.short(0x28, 0x100), 1) // 8
        if length != b"packed" and int(length) < declared:
            missing = declared - int(length)
            raise damaged(item.path, "DICOM", f"{missing:,} bytes of its image are missing")
        same = item.grid == slices[0].grid and item.frames == slices[0].frames
        if not same or not np.allclose(item.spacing, slices[0].spacing, rtol=1e-3):
            raise InputError(
                f"The slices of “{path.name}” differ in size: {slices[0].path.name} has "
                f"{slices[0].grid} pixels of {slices[0].spacing} mm, {item.path.name} has "
                f"{item.grid} of {item.spacing} mm. Choose a series of one size."
            )
    columns, rows = slices[0].grid
    require_memory(columns * rows * slices[0].frames * len(slices) * 16, path)


def in_order(path: Path, slices: list[Slice], volume_index: int | None) -> list[Slice]:
    """Sort along the normal; where several volumes share the positions, pick one."""
    if len(slices) == 1:
        return slices
    axes = [s.axes for s in slices if s.position is not None and s.axes is not None]
    if len(axes) < len(slices):
        raise InputError(
            f"The slices of “{path.name}” do not say where they lie, so their order is unknown. "
            "Convert the series to NIfTI (dcm2niix) first."
        )
    turned = [
        s for s, a in zip(slices, axes, strict=True) if not np.allclose(a, axes[0], atol=PARALLEL)
    ]
    if turned:
        raise InputError(
            f"The series of “{path.name}” holds slices in different directions "
            f"({turned[0].path.name} is turned; is it a localizer?). Choose a series of parallel "
            "slices."
        )
    places = _places(slices, np.cross(axes[0][0], axes[0][1]))
    counts = {len(p) for p in places}
    if len(counts) > 1:
        raise InputError(
            f"The series of “{path.name}” is incomplete: some positions hold {min(counts)} and "
            f"others {max(counts)} slices. Copy all its files again, or convert it to NIfTI first."
        )
    count = counts.pop()
    if count > 1 and volume_index is None:
        raise SeveralVolumesError(
            f"The series of “{path.name}” holds {count} volumes of {len(places)} slices (time "
            f"points or echoes); one is needed. Choose volume_index from 0 to {count - 1}, "
            "or extract one into a file of its own.",
            count,
        )
    if volume_index is not None and not 0 <= volume_index < count:
        raise InputError(
            f"“{path.name}” has no volume {volume_index}: it holds {count} volume(s), counted "
            "from 0."
        )
    return [p[volume_index or 0] for p in places]


def _places(slices: list[Slice], normal: NDArray[np.float64]) -> list[list[Slice]]:
    """Slices by their place along the normal; at one place in the order of acquisition."""
    heights = {id(s): float(np.dot(normal, s.position)) for s in slices}  # type: ignore[arg-type]
    places: list[list[Slice]] = []
    for item in sorted(slices, key=lambda s: heights[id(s)]):
        if places and heights[id(item)] - heights[id(places[-1][0])] < 1e-2:
            places[-1].append(item)
        else:
            places.append([item])
    return [sorted(p, key=lambda s: (s.number, s.path.name)) for p in places]
