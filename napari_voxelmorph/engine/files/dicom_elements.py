"""A careful look into a DICOM file: the few elements that geometry needs, and whether it is whole.

GDCM (inside SimpleITK) reads the voxels, but it believes every length that a damaged file
states, up to 4 GB.  So each length is compared with the file first (DICOM PS3.5, section 7).
"""

from __future__ import annotations

import mmap
from pathlib import Path

from napari_voxelmorph.engine.files.reading import damaged

_LONG = {b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"}
_SHORT = {
    b"AE",
    b"AS",
    b"AT",
    b"CS",
    b"DA",
    b"DS",
    b"DT",
    b"FL",
    b"FD",
    b"IS",
    b"LO",
    b"LT",
    b"PN",
    b"SH",
    b"SL",
    b"SS",
    b"ST",
    b"TM",
    b"UI",
    b"UL",
    b"US",
}
_UNDEFINED = 0xFFFFFFFF
_ITEM, _ITEM_END, _SEQUENCE_END = (0xFFFE, 0xE000), (0xFFFE, 0xE00D), (0xFFFE, 0xE0DD)
_PIXELS = (0x7FE0, 0x0010)
_IMPLICIT, _BIG, _DEFLATED = ("1.2.840.10008.1.2", "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.1.99")
#: Group of the sequences in which an enhanced file keeps the place of its frames.
_FUNCTIONAL_GROUPS = 0x5200
_MAX_VALUE = 4096
_MAX_DEPTH = 32
Tag = tuple[int, int]


def is_dicom(path: Path) -> bool:
    """Whether a file has the DICOM mark (some old files have none: their suffix counts)."""
    with path.open("rb") as file:
        return file.read(132)[128:] == b"DICM"


def read_elements(path: Path) -> dict[Tag, bytes]:
    """Short top-level elements by (group, element); pixel data gives its length as text.

    Raises
    ------
    FileFormatError
        When the structure is broken or ends early.
    """
    with path.open("rb") as file:
        if path.stat().st_size < 16:
            raise damaged(path, "DICOM", "it is almost empty")
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as raw:
            return _Walk(path, raw).run()


class _Walk:
    def __init__(self, path: Path, raw: mmap.mmap) -> None:
        self.path, self.raw, self.size = path, raw, len(raw)
        self.found: dict[Tag, bytes] = {}
        self.order, self.implicit = "little", False

    def run(self) -> dict[Tag, bytes]:
        position = 132 if self.raw[128:132] == b"DICM" else 0
        if position == 0:
            self.implicit = self.raw[4:6] not in _LONG | _SHORT
        while position < self.size and self._number(position, 2) == 2:
            position = self._element(position, 0, self.size)
        syntax = self.text((2, 0x10))
        if syntax == _DEFLATED:
            raise damaged(self.path, "DICOM", "it is deflated as a whole, which is not supported")
        self.implicit = syntax == _IMPLICIT if syntax else self.implicit
        self.order = "big" if syntax == _BIG else "little"
        while position < self.size and _PIXELS not in self.found:
            if self.size - position < 8:
                break  # padding at the end
            position = self._element(position, 0, self.size)
        return self.found

    def text(self, tag: Tag) -> str:
        return self.found.get(tag, b"").decode("latin-1").strip(" \0")

    def _number(self, position: int, count: int) -> int:
        if position + count > self.size:
            raise damaged(self.path, "DICOM", f"it ends early, at byte {self.size:,}")
        return int.from_bytes(self.raw[position : position + count], self.order)  # type: ignore[arg-type]

    def _element(self, position: int, depth: int, end: int) -> int:
        """Read the element at `position`; returns where the next one begins."""
        tag = (self._number(position, 2), self._number(position + 2, 2))
        kind = bytes(self.raw[position + 4 : position + 6])
        if self.implicit or tag[0] == 0xFFFE:
            kind, length, value = b"", self._number(position + 4, 4), position + 8
        elif kind in _LONG:
            length, value = self._number(position + 8, 4), position + 12
        elif kind in _SHORT:
            length, value = self._number(position + 6, 2), position + 8
        else:
            raise damaged(self.path, "DICOM", f"its structure breaks at byte {position:,}")
        if depth == 0 and tag[0] == _FUNCTIONAL_GROUPS:
            self.found[tag] = b"present"
        if tag == _PIXELS and depth == 0:
            self.found[tag] = b"packed" if length == _UNDEFINED else str(length).encode()
        if length == _UNDEFINED:
            implicit, self.implicit = self.implicit, self.implicit or kind == b"UN"
            try:
                return self._items(value, depth + 1, end, fragments=tag == _PIXELS)
            finally:
                self.implicit = implicit
        if value + length > end:
            raise damaged(
                self.path, "DICOM", f"the element at byte {position:,} is longer than the file"
            )
        if kind == b"SQ":
            self._items(value, depth + 1, value + length, fragments=False)
        elif depth == 0 and length <= _MAX_VALUE and tag != _PIXELS:
            self.found[tag] = bytes(self.raw[value : value + length])
        return value + length

    def _items(self, position: int, depth: int, end: int, fragments: bool) -> int:
        """Walk the items of a sequence, or the fragments of packed pixels."""
        if depth > _MAX_DEPTH:
            raise damaged(self.path, "DICOM", "its sequences are nested too deeply")
        while position < end:
            tag = (self._number(position, 2), self._number(position + 2, 2))
            length, value = self._number(position + 4, 4), position + 8
            if tag == _SEQUENCE_END:
                return value
            if tag != _ITEM:
                raise damaged(self.path, "DICOM", f"its structure breaks at byte {position:,}")
            if length == _UNDEFINED and not fragments:
                position = self._item(value, depth, end)
            elif value + length > end:
                raise damaged(self.path, "DICOM", f"it ends early, in an item at byte {position:,}")
            else:
                if not fragments:
                    self._elements(value, depth, value + length)
                position = value + length
        return position

    def _item(self, position: int, depth: int, end: int) -> int:
        while position < end:
            if (self._number(position, 2), self._number(position + 2, 2)) == _ITEM_END:
                return position + 8
            position = self._element(position, depth, end)
        return position

    def _elements(self, position: int, depth: int, end: int) -> None:
        while position < end:
            position = self._element(position, depth, end)
