"""Affine alignment of real scans: time and overlap against SimpleITK, and capture range.

    python benchmarks/affine.py [--data ../shared/data] [--pairs 6] [--starts 20] [--sitk]

Overlap is the mean Dice over all label ids (and over those below 100), the moving labels
taken to the fixed grid by nearest neighbour.  SimpleITK: moments, then rigid and affine by
Mattes mutual information (32 bins, regular sampling of 20 %), shrink factors 8-4-2.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import nibabel as nib
import numpy as np
from scipy.ndimage import affine_transform
from scipy.spatial.transform import Rotation

from napari_voxelmorph.engine.geometry.volume import Volume, voxel_to_voxel
from napari_voxelmorph.engine.optimization.affine import align

PAIRS = [(1000, 1001), (1002, 1003), (1006, 1007), (1008, 1009), (1010, 1011), (1012, 1036)]


def load(folder: Path, person: int, what: str) -> Volume:
    image = nib.load(folder / f"{person}_{what}.nii.gz")
    return Volume(np.asarray(image.dataobj), image.affine, name=f"{person}")


def finish(steps):
    """The matrix, and the longest time (s) between two steps."""
    longest, last = 0.0, time.perf_counter()
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value, longest
        now = time.perf_counter()
        longest, last = max(longest, now - last), now


def overlap(fixed: Volume, moving: Volume, world: np.ndarray) -> tuple[float, float]:
    """Mean Dice over all ids and over the ids below 100, of those that both images have."""
    matrix = voxel_to_voxel(fixed, moving, world)
    moved = affine_transform(moving.data, matrix, output_shape=fixed.shape, order=0)
    ids = np.intersect1d(np.unique(fixed.data), np.unique(moving.data))
    ids = ids[ids > 0].astype(int)
    n = int(max(fixed.data.max(), moving.data.max())) + 1
    f, m = (np.bincount(x.ravel().astype(int), minlength=n) for x in (fixed.data, moved))
    both = np.bincount(fixed.data[fixed.data == moved].astype(int), minlength=n)
    dice = 2 * both[ids] / (f[ids] + m[ids])
    return float(dice.mean()), float(dice[ids < 100].mean())


def sitk_affine(folder: Path, fixed: int, moving: int) -> np.ndarray:
    """SimpleITK's affine map, fixed world to moving world, RAS mm."""
    import SimpleITK as sitk

    images = [
        sitk.ReadImage(str(folder / f"{person}_t1.nii.gz"), sitk.sitkFloat32)
        for person in (fixed, moving)
    ]
    rigid = sitk.CenteredTransformInitializer(
        *images, sitk.Euler3DTransform(), sitk.CenteredTransformInitializerFilter.MOMENTS
    )
    _sitk_climb(images, rigid)
    affine = sitk.AffineTransform(3)
    affine.SetCenter(rigid.GetCenter())
    affine.SetMatrix(rigid.GetMatrix())
    affine.SetTranslation(rigid.GetTranslation())
    _sitk_climb(images, affine)
    matrix = np.eye(4)
    matrix[:3, :3] = np.reshape(affine.GetMatrix(), (3, 3))
    center = np.array(affine.GetCenter())
    matrix[:3, 3] = np.array(affine.GetTranslation()) + center - matrix[:3, :3] @ center
    flip = np.diag([-1.0, -1.0, 1.0, 1.0])
    return flip @ matrix @ flip


def _sitk_climb(images, transform) -> None:
    import SimpleITK as sitk

    method = sitk.ImageRegistrationMethod()
    method.SetMetricAsMattesMutualInformation(32)
    method.SetMetricSamplingStrategy(method.REGULAR)
    method.SetMetricSamplingPercentage(0.2)
    method.SetInterpolator(sitk.sitkLinear)
    method.SetOptimizerAsRegularStepGradientDescent(2.0, 1e-3, 300, 0.6, 1e-6)
    method.SetOptimizerScalesFromPhysicalShift()
    method.SetShrinkFactorsPerLevel([8, 4, 2])
    method.SetSmoothingSigmasPerLevel([4, 2, 1])
    method.SmoothingSigmasAreSpecifiedInPhysicalUnitsOn()
    method.SetInitialTransform(transform, True)
    method.Execute(*images)


