"""Two-contrast pairs with a known answer.

Scans of one person in two contrasts come aligned, so nothing could be measured on them.
Here the moving one is moved by a known smooth map first (rotation 6 degrees, shift 8 mm and
a smooth deformation up to 6 mm), and the error that a registration leaves is exact, in mm.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import SimpleITK as sitk
from data import Pair, data_folder, read_sitk
from scipy.ndimage import map_coordinates, zoom

#: name -> (fixed, moving), aligned in the files.
ALIGNED = {
    "stroke_T2_to_T1": ("stroke_T1", "stroke_T2"),
    "stroke_FLAIR_to_T1": ("stroke_T1", "stroke_FLAIR"),
    "stroke_FLAIR_to_T2": ("stroke_T2", "stroke_FLAIR"),
    "ms07_T2_to_T1": ("ms07_T1", "ms07_T2"),
    "ms07_FLAIR_to_T1": ("ms07_T1", "ms07_FLAIR"),
    "ms07_T1Gd_to_FLAIR": ("ms07_FLAIR", "ms07_T1POST"),
}
DEGREES, SHIFT_MM, BEND_MM, KNOTS = 6.0, 8.0, 6.0, 5


def pairs(cache: Path) -> list[Pair]:
    """The pairs, made once and kept in the cache folder."""
    folder = data_folder() / "multimodal"
    out = []
    for seed, (name, (fixed, moving)) in enumerate(ALIGNED.items()):
        pair = Pair(
            name,
            "multimodal",
            str(folder / f"{fixed}.nii.gz"),
            str(folder / f"{moving}.nii.gz"),
            same_contrast=False,
            headers=True,
        )
        out.append(_moved(pair, seed, cache / "known"))
    return out


def _moved(pair: Pair, seed: int, folder: Path) -> Pair:
    folder.mkdir(parents=True, exist_ok=True)
    image_path, truth_path = folder / f"{pair.name}.nii.gz", folder / f"{pair.name}_truth.npy"
    if not truth_path.exists():
        image = read_sitk(pair.moving)
        truth = known_map(image.GetSize(), image.GetSpacing(), np.random.default_rng(seed))
        data = sitk.GetArrayFromImage(image).T
        moved = map_coordinates(data, truth, order=1, mode="constant").astype(np.float32)
        written = sitk.GetImageFromArray(np.ascontiguousarray(moved.T))
        written.CopyInformation(image)
        sitk.WriteImage(written, str(image_path))
        np.save(truth_path, truth)
    return replace(pair, moving=str(image_path), truth=str(truth_path))


def known_map(
    shape: tuple[int, ...], spacing: tuple[float, ...], rng: np.random.Generator
) -> np.ndarray:
    """Voxel to voxel, (3, *shape) float32, about the middle of the grid."""
    spacing_mm = np.array(spacing)[:, None, None, None]
    middle = ((np.array(shape) - 1) / 2)[:, None, None, None]
    grid = np.stack(np.meshgrid(*(np.arange(n, dtype=np.float32) for n in shape), indexing="ij"))
    mm = (grid - middle) * spacing_mm
    turned = np.tensordot(_rotation(rng), mm, axes=1)
    shift = rng.normal(size=3)
    shift *= SHIFT_MM / np.linalg.norm(shift)
    bend = np.stack(
        [zoom(rng.normal(size=(KNOTS,) * 3), [n / KNOTS for n in shape], order=3) for _ in range(3)]
    )
    bend *= BEND_MM / np.sqrt((bend**2).sum(0)).max()
    out = turned + shift[:, None, None, None] + bend
    return (out / spacing_mm + middle).astype(np.float32)


def _rotation(rng: np.random.Generator) -> np.ndarray:
    axis = rng.normal(size=3)
    x, y, z = axis / np.linalg.norm(axis)
    cross = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    angle = np.deg2rad(DEGREES)
    return np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross
