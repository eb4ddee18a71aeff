"""What landmarks are worth: half of them pull, the distance of the other half is measured.

    python benchmarks/landmarks.py [lung] [kidney] [--weights 0 0.3 1 3 10] [--folds 2]

The pre-alignment is found once, without landmarks.  Each fold leaves out every n-th point, and is
registered with the others; with the weight 0 it is the ordinary registration.  Folding is of
central differences.  CPU seconds are those of the deformable stage.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from data import matrix_of, read_points, read_sitk, single_pairs

from napari_voxelmorph.engine.config import DEFAULT, PRESETS, RegistrationConfig
from napari_voxelmorph.engine.evaluation.metrics import target_registration_error
from napari_voxelmorph.engine.geometry.volume import Volume
from napari_voxelmorph.engine.landmarks import LandmarkPairs
from napari_voxelmorph.engine.optimization.deformable import deform
from napari_voxelmorph.engine.optimization.work_grid import prepare
from napari_voxelmorph.engine.registration import Registrar
from napari_voxelmorph.engine.result import Registration

_NAMES = {"lung": "lung", "kidney": "kidney_stains"}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("pairs", nargs="*", default=["lung"], choices=list(_NAMES))
    parser.add_argument("--weights", nargs="+", type=float, default=[0, 0.3, 1, 3, 10])
    parser.add_argument("--folds", type=int, default=2)
    options = parser.parse_args()
    for name in options.pairs:
        study(name, options.weights, options.folds)


def study(name: str, weights: list[float], folds: int) -> None:
    """All weights and folds of one pair, as a table."""
    images, masks, pairs, config = read_pair(name)
    registrar = Registrar("cpu")
    registrar.set_pair(images["moving"], images["fixed"], **masks)
    aligned = registrar.register(replace(config, transform="none"))
    matrix = aligned.affine
    grid = prepare(
        images["fixed"], images["moving"], matrix, config, masks.get("fixed_mask"),
        masks.get("moving_mask"),
    )  # fmt: skip
    start = target_registration_error(aligned, pairs.fixed, pairs.moving)
    print(f"{name}: {len(pairs)} points, {start.mean():.2f} mm after pre-alignment")
    print("weight | left out: mean, median, max mm | pulling: mean mm | folds % | CPU s")
    for weight in weights:
        out, pulling, folding, seconds = [], [], [], []
        for fold in range(1 if weight == 0 else folds):
            away = np.arange(len(pairs)) % folds == fold
            near = LandmarkPairs(pairs.fixed[~away], pairs.moving[~away])
            begun = time.process_time()
            settings = replace(config, landmark_weight=weight)
            result = deformed(images, matrix, settings, near, grid)
            seconds.append(time.process_time() - begun)
            errors = target_registration_error(result, pairs.fixed, pairs.moving)
            out += list(errors if weight == 0 else errors[away])
            pulling += list(errors[~away])
            folding.append(folds_of(result))
        print(f"{weight:6g} | {np.mean(out):.2f} {np.median(out):.2f} {np.max(out):.2f} | "
              f"{np.mean(pulling):.2f} | {100 * max(folding):.4f} | "
              f"{np.mean(seconds):.1f}", flush=True)  # fmt: skip


def deformed(
    images: dict[str, Volume],
    matrix: Any,
    config: RegistrationConfig,
    near: LandmarkPairs,
    grid: Any,
) -> Registration:
    """The deformable stage from a given pre-alignment."""
    fixed, moving = images["fixed"], images["moving"]
    steps = deform(
        fixed, moving, matrix, config, device=torch.device("cpu"), grid=grid, landmarks=near
    )
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return Registration(fixed, moving, matrix, end.value)


def folds_of(result: Registration) -> float:
    """Share of voxels at which the map turns inside out."""
    u = result.displacement
    rows = [np.gradient(component) for component in u]
    matrix = np.moveaxis(np.array(rows), (0, 1), (-2, -1)) + np.eye(result.ndim)
    return float((np.linalg.det(matrix) <= 0).mean())


def read_pair(name: str) -> tuple[dict[str, Volume], dict[str, Volume], LandmarkPairs, Any]:
    """Images and masks by role, landmarks in world mm, and the settings that suit them."""
    pair = next(p for p in single_pairs() if p.name == _NAMES[name])
    images, masks, points = {}, {}, {}
    for role in ("fixed", "moving"):
        image = read_sitk(getattr(pair, role))
        images[role] = volume_of(image)
        if getattr(pair, f"{role}_mask"):
            mask = volume_of(read_sitk(getattr(pair, f"{role}_mask")))
            masks[f"{role}_mask"] = mask.with_data(mask.data > 0, kind="labels")
        voxels = read_points(getattr(pair, f"{role}_points"))
        affine = images[role].affine
        points[role] = voxels @ affine[:-1, :-1].T + affine[:-1, -1]
    count = min(map(len, points.values()))
    pairs = LandmarkPairs(points["fixed"][:count], points["moving"][:count])
    config = DEFAULT if pair.same_contrast else PRESETS["Different contrast"][0]
    return images, masks, pairs, config


def volume_of(image: Any) -> Volume:
    """An ITK image as a volume."""
    import SimpleITK as sitk

    return Volume(np.ascontiguousarray(sitk.GetArrayFromImage(image).T), matrix_of(image))


if __name__ == "__main__":
    main()
