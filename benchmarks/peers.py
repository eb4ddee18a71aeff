"""Other people's registration, each as a competent user would call it.

Every function takes the job (see `worker.py`) and returns an `Answer`: the affine as fixed
world to moving world (RAS mm) and the displacement on the fixed grid in fixed voxels, to be
applied before the affine: moving = affine (x + u(x)).  Only NumPy and the peers are needed.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import SimpleITK as sitk
from data import flip, matrix_of, read_sitk
from measure import peak_megabytes, timed


@dataclass
class Answer:
    """What a method found and what it took; `megabytes` is the peak when it had finished."""

    affine: np.ndarray
    displacement: np.ndarray | None
    seconds_affine: dict[str, float]
    seconds_deformable: dict[str, float]
    megabytes: float
    notes: dict[str, Any] = field(default_factory=dict)


def lps_to_voxels(vectors: np.ndarray, fixed: sitk.Image) -> np.ndarray:
    """LPS mm vectors (*S, D) in array order ijk to fixed voxels (D, *S)."""
    n = fixed.GetDimension()
    to_voxels = np.linalg.inv((flip(n) @ matrix_of(fixed))[:n, :n])
    return np.ascontiguousarray(np.moveaxis(vectors @ to_voxels.T, -1, 0), dtype=np.float32)


def _vectors(image: sitk.Image) -> np.ndarray:
    """Vector image as (*S, D), array order ijk."""
    n = image.GetDimension()
    return sitk.GetArrayFromImage(image).transpose(*range(n - 1, -1, -1), n)


def greedy(job: dict[str, Any]) -> Answer:
    """Greedy: affine, then deformable, in memory (no file is written while it is timed)."""
    import picsl_greedy

    pair, options = job["pair"], job["settings"]
    fixed, moving = read_sitk(pair["fixed"]), read_sitk(pair["moving"])
    n = fixed.GetDimension()
    kind = f"Greedy{'Float' if options['float'] else ''}{n}D"
    common = f"-d {n} -threads {job['threads']} -V 0 -seed 1 -i fixed moving"
    images: dict[str, Any] = {"fixed": fixed, "moving": moving}
    masks = _greedy_masks(pair, images)
    folder = Path(job["folder"])
    if job.get("start") is None:
        # Its affine needs double precision: in single it stops far too early.
        tool = getattr(picsl_greedy, f"Greedy{n}D")()
        command = f"{common} -a {options['affine']} {masks} -o affine"
        _, affine_seconds = timed(lambda: tool.execute(command, affine=None, **images))
        matrix = np.array(tool["affine"], np.float64)
    else:
        matrix, affine_seconds = np.array(job["start"]), {"wall": 0.0, "cpu": 0.0}
    np.savetxt(folder / "affine.mat", matrix)
    tool = getattr(picsl_greedy, kind)()
    command = f"{common} {options['deformable']} {masks} -it {folder / 'affine.mat'} -wp 0 -o warp"
    _, seconds = timed(lambda: tool.execute(command, warp=None, **images))
    memory = peak_megabytes()
    u = lps_to_voxels(_vectors(tool["warp"]), fixed)
    return Answer(matrix, u, affine_seconds, seconds, memory)


def _greedy_masks(pair: dict[str, Any], images: dict[str, Any]) -> str:
    if not pair["fixed_mask"]:
        return ""
    images["fixed_mask"] = read_sitk(pair["fixed_mask"])
    return "-gm fixed_mask"


def ants_syn(job: dict[str, Any]) -> Answer:
    """ANTsPy: "Affine", then "SyNOnly" from it, which together are its "SyN"; ANTs' own metric."""
    import ants

    pair, options = job["pair"], job["settings"]
    fixed, moving = (ants.from_sitk(read_sitk(pair[k])) for k in ("fixed", "moving"))
    with tempfile.TemporaryDirectory(dir=job["folder"]) as folder:
        first, affine_seconds = timed(
            lambda: ants.registration(
                fixed,
                moving,
                "Affine",
                outprefix=f"{folder}/a",
                random_seed=1,
                **options.get("affine", {}),
            )
        )
        second, seconds = timed(
            lambda: ants.registration(
                fixed,
                moving,
                "SyNOnly",
                initial_transform=first["fwdtransforms"][0],
                outprefix=f"{folder}/s",
                random_seed=1,
                **options["deformable"],
            )
        )
        memory = peak_megabytes()
        files = second["fwdtransforms"]
        matrix = _itk_affine(next(f for f in files if f.endswith(".mat")))
        warp = sitk.ReadImage(next(f for f in files if f.endswith(".nii.gz")))
    u = lps_to_voxels(_vectors(warp), read_sitk(pair["fixed"]))
    return Answer(matrix, u, affine_seconds, seconds, memory)


def _itk_affine(path: str) -> np.ndarray:
    return _as_matrix(sitk.ReadTransform(path))


def _as_matrix(transform: sitk.Transform) -> np.ndarray:
    """Any linear ITK transform as RAS (D + 1, D + 1)."""
    n = transform.GetDimension()
    origin = np.array(transform.TransformPoint((0.0,) * n))
    matrix = np.eye(n + 1)
    matrix[:n, :n] = np.stack(
        [np.array(transform.TransformPoint(tuple(e))) - origin for e in np.eye(n)], 1
    )
    matrix[:n, n] = origin
    return flip(n) @ matrix @ flip(n)


