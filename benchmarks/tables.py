"""Markdown tables of the records that `methods.measure` returns."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

Record = dict[str, Any]


def table(head: list[str], rows: Iterable[list[str]]) -> str:
    """A Markdown table."""
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)])


def seconds(record: Record, clock: str = "wall") -> float:
    """Affine and deformable together."""
    return float(record["seconds_affine"][clock] + record["seconds_deformable"][clock])


def _good(records: list[Record]) -> list[Record]:
    return [r for r in records if "error" not in r]


def _stat(records: list[Record], value: Callable[[Record], float], how: Any = np.mean) -> float:
    values = [value(r) for r in _good(records)]
    return float(how(values)) if values else float("nan")


def per_pair(records: dict[str, list[Record]]) -> str:
    """A row per pair: Dice of every method (ids below 100), wall seconds."""
    names = [r["pair"] for r in next(iter(records.values()))]
    rows = []
    for i, name in enumerate(names):
        row = [name]
        for runs in records.values():
            r = runs[i]
            row.append(
                "failed"
                if "error" in r
                else f"{r['after']['dice']['all']:.3f} ({r['after']['dice']['below_100']:.3f}) "
                f"{seconds(r):.0f} s"
            )
        rows.append(row)
    return table(["pair", *records], rows)


def affine_per_method(records: dict[str, list[Record]]) -> str:
    """The affine stage alone: Dice, seconds."""
    rows = []
    for label, runs in records.items():
        rows.append(
            [
                label,
                f"{_stat(runs, lambda r: r['affine']['dice']['all']):.3f} "
                f"({_stat(runs, lambda r: r['affine']['dice']['below_100']):.3f})",
                f"{_stat(runs, lambda r: r['affine']['nmi']):.4f}",
                f"{_stat(runs, lambda r: r['seconds_affine']['wall'], np.median):.1f}",
                f"{_stat(runs, lambda r: r['seconds_affine']['wall'], np.max):.1f}",
                f"{_stat(runs, lambda r: r['seconds_affine']['cpu'], np.median):.1f}",
            ]
        )
    return table(
        ["affine only", "mean Dice all (<100)", "NMI", "median s", "worst s", "median CPU s"], rows
    )


def per_method(records: dict[str, list[Record]], reference: str = "greedy") -> str:
    """A row per method: means over pairs, medians of the seconds, ratios to `reference`."""
    head = [
        "method",
        "Dice all",
        "Dice < 100",
        "median Dice",
        "linear labels",
        "folds % (central, grid)",
        "NDP % / NDV % (brain)",
        "NDV % worst",
        "affine s",
        "deformable s",
        "total s",
        "CPU s",
        "peak MB",
        f"time / {reference}",
        f"CPU / {reference}",
        f"Dice − {reference}",
    ]
    base = records.get(reference)
    rows = []
    for label, runs in records.items():
        if not _good(runs):
            rows.append([label, "failed", *[""] * (len(head) - 2)])
            continue
        row = [
            f"{label} ({len(_good(runs))} pairs)",
            f"{_stat(runs, lambda r: r['after']['dice']['all']):.4f}",
            f"{_stat(runs, lambda r: r['after']['dice']['below_100']):.4f}",
            f"{_stat(runs, lambda r: r['after']['dice']['all'], np.median):.4f}",
            f"{_stat(runs, lambda r: r['after']['dice_linear']['all']):.4f}",
            f"{_stat(runs, lambda r: r['folding']['central']):.4f}",
            f"{_stat(runs, lambda r: r['folding']['ndp_mask']):.4f} / "
            f"{_stat(runs, lambda r: r['folding']['ndv_mask']):.5f}",
            f"{_stat(runs, lambda r: r['folding']['ndv_mask'], np.max):.5f}",
            f"{_stat(runs, lambda r: r['seconds_affine']['wall'], np.median):.1f}",
            f"{_stat(runs, lambda r: r['seconds_deformable']['wall'], np.median):.1f}",
            f"{_stat(runs, seconds, np.median):.1f}",
            f"{_stat(runs, lambda r: seconds(r, 'cpu'), np.median):.1f}",
            f"{_stat(runs, lambda r: r['megabytes'], np.max):.0f}",
        ]
        if base and _good(base):
            row += _ratios(runs, base)
        rows.append(row + [""] * (len(head) - len(row)))
    return table(head, rows)


def _ratios(runs: list[Record], base: list[Record]) -> list[str]:
    """Median ratio of seconds over the pairs that both finished, mean difference of Dice."""
    both = [
        (a, b) for a, b in zip(runs, base, strict=False) if "error" not in a and "error" not in b
    ]
    wall = np.median([seconds(a) / seconds(b) for a, b in both])
    cpu = np.median([seconds(a, "cpu") / seconds(b, "cpu") for a, b in both])
    gain = np.mean([a["after"]["dice"]["all"] - b["after"]["dice"]["all"] for a, b in both])
    return [f"{wall:.2f}", f"{cpu:.2f}", f"{gain:+.4f}"]


def curve(records: dict[str, list[Record]]) -> str:
    """Dice against seconds: a row per setting."""
    rows = []
    for label, runs in records.items():
        if not _good(runs):
            rows.append([label, "failed", "", "", "", "", ""])
            continue
        rows.append(
            [
                label,
                f"{_stat(runs, lambda r: r['after']['dice']['all']):.4f}",
                f"{_stat(runs, lambda r: r['after']['dice']['below_100']):.4f}",
                f"{_stat(runs, lambda r: r['folding']['ndv_mask']):.5f}",
                f"{_stat(runs, lambda r: r['seconds_deformable']['wall'], np.median):.1f}",
                f"{_stat(runs, seconds, np.median):.1f}",
                f"{_stat(runs, lambda r: seconds(r, 'cpu'), np.median):.1f}",
            ]
        )
    return table(
        [
            "setting",
            "Dice all",
            "Dice < 100",
            "NDV % (brain)",
            "deformable s",
            "total s",
            "total CPU s",
        ],
        rows,
    )


#: What a pair is judged by, best first: (where in a stage, how it is shown).
MEASURES: list[tuple[str, str, Callable[[Any], str]]] = [
    ("tre_mm", "landmark error mm (max)", lambda v: f"{v['mean']:.2f} ({v['max']:.1f})"),
    ("error_mm", "error mm (95 %)", lambda v: f"{v['mean']:.2f} ({v['p95']:.2f})"),
    ("dice", "Dice", lambda v: f"{v['all']:.3f}"),
    ("nmi", "NMI", lambda v: f"{v:.4f}"),
]


def others(records: dict[str, list[Record]]) -> str:
    """A row per pair and method: every measure before, after the affine, and after all."""
    rows = []
    for i in range(len(next(iter(records.values())))):
        for label, runs in records.items():
            r = runs[i]
            if "error" in r:
                rows.append(
                    [
                        r["pair"],
                        label,
                        "failed: " + r["error"].split("\n")[-1][:80],
                        "",
                        "",
                        "",
                        "",
                        "",
                    ]
                )
                continue
            shown = [m for m in MEASURES if m[0] in r["after"]]
            cells = [
                "; ".join(
                    f"{show(r[stage][key])}" if key in r[stage] else "–" for key, _, show in shown
                )
                for stage in ("before", "affine", "after")
            ]
            rows.append(
                [
                    r["pair"],
                    label,
                    "; ".join(m[1] for m in shown),
                    *cells,
                    f"{r['folding']['central']:.3f} / {r['folding']['ndv_mask']:.4f}",
                    f"{seconds(r):.1f} ({seconds(r, 'cpu'):.1f})",
                ]
            )
    return table(
        ["pair", "method", "measure", "before", "affine", "after", "folds % / NDV %", "s (CPU s)"],
        rows,
    )


def group_means(records: dict[str, list[Record]], group: str) -> str:
    """Mean Dice of a group of pairs: before, affine, after."""
    rows = []
    for label, runs in records.items():
        runs = _good([r for r in runs if r["group"] == group])
        if not runs:
            continue
        stages = [
            f"{_stat(runs, lambda r, s=s: r[s]['dice']['all']):.4f}"
            for s in ("before", "affine", "after")
        ]
        rows.append(
            [
                label,
                str(len(runs)),
                *stages,
                f"{_stat(runs, lambda r: r['after']['dice_linear']['all']):.4f}",
                f"{_stat(runs, lambda r: r['folding']['ndv_mask']):.4f}",
                f"{_stat(runs, seconds, np.median):.1f}",
            ]
        )
    return table(
        [
            group,
            "pairs",
            "Dice before",
            "affine",
            "after",
            "after, linear labels",
            "NDV %",
            "median s",
        ],
        rows,
    )