def capture(fixed: Volume, moving: Volume, starts: int, start: str) -> tuple[int, float]:
    """How many of random starts (±45 degrees, ±30 mm per axis) end within 2 mm, and the median."""
    reference, _ = finish(align(fixed, moving))
    rng = np.random.default_rng(0)
    index = np.stack(np.meshgrid(*[np.linspace(n / 4, 3 * n / 4, 5) for n in fixed.shape]))
    places = fixed.affine[:3, :3] @ index.reshape(3, -1) + fixed.affine[:3, 3:]
    errors = []
    for _ in range(starts):
        axis = rng.normal(size=3)
        turn = np.radians(rng.uniform(-45, 45)) * axis / np.linalg.norm(axis)
        away = np.eye(4)
        away[:3, :3] = Rotation.from_rotvec(turn).as_matrix()
        away[:3, 3] = fixed.center - away[:3, :3] @ fixed.center + rng.uniform(-30, 30, 3)
        moved = Volume(moving.data, away @ np.linalg.inv(reference) @ moving.affine)
        found, _ = finish(align(fixed, moved, start=start))
        off = np.linalg.solve(away, found) - np.eye(4)
        errors.append(np.linalg.norm(off[:3, :3] @ places + off[:3, 3:], axis=0).mean())
    return int(np.sum(np.array(errors) < 2.0)), float(np.median(errors))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=Path(__file__).parents[2] / "shared" / "data")
    parser.add_argument("--pairs", type=int, default=6)
    parser.add_argument("--starts", type=int, default=0, help="random starts per pair and mode")
    parser.add_argument(
        "--sitk", action="store_true", help="run SimpleITK as well (a minute a pair)"
    )
    options = parser.parse_args()
    folder = options.data / "oasis_brains"
    finish(align(*(load(folder, person, "t1") for person in PAIRS[0])))  # compile
    print("pair        method        seconds  cpu s  stall ms  dice all  dice <100")
    rows: dict[str, list] = {}
    for pair in PAIRS[: options.pairs]:
        scans = [load(folder, person, "t1") for person in pair]
        labels = [load(folder, person, "labels") for person in pair]
        methods = {
            "ours mi": lambda scans=scans: finish(align(*scans)),
            "ours lncc": lambda scans=scans: finish(align(*scans, similarity="lncc")),
        }
        if options.sitk:
            methods["SimpleITK mi"] = lambda pair=pair: (sitk_affine(folder, *pair), np.nan)
        for name, method in methods.items():
            wall, cpu = time.perf_counter(), time.process_time()
            world, stall = method()
            wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
            row = [wall, cpu, 1e3 * stall, *overlap(*labels, world)]
            rows.setdefault(name, []).append(row)
            _print(f"{pair[0]}-{pair[1]}", name, row)
    for name, all_rows in rows.items():
        _print("mean", name, np.mean(all_rows, axis=0))
    for start in ("auto", "header") if options.starts else ():
        for pair in PAIRS[: options.pairs]:
            scans = [load(folder, person, "t1") for person in pair]
            caught, median = capture(*scans, options.starts, start)
            print(
                f"capture {start} {pair}: {caught}/{options.starts}, median {median:.2f} mm",
                flush=True,
            )


def _print(pair: str, name: str, row) -> None:
    wall, cpu, stall, all_ids, some = row
    times = f"{wall:7.2f} {cpu:6.2f} {stall:9.0f}"
    print(f"{pair:<11} {name:<13} {times} {all_ids:9.4f} {some:9.4f}", flush=True)


if __name__ == "__main__":
    main()