def simple_itk(job: dict[str, Any]) -> Answer:
    """SimpleITK: affine by mutual information, then demons or a B-spline, coarse to fine."""
    pair, options = job["pair"], job["settings"]
    sitk.ProcessObject.SetGlobalDefaultNumberOfThreads(job["threads"])
    fixed, moving = read_sitk(pair["fixed"]), read_sitk(pair["moving"])
    affine, affine_seconds = timed(lambda: _itk_align(fixed, moving, options))
    if options["deformable"] == "demons":
        field_, seconds = timed(lambda: _demons(fixed, moving, affine, options["iterations"]))
    else:
        field_, seconds = timed(lambda: _bspline(fixed, moving, affine, options))
    memory = peak_megabytes()
    u = lps_to_voxels(_vectors(field_), fixed)
    return Answer(_as_matrix(affine), u, affine_seconds, seconds, memory)


def _itk_align(fixed: sitk.Image, moving: sitk.Image, options: dict[str, Any]) -> sitk.Transform:
    n = fixed.GetDimension()
    kind = sitk.AffineTransform(n)
    start = sitk.CenteredTransformInitializer(
        fixed,
        moving,
        kind,
        sitk.CenteredTransformInitializerFilter.MOMENTS
        if options["moments"]
        else sitk.CenteredTransformInitializerFilter.GEOMETRY,
    )
    method = sitk.ImageRegistrationMethod()
    method.SetMetricAsMattesMutualInformation(32)
    method.SetMetricSamplingStrategy(method.REGULAR)
    method.SetMetricSamplingPercentage(options["sampling"], seed=1)
    method.SetInterpolator(sitk.sitkLinear)
    method.SetOptimizerAsRegularStepGradientDescent(
        learningRate=1.0, minStep=1e-4, numberOfIterations=200, gradientMagnitudeTolerance=1e-6
    )
    method.SetOptimizerScalesFromPhysicalShift()
    method.SetShrinkFactorsPerLevel([4, 2, 1])
    method.SetSmoothingSigmasPerLevel([2, 1, 0])
    method.SmoothingSigmasAreSpecifiedInPhysicalUnitsOn()
    method.SetInitialTransform(start, inPlace=False)
    return method.Execute(fixed, moving)


def _demons(
    fixed: sitk.Image, moving: sitk.Image, affine: sitk.Transform, iterations: list[int]
) -> sitk.Image:
    """Multi-resolution diffeomorphic demons on histogram-matched images, as in ITK's guide."""
    aligned = sitk.Resample(moving, fixed, affine, sitk.sitkLinear, 0.0)
    aligned = sitk.HistogramMatching(aligned, fixed, 256, 15, True)
    result = None
    for level, count in enumerate(iterations):
        factor = 2 ** (len(iterations) - 1 - level)
        if count == 0:
            continue
        small = [_shrink(image, factor) for image in (fixed, aligned)]
        method = sitk.DiffeomorphicDemonsRegistrationFilter()
        method.SetNumberOfIterations(count)
        method.SetStandardDeviations(1.5)
        method.SmoothDisplacementFieldOn()
        if result is None:
            result = method.Execute(*small)
        else:
            result = method.Execute(*small, sitk.Resample(result, small[0]))
    return sitk.Resample(result, fixed)


def _shrink(image: sitk.Image, factor: int) -> sitk.Image:
    if factor == 1:
        return image
    factors = [factor if n >= 16 * factor else 1 for n in image.GetSize()]
    sigma = [
        0.5 * f * s if f > 1 else 1e-3 * s for f, s in zip(factors, image.GetSpacing(), strict=True)
    ]
    return sitk.Shrink(sitk.SmoothingRecursiveGaussian(image, sigma), factors)


def _bspline(
    fixed: sitk.Image, moving: sitk.Image, affine: sitk.Transform, options: dict[str, Any]
) -> sitk.Image:
    """Free-form deformation, Mattes mutual information, the mesh refined at every level."""
    mesh = [
        max(2, round(n * s / options["mesh_mm"] / 4))
        for n, s in zip(fixed.GetSize(), fixed.GetSpacing(), strict=True)
    ]
    spline = sitk.BSplineTransformInitializer(fixed, mesh, order=3)
    method = sitk.ImageRegistrationMethod()
    method.SetMetricAsMattesMutualInformation(32)
    method.SetMetricSamplingStrategy(method.REGULAR)
    method.SetMetricSamplingPercentage(options["sampling"], seed=1)
    method.SetInterpolator(sitk.sitkLinear)
    method.SetMovingInitialTransform(affine)
    method.SetInitialTransformAsBSpline(spline, inPlace=True, scaleFactors=[1, 2, 4])
    method.SetOptimizerAsLBFGS2(
        solutionAccuracy=1e-4,
        numberOfIterations=options["iterations"],
        deltaConvergenceTolerance=1e-4,
    )
    method.SetShrinkFactorsPerLevel([4, 2, 1])
    method.SetSmoothingSigmasPerLevel([2, 1, 0])
    method.SmoothingSigmasAreSpecifiedInPhysicalUnitsOn()
    found = method.Execute(fixed, moving)
    return sitk.TransformToDisplacementField(
        found,
        sitk.sitkVectorFloat64,
        fixed.GetSize(),
        fixed.GetOrigin(),
        fixed.GetSpacing(),
        fixed.GetDirection(),
    )


METHODS = {"greedy": greedy, "ants": ants_syn, "simpleitk": simple_itk}
