"""The text headers of MetaImage (.mha, .mhd) and NRRD (.nrrd, .nhdr), as far as safety needs.

SimpleITK reads the images.  Before it allocates what a header asks for, this module compares
the header with the bytes that are there, and finds whether left and right are known.
"""

from __future__ import annotations

import math
import re
from pathlib import Path

from napari_voxelmorph.engine.files.reading import (
    HEADER_LIMIT,
    damaged,
    require_bytes,
    require_memory,
)

_META_BYTES = {
    "CHAR": 1,
    "UCHAR": 1,
    "SHORT": 2,
    "USHORT": 2,
    "INT": 4,
    "UINT": 4,
    "LONG": 4,
    "ULONG": 4,
    "LONG_LONG": 8,
    "ULONG_LONG": 8,
    "FLOAT": 4,
    "DOUBLE": 8,
}
_NRRD_BYTES = {
    1: "signed char|int8|int8_t|uchar|unsigned char|uint8|uint8_t",
    2: "short|short int|signed short|signed short int|int16|int16_t|ushort|unsigned short|"
    "unsigned short int|uint16|uint16_t",
    4: "int|signed int|int32|int32_t|uint|unsigned int|uint32|uint32_t|float",
    8: "longlong|long long|long long int|signed long long|signed long long int|int64|int64_t|"
    "ulonglong|unsigned long long|unsigned long long int|uint64|uint64_t|double",
}
_META_LINE = re.compile(r"([A-Za-z][A-Za-z0-9_ -]{0,99}?)\s*[=:]([^\0]*)")
#: Vectors of ndim numbers (1) and matrices of ndim x ndim (2).
_META_COUNTS = {
    "Offset": 1, "Position": 1, "Origin": 1, "ElementSpacing": 1, "ElementSize": 1,
    "CenterOfRotation": 1, "TransformMatrix": 2, "Rotation": 2, "Orientation": 2,
}  # fmt: skip
_NRRD_SPACES = {
    "right-anterior-superior",
    "ras",
    "left-anterior-superior",
    "las",
    "left-posterior-superior",
    "lps",
    "right-anterior-superior-time",
    "rast",
    "left-anterior-superior-time",
    "last",
    "left-posterior-superior-time",
    "lpst",
}


def check_meta(path: Path) -> bool:
    """Check a MetaImage file; returns whether it says how it lies in the patient."""
    fields, begins = _meta_fields(path)
    sizes = _numbers(fields.get("DimSize", ""), path, "MetaImage")
    channels = _numbers(fields.get("ElementNumberOfChannels", "1"), path, "MetaImage")
    itemsize = _META_BYTES.get(fields.get("ElementType", "").removesuffix("_ARRAY")[4:])
    if itemsize is None or len(channels) != 1:
        raise damaged(path, "MetaImage", f"its type is “{fields.get('ElementType', '')}”")
    _check_meta_counts(path, fields, len(sizes))
    declared = math.prod(sizes) * channels[0]
    if fields.get("BinaryData", "True").lower() not in ("false", "0", "no", "f", "n"):
        declared *= itemsize  # else text: at least one character per number
    compressed = fields.get("CompressedData", "").lower() in ("true", "1", "yes", "t", "y")
    name = fields["ElementDataFile"]
    if name.upper() == "LOCAL":
        _compare(path, path, "MetaImage", declared + (0 if compressed else begins), compressed)
    elif name.split()[:1] == ["LIST"] or "%" in name:
        require_memory(2 * declared, path)
    else:
        _compare(path, path.parent / name, "MetaImage", declared, compressed)
    return any(key in fields for key in ("TransformMatrix", "Orientation", "Rotation"))


def _meta_fields(path: Path) -> tuple[dict[str, str], int]:
    """The header's lines, and where they end.

    Nothing may be said twice or in odd words: this reader and ITK's must see the same.
    """
    fields: dict[str, str] = {}
    with path.open("rb") as file:
        while "ElementDataFile" not in fields:
            found = _META_LINE.fullmatch(_line(file.readline(1024), path, "MetaImage"))
            if found is None or len(fields) > 1000:
                raise damaged(path, "MetaImage", "its text header does not end as it should")
            key = found[1].strip()
            if key in fields and key != "Comment":
                raise damaged(path, "MetaImage", f"its header gives “{key}” twice")
            fields[key] = found[2].strip()
        return fields, file.tell()


