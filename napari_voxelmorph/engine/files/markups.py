"""Slicer's point lists (.mrk.json): control points with labels, in RAS or LPS millimetres."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_voxelmorph.engine.files.reading import damaged, reading
from napari_voxelmorph.engine.files.writing import writing

_WHAT = "a Slicer point list"
_LARGEST = 256 * 2**20
_SCHEMA = (
    "https://raw.githubusercontent.com/slicer/slicer/master/Modules/Loadable/Markups/"
    "Resources/Schema/markups-schema-v1.0.3.json#"
)
_LPS = np.array([-1.0, -1.0, 1.0])


def load_markups(path: Path) -> tuple[NDArray[np.float64], list[str]]:
    """Points (N, 3), RAS mm, and their labels, of all lists in a file.

    Raises
    ------
    FileFormatError
    """
    points: list[NDArray[np.float64]] = []
    names: list[str] = []
    with reading(path, _WHAT):
        if path.stat().st_size > _LARGEST:
            raise damaged(path, _WHAT, "it is far too large")
        content = json.loads(path.read_text(encoding="utf-8"))
        for one in content["markups"]:
            # Slicer takes LPS where nothing is said.
            ras = str(one.get("coordinateSystem", "LPS")).upper() in ("RAS", "0")
            for point in one.get("controlPoints", []):
                position = np.array([float(n) for n in point["position"]])
                if position.shape != (3,):
                    raise damaged(path, _WHAT, f"a point has {position.size} coordinates")
                points.append(position if ras else position * _LPS)
                names.append(str(point.get("label", "")))
    return np.array(points).reshape(-1, 3), names


def save_markups(points: NDArray[np.float64], path: Path, names: list[str]) -> None:
    """Write points (N, 3), RAS mm, as one list.

    Raises
    ------
    OutputError
    """
    control: list[dict[str, Any]] = [
        {
            "id": str(number),
            "label": name,
            "position": [float(n) for n in point * _LPS],
            "positionStatus": "defined",
        }
        for number, (point, name) in enumerate(zip(points, names, strict=True), 1)
    ]
    one = {"type": "Fiducial", "coordinateSystem": "LPS", "coordinateUnits": "mm",
           "controlPoints": control}  # fmt: skip
    with writing(path) as temporary:
        text = json.dumps({"@schema": _SCHEMA, "markups": [one]}, indent=1)
        temporary.write_text(text, encoding="utf-8")
