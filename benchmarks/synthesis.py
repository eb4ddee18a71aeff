"""How fast are synthetic training pairs made, and what do they look like?

    python benchmarks/synthesis.py                          # CPU seconds per pair
    python benchmarks/synthesis.py --sheet heads.png        # a contact sheet of brain-3d pairs
    python benchmarks/synthesis.py --sheet blobs.png --preset any-2d --difficulty 0.5

The anatomy maps are those of `label_maps` in the data folder, or of `--maps FOLDER`.  A sheet
shows one pair in each row: moving and fixed image, their structures, and (3-D) a second plane.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from data import data_folder
from PIL import Image

from napari_voxelmorph.engine.parallel import set_threads
from napari_voxelmorph.engine.training.data.synthetic import (
    PRESETS,
    SyntheticConfig,
    SyntheticSource,
    synthetic_source,
)
from napari_voxelmorph.engine.training.samples import Sample


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--sheet", type=Path, help="write a contact sheet and stop")
    parser.add_argument("--preset", choices=PRESETS, default="brain-3d")
    parser.add_argument("--maps", type=Path, default=data_folder() / "label_maps")
    parser.add_argument("--rows", type=int, default=8)
    parser.add_argument("--first", type=int, default=0, help="number of the first pair")
    parser.add_argument("--difficulty", type=float, default=1.0)
    parser.add_argument("--cache", type=Path, help="keep the aligned maps here")
    options = parser.parse_args()
    if options.sheet:
        source = synthetic_source(
            options.preset, str(options.maps), cache=options.cache,
            easiest=options.difficulty, hardest=options.difficulty,
        )  # fmt: skip
        numbers = range(options.first, options.first + options.rows)
        rows = [row(source.draw(n)) for n in numbers]
        Image.fromarray(np.concatenate(rows)).save(options.sheet)
        return
    set_threads(1)
    print(f"{'pairs of':26s} {'CPU s per pair':>14s}")
    for name, pairs in (("brain-3d", 20), ("any-3d", 20), ("any-2d", 100)):
        config = replace(PRESETS[name], maps=str(options.maps))
        print(f"{name + ' ' + str(config.shape):26s} {speed(config, pairs, options.cache):14.4f}")


def speed(config: SyntheticConfig, pairs: int, cache: Path | None) -> float:
    """Mean CPU seconds per pair in one thread, new noise maps included."""
    source = SyntheticSource(replace(config, ramp=0), cache=cache)
    source.draw(0)
    start = time.process_time()
    for number in range(1, pairs + 1):
        source.draw(number)
    return (time.process_time() - start) / pairs


def row(sample: Sample) -> np.ndarray:
    """Pictures of a pair side by side, (h, w, 3) uint8."""
    if sample.moving_labels is None or sample.fixed_labels is None:
        raise SystemExit("The sample has no labels.")
    images = [np.clip(t[0].numpy(), 0, 1) for t in (sample.moving, sample.fixed)]
    labels = [t.numpy() for t in (sample.moving_labels, sample.fixed_labels)]
    colors = np.random.default_rng(0).integers(40, 256, (256, 3)).astype(np.uint8)
    colors[0] = 0
    if images[0].ndim == 2:
        planes = [lambda a: a]
    else:
        # Axes left, down, front: coronal, and axial seen from above.
        middle = [n // 2 for n in images[0].shape]
        planes = [lambda a: a[:, :, middle[2]].T, lambda a: a[:, middle[1]].T[::-1]]
    parts = []
    for plane in planes:
        grey = [np.repeat((plane(a)[..., None] * 255).astype(np.uint8), 3, -1) for a in images]
        parts += [*grey, *(colors[plane(a)] for a in labels)]
    height = max(p.shape[0] for p in parts)
    return np.concatenate([np.pad(p, ((2, height - len(p) + 2), (2, 2), (0, 0))) for p in parts], 1)


if __name__ == "__main__":
    main()
