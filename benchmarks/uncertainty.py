"""Can the uncertainty be believed?  Against pairs whose answer is known.

    python benchmarks/uncertainty.py --model brain-3d --pairs 8
    python benchmarks/uncertainty.py --model brain-3d --image scan.nii.gz     # a real scan, bent
    python benchmarks/uncertainty.py --model brain-3d --pairs 8 --store       # τ into the model
    python benchmarks/uncertainty.py --optimiser --ndim 2 --spacing 1.5       # by perturbations
    python benchmarks/uncertainty.py --toy                                    # trains one for it, 2-D

The temperature is fitted on the first half of the pairs; every figure is of the second half.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, map_coordinates

from napari_voxelmorph.engine.checkpoints import WEIGHTS, load_model, save_model
from napari_voxelmorph.engine.config import DEFAULT, RegistrationConfig
from napari_voxelmorph.engine.files import load
from napari_voxelmorph.engine.geometry.field import Field
from napari_voxelmorph.engine.geometry.volume import Volume
from napari_voxelmorph.engine.registration import Registrar
from napari_voxelmorph.engine.result import Registration
from napari_voxelmorph.engine.shelf import find
from napari_voxelmorph.engine.synthesis.phantom import make_pair
from napari_voxelmorph.engine.uncertainty import calibration
from napari_voxelmorph.engine.uncertainty.closed_form import closed_form
from napari_voxelmorph.engine.uncertainty.measuring import measuring
from napari_voxelmorph.engine.uncertainty.spread import Spread

Points = NDArray[np.float64]
#: Places per pair, in the brain (or the bright part).
PLACES = 3000
#: Of a real scan's own bend: largest displacement (mm), its smoothness (mm), and noise.
BEND_MM, SMOOTH_MM, NOISE = 8.0, 18.0, 0.02


@dataclass(frozen=True)
class Case:
    """A pair, where fixed points (N, D; world mm) truly lie in the moving world, and segmentations."""

    moving: Volume
    fixed: Volume
    truth: Callable[[Points], Points]
    inside: NDArray[np.bool_]
    moving_labels: Volume | None = None
    fixed_labels: Volume | None = None


def phantoms(ndim: int, spacing: float, count: int) -> Iterator[Case]:
    for seed in range(1000, 1000 + count):
        p = make_pair(ndim, seed, spacing=spacing)
        brain = np.isin(p.fixed_labels.data, p.brain_ids)
        truth = p.truth.fixed_to_moving
        yield Case(p.moving, p.fixed, truth, brain, p.moving_labels, p.fixed_labels)


def bent(path: str, count: int) -> Iterator[Case]:
    """A scan and the scan itself, warped by a known smooth velocity, with other noise."""
    moving = load(path)
    data = np.asarray(moving.data, np.float32)
    top = float(np.percentile(data, 99))
    for seed in range(count):
        rng = np.random.default_rng(seed)
        shape = moving.shape
        sigma = SMOOTH_MM / np.array(moving.spacing)
        v = np.stack([gaussian_filter(rng.normal(size=shape), sigma) for _ in shape])
        millimetres = v * np.reshape(moving.spacing, (-1, *[1] * len(shape)))
        v *= BEND_MM / np.sqrt((millimetres**2).sum(0)).max()
        field = Field(v.astype(np.float32), np.ones(len(shape)), np.zeros(len(shape)))
        known = Registration(moving, moving, np.eye(len(shape) + 1), field)
        noisy = known.moved.data + rng.normal(0, NOISE * top, shape).astype(np.float32)
        fixed = Volume(noisy, moving.affine, name="bent", oriented=moving.oriented)
        yield Case(moving, fixed, known.fixed_to_moving, known.moved.data > 0.15 * top)


def toys(count: int, first: int) -> Iterator[Case]:
    for seed in range(first, first + count):
        sample = _toy(seed)
        moving, fixed = (Volume(t[0].numpy()) for t in (sample.moving, sample.fixed))
        u = sample.displacement.numpy()
        whole = Field(u, np.ones(2), np.zeros(2), "displacement")
        known = Registration(fixed, moving, np.eye(3), whole)
        both = (sample.moving_labels, sample.fixed_labels)
        labels = [Volume(t.numpy(), None, "labels") for t in both]
        yield Case(moving, fixed, known.fixed_to_moving, labels[1].data > 0, *labels)


def _toy(seed: int):  # type: ignore[no-untyped-def]
    """Textured discs in one another, bent by a sine wave: a task that a small network learns."""
    import torch

    from napari_voxelmorph.engine.training.samples import Sample

    rng, shape = np.random.default_rng(seed), (64, 64)
    grid = np.indices(shape).astype(np.float32)
    phase, away = rng.uniform(0, 6.28, 2), rng.uniform(-4, 4, 2)
    texture = gaussian_filter(rng.normal(size=shape), 2.0)
    texture *= 0.15 / texture.std()
    bend = 3 * np.stack([np.sin(2 * np.pi * grid[1 - d] / 64 + phase[d]) for d in range(2)])

    def paint(x: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.int16]]:
        r = np.sqrt((((x - 32 - away[:, None, None]) / 24) ** 2).sum(0))
        inner = map_coordinates(texture, x, order=3, mode="wrap")
        image = (0.5 + inner) / (1 + np.exp(20 * (r - 1))) + 0.3 / (1 + np.exp(25 * (r - 0.5)))
        noise = rng.normal(0, 0.02, shape)
        return (image + noise).astype(np.float32), ((r < 1).astype(np.int16) + (r < 0.5))

    (moving, ml), (fixed, fl) = paint(grid), paint(grid + bend.astype(np.float32))
    t = torch.from_numpy
    none = torch.zeros(0, 2)
    return Sample(t(moving)[None], t(fixed)[None], t(ml), t(fl), none, none,
                  t(bend.astype(np.float32)), ("moving", "fixed"))  # fmt: skip


def train_toy(folder: Path, steps: int) -> Path:
    from napari_voxelmorph.engine.networks.space import Space
    from napari_voxelmorph.engine.training.config import TrainingConfig
    from napari_voxelmorph.engine.training.loop import train
    from napari_voxelmorph.engine.training.samples import PairsInMemory

    samples = [_toy(seed) for seed in range(64)]
    space = Space(spacing=None, percentile=0)
    source = PairsInMemory(samples[4:], samples[:4], (1, 2), space, {})
    config = TrainingConfig(
        network="voxelmorph-diff", similarity="mse", smoothness=10.0, steps=steps, batch=2,
        validate_every=steps, learning_rate=2e-3, augmentation=0.0, device="cpu",
        precision="float32",
    )  # fmt: skip
    for _ in train(source, config, folder):
        pass
    return folder / "best"


def measured(case: Case, config: RegistrationConfig) -> tuple[Registration, Spread]:
    registrar = Registrar("cpu")
    registrar.set_pair(case.moving, case.fixed)
    result = registrar.register(config)
    steps = measuring(result, case.moving_labels)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return result, end.value


@dataclass
class Found:
    """Errors (N, D) and covariances (N, D, D) of places, and what labels say."""

    errors: Points
    covariance: Points
    fast: Points
    probability: Points
    entropy: Points
    right: NDArray[np.bool_]


def look(case: Case, config: RegistrationConfig, rng: np.random.Generator) -> Found:
    result, spread = measured(case, config)
    voxels = np.argwhere(case.inside)
    voxels = voxels[rng.permutation(len(voxels))[:PLACES]]
    points = voxels @ case.fixed.affine[:-1, :-1].T + case.fixed.affine[:-1, -1]
    away = result.fixed_to_moving(points) - case.truth(points)
    errors = away @ np.linalg.inv(result.affine[:-1, :-1]).T  # as seen in the fixed world
    covariance = spread.covariance_at(points, case.fixed)
    fast = covariance
    if result.posterior is not None:
        fast = closed_form(result).covariance_at(points, case.fixed)
    none = np.zeros(0)
    labels = (none, none, np.zeros(0, bool))
    found = spread.structures
    if found is not None and case.fixed_labels is not None:
        band = case.inside & (found.entropy > 0)
        right = found.label == case.fixed_labels.data
        labels = (found.probability[band], found.entropy[band], right[band])
    return Found(errors, covariance, fast, *labels)


def together(parts: list[Found]) -> Found:
    return Found(*(np.concatenate([getattr(p, n) for p in parts]) for n in Found.__annotations__))


def figures(found: Found, tau: float) -> dict[str, float]:
    """All figures of calibration with covariances ``τ² Σ``."""
    ndim = found.errors.shape[1]
    length = np.linalg.norm(found.errors, axis=1)
    deviation = np.sqrt(np.trace(found.covariance, axis1=1, axis2=2) / ndim)
    fast = np.sqrt(np.trace(found.fast, axis1=1, axis2=2) / ndim)
    scaled = tau**2 * found.covariance
    out = {
        "error_mm": float(length.mean()),
        "deviation_mm": tau * float(deviation.mean()),
        "spearman": calibration.spearman(deviation, length),
        "spearman_closed_form": calibration.spearman(fast, length),
        "ause": calibration.sparsification(deviation, length).area,
        "nll": calibration.negative_log_likelihood(found.errors, scaled),
    }
    for share, inside in calibration.coverage(found.errors, scaled).items():
        out[f"coverage_{round(100 * share)}"] = inside
    if len(found.right):
        out["label_ece"] = calibration.reliability(found.probability, found.right).error
        out["label_auroc"] = calibration.discrimination(found.entropy, ~found.right)
    return out


def report(cases: list[Case], config: RegistrationConfig) -> tuple[float, dict[str, float]]:
    rng = np.random.default_rng(0)
    parts = [look(case, config, rng) for case in cases]
    half = len(parts) // 2
    fitting, held_out = together(parts[:half]), together(parts[half:])
    tau = calibration.temperature(fitting.errors, fitting.covariance)
    before, after = figures(held_out, 1.0), figures(held_out, tau)
    print(f"temperature {tau:.3f} from {half} pairs; figures of the other {len(parts) - half}")
    print(f"{'':22}{'as is':>10}{'with τ':>10}")
    for name in before:
        print(f"{name:22}{before[name]:10.3f}{after[name]:10.3f}")
    return tau, after


def store(name: str, tau: float, scores: dict[str, float]) -> None:
    folder = find(name)
    network, card = load_model(folder)
    scores = {f"uncertainty_{key}": value for key, value in scores.items() if np.isfinite(value)}
    # What was measured was already scaled by the temperature that the model had.
    card = replace(card, temperature=card.temperature * tau, scores={**card.scores, **scores})
    numbers = sum(p.numel() for p in network.parameters())
    if (folder / WEIGHTS).stat().st_size < 3 * numbers:  # was kept in half precision
        network = network.half()
    save_model(network, card, folder)
    print(f"stored in {folder}: temperature {card.temperature:.3f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--model", help="a probabilistic model of the shelf, or its folder")
    what.add_argument("--optimiser", action="store_true")
    what.add_argument("--toy", action="store_true")
    parser.add_argument("--image", help="a scan to bend; default: phantoms")
    parser.add_argument("--pairs", type=int, default=6)
    parser.add_argument("--ndim", type=int, default=3)
    parser.add_argument("--spacing", type=float, default=2.0)
    parser.add_argument("--steps", type=int, default=300, help="of the toy's training")
    parser.add_argument("--store", action="store_true", help="keep the temperature in the model")
    options = parser.parse_args()
    config = replace(DEFAULT, model=options.model or "", refine=False, device="cpu")
    with tempfile.TemporaryDirectory() as folder:
        if options.toy:
            model = train_toy(Path(folder) / "toy", options.steps)
            config = replace(config, model=str(model), affine="none")
            cases = list(toys(options.pairs, 100))
        elif options.image:
            config = replace(config, affine="none", start="header")
            cases = list(bent(options.image, options.pairs))
        else:
            cases = list(phantoms(options.ndim, options.spacing, options.pairs))
        tau, scores = report(cases, config)
    if options.store and options.model:
        store(options.model, tau, scores)


if __name__ == "__main__":
    main()
