"""The pairs of scans, and one way of reading them for every method.

Needs NumPy and SimpleITK only, because it also runs in the peers' own environment.
Arrays are in array order ``ijk``; matrices map voxels to world RAS millimetres.
"""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk


def data_folder() -> Path:
    """Where the real scans are: $NAPARI_VOXELMORPH_DATA or ../shared/data."""
    given = os.environ.get("NAPARI_VOXELMORPH_DATA")
    return Path(given) if given else Path(__file__).resolve().parents[2] / "shared" / "data"


@dataclass(frozen=True)
class Pair:
    """Two scans and what is known about them; paths are absolute or empty.

    ``truth`` is the ``.npy`` of a known map, moving voxel to voxel of an image that is aligned
    with the fixed one (see `known.py`).  ``same_contrast``, ``thin`` (few thick slices),
    ``rigid`` (one head twice) and ``headers`` (the files' positions can be trusted) pick the
    settings that a competent user of each tool would.
    """

    name: str
    group: str
    fixed: str
    moving: str
    fixed_labels: str = ""
    moving_labels: str = ""
    fixed_mask: str = ""
    moving_mask: str = ""
    fixed_points: str = ""
    moving_points: str = ""
    truth: str = ""
    same_contrast: bool = True
    rigid: bool = False
    thin: bool = False
    headers: bool = False

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return asdict(self)


def read_sitk(path: str) -> sitk.Image:
    """Read a scalar float32 image; colours become their mean, 4-D is not expected."""
    image = sitk.ReadImage(path)
    if image.GetNumberOfComponentsPerPixel() > 1:
        parts = [
            sitk.Cast(sitk.VectorIndexSelectionCast(image, c), sitk.sitkFloat32)
            for c in range(image.GetNumberOfComponentsPerPixel())
        ]
        mean = parts[0]
        for part in parts[1:]:
            mean = mean + part
        return mean / float(len(parts))
    return sitk.Cast(image, sitk.sitkFloat32)


def matrix_of(image: sitk.Image) -> np.ndarray:
    """Voxel to world RAS mm, (D + 1, D + 1), of an ITK image (LPS); 2-D has x, y signs flipped."""
    n = image.GetDimension()
    matrix = np.eye(n + 1)
    matrix[:n, :n] = np.array(image.GetDirection()).reshape(n, n) * np.array(image.GetSpacing())
    matrix[:n, n] = image.GetOrigin()
    return flip(n) @ matrix


def flip(n: int) -> np.ndarray:
    """LPS to RAS (and back), (n + 1, n + 1)."""
    out = np.eye(n + 1)
    out[0, 0] = out[1, 1] = -1
    return out


