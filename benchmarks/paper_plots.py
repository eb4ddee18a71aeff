"""One picture of the tables that `papers.py` made.

    .venv-peers/bin/python benchmarks/paper_plots.py CACHE docs/images/papers.png [--steps 1000]

Needs matplotlib (it comes with the peers' environment); reads the rows that `papers.py` keeps in
its cache folder.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("agg")
import matplotlib.pyplot as plt

INK, FIRST, SECOND = "#303030", "#1b7f4d", "#b0307f"
METHODS = {
    "VoxelMorph_2__MSE": "VM-2, MSE",
    "VoxelMorph_2__CC": "VM-2, CC",
    "VoxelMorph_2__CC___segmentations": "VM-2, CC + seg.",
    "velocity__MSE": "velocity, MSE",
    "velocity__CC": "velocity, CC",
    "velocity__CC___segmentations": "velocity, CC + seg.",
    "pyramid__CC": "pyramid, CC",
    "pyramid__CC___segmentations": "pyramid, CC + seg.",
    "probabilistic__voxelmorph_diff___MSE": "probabilistic, MSE",
}
SIZES = (5, 20, 80, 160)
LAMBDAS = (0.1, 0.3, 0.5, 0.7, 0.9)


class Rows:
    """The kept rows of one number of steps."""

    def __init__(self, cache: Path, steps: int) -> None:
        self.cache, self.steps = cache, steps

    def __call__(self, name: str, key: str = "dice", times: int = 1) -> float:
        path = self.cache / f"{name}-{self.steps * times}.row.json"
        if not path.is_file():
            return float("nan")
        return float(json.loads(path.read_text())[key])


def methods(axes: Any, rows: Rows) -> None:
    """Dice of every network, alone and refined for the pair."""
    names = list(METHODS)
    places = range(len(names), 0, -1)
    axes.barh(
        places, [rows(f"losses-{n}-refined") for n in names], color="#d8d8d8", label="refined"
    )
    axes.barh(places, [rows(f"losses-{n}") for n in names], 0.5, color=FIRST, label="network")
    axes.axvline(rows("optimiser", "before"), color=INK, ls=":", label="affine")
    axes.axvline(rows("optimiser"), color=SECOND, label="optimiser alone")
    axes.set_yticks(list(places), METHODS.values())
    axes.set_xlim(0.68, 0.84)
    axes.legend(fontsize=7, loc="lower right")
    axes.set_title("Dice by network and loss")


def sizes(axes: Any, rows: Rows) -> None:
    """Dice by the number of scans trained on."""
    for ending, colour, label in (("", FIRST, "network"), ("-refined", SECOND, "refined")):
        axes.plot(SIZES, [rows(f"size-{n}{ending}") for n in SIZES], "o-", c=colour, label=label)
    axes.set_xscale("log", base=2)
    axes.set_xticks(SIZES, [str(n) for n in SIZES])
    axes.legend(fontsize=7)
    axes.set_title("Dice by scans to train on (velocity, CC)")


def lambdas(axes: Any, rows: Rows) -> None:
    """One HyperMorph against a network for each λ."""
    names = [f"lambda-{lam:g}".replace(".", "_") for lam in LAMBDAS]
    hyper = [rows(f"{n}-hyper", times=2) for n in names]
    axes.plot(LAMBDAS, hyper, "o-", c=FIRST, label="one network for every λ")
    axes.plot(LAMBDAS, [rows(n) for n in names], "s--", c=SECOND, label="a network for each")
    axes.set_xlabel("λ")
    axes.legend(fontsize=7)
    axes.set_title("HyperMorph: Dice by λ")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("cache", type=Path)
    parser.add_argument("picture", type=Path)
    parser.add_argument("--steps", type=int, default=1000)
    options = parser.parse_args()
    rows = Rows(options.cache, options.steps)
    figure, (left, middle, right) = plt.subplots(1, 3, figsize=(14, 4), layout="constrained")
    methods(left, rows)
    sizes(middle, rows)
    lambdas(right, rows)
    options.picture.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(options.picture, dpi=110)


if __name__ == "__main__":
    main()
