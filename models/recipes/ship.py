"""Put a trained run onto the shelf that comes with the package.

    python models/recipes/ship.py run/sure brain-3d --scores scores.json

`scores.json` holds numbers by name, such as ``{"oasis_brains dice": 0.61}``; they stand in the
card beside those of the validation on synthetic pairs.  The model's README.md is written by
hand: it says what was measured.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path

from napari_voxelmorph.engine.checkpoints import load_model, save_model
from napari_voxelmorph.engine.training.run_folder import curves
from napari_voxelmorph.engine.training.saving import model_of_run

SHELF = Path(__file__).resolve().parents[1]
WORDS = {
    "brain-3d": (
        "Any two brain MR scans, any λ, with uncertainty. Trained on synthetic images alone.",
        "Brain MR of any contrast, with or without skull, 2 mm grid",
    ),
    "any-2d": (
        "Any two 2-D images, any λ, with uncertainty. Trained on synthetic shapes alone.",
        "2-D images of any kind, about 256 x 256 pixels",
    ),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("run", type=Path, help="folder of a run, or of a model")
    parser.add_argument("name", choices=WORDS)
    parser.add_argument("--scores", type=Path)
    options = parser.parse_args()
    network, card = load_model(model_of_run(options.run))
    description, domain = WORDS[options.name]
    scores = dict(card.scores)
    if options.scores:
        scores |= json.loads(options.scores.read_text(encoding="utf-8"))
    training = dict(card.training)
    training["recipe"] = {**training["recipe"], "start_from": "", "device": "auto"}
    if (options.run / "history.jsonl").is_file():
        training["curves"] = curves(options.run)
    card = replace(
        card,
        name=options.name,
        description=description,
        domain=domain,
        licence="BSD-3-Clause",
        training=training,
        scores=scores,
        created="",
    )
    folder = SHELF / options.name
    # Half precision: half the download, and far finer than what the weights decide.
    save_model(network.half(), card, folder)
    (folder / "weights.safetensors").chmod(0o644)
    size = sum(p.stat().st_size for p in folder.iterdir()) / 1e6
    print(f"{folder}: {size:.1f} MB")


if __name__ == "__main__":
    main()