def read(path: str, labels: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Read as (array ijk, matrix)."""
    image = read_sitk(path)
    data = np.ascontiguousarray(sitk.GetArrayFromImage(image).T)
    return (np.rint(data).astype(np.int32) if labels else data), matrix_of(image)


def read_points(path: str) -> np.ndarray:
    """Landmarks as voxel indices (N, D): elastix ``index``/BIRL ``point`` text."""
    lines = Path(path).read_text().split("\n")
    if lines[0].strip() not in ("index", "point"):
        raise ValueError(f"{path}: expected elastix landmarks that begin with 'index' or 'point'.")
    rows = [[float(v) for v in line.split()] for line in lines[2:] if line.strip()]
    return np.array(rows)


#: Fixed and moving: twelve different people (1003 and 1023, one person, never meet).
BRAINS = [
    ("1000", "1001"),
    ("1002", "1003"),
    ("1006", "1007"),
    ("1008", "1009"),
    ("1010", "1011"),
    ("1012", "1013"),
]


def brains() -> list[Pair]:
    """Raw T1 scans of different people, each with its own arbitrary world origin."""
    folder = data_folder() / "oasis_brains"
    return [
        Pair(
            f"{f}_{m}",
            "brains",
            str(folder / f"{f}_t1.nii.gz"),
            str(folder / f"{m}_t1.nii.gz"),
            str(folder / f"{f}_labels.nii.gz"),
            str(folder / f"{m}_labels.nii.gz"),
        )
        for f, m in BRAINS
    ]


def hippocampi(count: int = 8) -> list[Pair]:
    """Neighbours in the list, spread over it."""
    folder = data_folder() / "hippocampus"
    names = sorted(p.name for p in (folder / "images").glob("*.nii.gz"))
    picks = range(0, len(names) - 1, max(1, len(names) // count))
    return [
        Pair(
            f"hippocampus_{names[i][12:15]}_{names[i + 1][12:15]}",
            "hippocampus",
            *(str(folder / "images" / names[j]) for j in (i, i + 1)),
            *(str(folder / "labels" / names[j]) for j in (i, i + 1)),
        )
        for i in list(picks)[:count]
    ]


def slices_2d() -> list[Pair]:
    """T1 slices of different people with labels."""
    folder = data_folder() / "brain_2d"
    people = [("1", "2"), ("3", "4"), ("5", "6"), ("7", "8"), ("9", "10"), ("11", "12")]

    def image(i: str) -> str:
        return str(folder / "images" / f"OASIS-TRT-20-{i}_slice118.nii.gz")

    def labels(i: str) -> str:
        return str(folder / "labels" / f"OASIS-TRT-20-{i}_DKT31_CMA_labels_slice118.nii.gz")

    return [
        Pair(f"slice_{f}_{m}", "brain_2d", image(f), image(m), labels(f), labels(m))
        for f, m in people
    ]


def single_pairs() -> list[Pair]:
    """One pair each: lungs, heart, two contrasts, CT slice, kidney."""
    root = data_folder()
    lung, heart = root / "lung_ct", root / "cardiac"
    flat, multi, kidney = root / "brain_2d", root / "multimodal", root / "histology"
    return [
        Pair(
            "lung",
            "lung_ct",
            *(str(lung / f"3DCT_lung_{t}.mha") for t in ("baseline", "followup")),
            fixed_mask=str(lung / "3DCT_lung_baseline_mask.mha"),
            moving_mask=str(lung / "3DCT_lung_followup_mask.mha"),
            fixed_points=str(lung / "3DCT_lung_baseline.txt"),
            moving_points=str(lung / "3DCT_lung_followup.txt"),
        ),
        Pair(
            "heart_ED_to_ES",
            "cardiac",
            str(heart / "sa_ES.nii.gz"),
            str(heart / "sa_ED.nii.gz"),
            str(heart / "label_sa_ES.nii.gz"),
            str(heart / "label_sa_ED.nii.gz"),
            thin=True,
            headers=True,
        ),
        Pair(
            "head_PD_to_T1",
            "multimodal",
            str(multi / "head_T1.nii.gz"),
            str(multi / "head_PD.nii.gz"),
            same_contrast=False,
            rigid=True,
            headers=True,
        ),
        Pair(
            "IXI_T2_to_T1_slice",
            "multimodal",
            str(multi / "IXI002-Guys-0828-T1_slice90.nii.gz"),
            str(multi / "IXI002-Guys-0828-T2_slice90.nii.gz"),
            same_contrast=False,
            headers=True,
        ),
        Pair(
            "head_slice",
            "ct_2d",
            str(flat / "CT_2D_head_fixed.mha"),
            str(flat / "CT_2D_head_moving.mha"),
            same_contrast=False,
            headers=True,
        ),
        Pair(
            "kidney_stains",
            "histology",
            str(kidney / "Rat-Kidney_HE.jpg"),
            str(kidney / "Rat-Kidney_PanCytokeratin.jpg"),
            fixed_points=str(kidney / "Rat-Kidney_HE.pts"),
            moving_points=str(kidney / "Rat-Kidney_PanCytokeratin.pts"),
            same_contrast=False,
        ),
    ]