def _check_meta_counts(path: Path, fields: dict[str, str], ndim: int) -> None:
    """ITK reads as many numbers as NDims says into arrays of fixed size, without a look."""
    if not 2 <= ndim <= 4 or fields.get("NDims", "") != str(ndim):
        said = f"it has {fields.get('NDims', '')[:20]} axes and the size {fields['DimSize'][:40]}"
        raise damaged(path, "MetaImage", said)
    for key, count in _META_COUNTS.items():
        if key in fields and len(fields[key].split()) != ndim**count:
            raise damaged(path, "MetaImage", f"its {key} is “{fields[key][:60]}”")


def check_nrrd(path: Path) -> bool:
    """Check an NRRD file; returns whether it says how it lies in the patient."""
    fields: dict[str, str] = {}
    with path.open("rb") as file:
        if not file.readline(64).startswith(b"NRRD"):
            raise damaged(path, "NRRD", "it does not begin with NRRD")
        while True:
            raw = file.readline(2**16)
            text = _line(raw, path, "NRRD")
            if not text:
                break
            if text.startswith("#"):
                continue
            key, separator, value = text.partition(":")
            if not separator or file.tell() > HEADER_LIMIT:
                raise damaged(path, "NRRD", "its text header does not end as it should")
            fields[key.strip().lower().replace(" ", "")] = value.removeprefix("=").strip()
            if not raw.endswith(b"\n"):
                break
        begins = file.tell()
    sizes = _numbers(fields.get("sizes", ""), path, "NRRD")
    kind = fields.get("type", "")
    itemsize = next((n for n, names in _NRRD_BYTES.items() if kind in names.split("|")), None)
    if itemsize is None:
        raise damaged(path, "NRRD", f"its type is “{kind}”")
    if fields.get("dimension") != str(len(sizes)):
        raise damaged(path, "NRRD", f"it has {fields.get('dimension')} axes and {len(sizes)} sizes")
    _check_nrrd_data(path, fields, math.prod(sizes), itemsize, begins)
    # In 2-D there is no name for a patient space, only directions.
    placed = len(sizes) == 2 and "spacedirections" in fields
    return placed or fields.get("space", "").lower() in _NRRD_SPACES


def _check_nrrd_data(
    path: Path, fields: dict[str, str], count: int, itemsize: int, begins: int
) -> None:
    encoding = fields.get("encoding", "")
    name = fields.get("datafile")
    file = path if name is None else path.parent / name
    listed = name is not None and (name.split()[:1] == ["LIST"] or "%" in name)
    if listed or encoding in ("bzip2", "bz2"):
        require_memory(2 * count * itemsize, path)
    elif encoding in ("gzip", "gz"):
        _compare(path, file, "NRRD", count * itemsize, compressed=True)
    elif encoding == "raw":
        _compare(path, file, "NRRD", count * itemsize + (begins if name is None else 0), False)
    elif encoding in ("txt", "text", "ascii", "hex"):
        _compare(path, file, "NRRD", count, compressed=False)
        require_memory(2 * count * itemsize, path)
    else:
        raise damaged(path, "NRRD", f"its encoding is “{encoding}”")


def _compare(path: Path, file: Path, what: str, declared: int, compressed: bool) -> None:
    if not file.is_file():
        raise damaged(
            path, what, f"its voxels should be beside it in “{file.name}”, which is missing"
        )
    require_bytes(file, what, declared, compressed, copies=2)


def _line(raw: bytes, path: Path, what: str) -> str:
    try:
        return raw.decode("utf-8").strip()
    except UnicodeDecodeError as error:
        raise damaged(path, what, "its header is no text") from error


def _numbers(text: str, path: Path, what: str) -> list[int]:
    try:
        numbers = [int(word) for word in text.split()]
    except ValueError:
        numbers = []
    if not numbers or min(numbers) < 1 or len(numbers) > 16:
        raise damaged(path, what, f"its size is “{text}”")
    return numbers
