"""Ours against Greedy, ANTsPy and SimpleITK on real pairs, on the same inputs and cores.

    python benchmarks/pairs.py brains --cache /tmp/bench --peers .venv-peers
    python benchmarks/pairs.py brains --methods ours            # the others come from the cache
    python benchmarks/pairs.py brains curve others --fresh      # everything anew, in one run

See README.md in this folder.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import venv
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import data
import known
import methods
import tables

REPOSITORY = Path(__file__).resolve().parent.parent
GREEDY_CURVE = ["100x50x0", "100x50x5", "100x50x10", "100x50x20", "100x50x40"]
OURS_CURVE = ["100x60x0", "100x60x5", "100x60x10", "100x60x20", "100x60x40"]
Records = dict[str, list[dict[str, Any]]]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "tables", nargs="*", default=["brains"], help="brains, curve, others (default: brains)"
    )
    parser.add_argument(
        "--methods",
        default=",".join(methods.NAMES),
        help=f"comma separated, of {', '.join(methods.ALL_NAMES)}",
    )
    parser.add_argument("--pairs", default="", help="only pairs whose name contains one of these")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument(
        "--peers",
        type=Path,
        help="the peers' environment; default $VOXELMORPH_PEERS or .venv-peers in the repository",
        default=os.environ.get("VOXELMORPH_PEERS", REPOSITORY / ".venv-peers"),
    )
    parser.add_argument(
        "--cache",
        type=Path,
        default=os.environ.get(
            "VOXELMORPH_BENCH_CACHE", Path.home() / ".cache" / "napari-voxelmorph-bench"
        ),
        help="folder of results and pictures, outside the repository",
    )
    parser.add_argument("--fresh", action="store_true", help="run everything again")
    parser.add_argument("--rerun", default="", help="run these methods again")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="FIELD=JSON",
        help="a field of our RegistrationConfig, such as smoothness=0.8",
    )
    parser.add_argument("--ours-curve", default=",".join(OURS_CURVE))
    parser.add_argument("--greedy-curve", default=",".join(GREEDY_CURVE))
    parser.add_argument("--pictures", action="store_true", help="for the brains and curve too")
    parser.add_argument("--out", type=Path, help="write the tables to this Markdown file as well")
    return parser.parse_args()


class Session:
    """One call of this script."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        overrides = tuple((k, _value(v)) for k, _, v in (s.partition("=") for s in options.set))
        self.bench = methods.Bench(
            Path(options.cache), Path(options.peers).absolute(), options.threads, False, overrides
        )
        self.names = [n for n in options.methods.split(",") if n]
        self.again = set(options.rerun.split(","))
        self.done: set[tuple[str, str]] = set()

    def wanted(self, pairs: list[data.Pair]) -> list[data.Pair]:
        """Those that --pairs selects."""
        parts = [p for p in self.options.pairs.split(",") if p]
        return [p for p in pairs if not parts or any(part in p.name for part in parts)]

    def measure(self, pair: data.Pair, run: methods.Run, **more: Any) -> dict[str, Any]:
        """Measure once in this call, from the cache where that is allowed."""
        first = (run.label, pair.name) not in self.done
        fresh = first and (self.options.fresh or run.label.split(" ")[0] in self.again)
        self.done.add((run.label, pair.name))
        record = methods.measure(methods.with_fresh(self.bench, fresh), pair, run, **more)
        print(_progress(record), file=sys.stderr, flush=True)
        return record

    def compare(self, pairs: list[data.Pair], names: list[str], picture: bool) -> Records:
        """All methods on a pair, then the next pair, so that a busy moment hits all."""
        records: Records = {name: [] for name in names}
        for pair in self.wanted(pairs):
            for name in names:
                run = methods.choose(name, pair, self.bench.overrides)
                wish = (picture and name == "ours") or self.options.pictures
                records[name].append(self.measure(pair, run, picture=wish))
        return records


def brains(session: Session) -> str:
    """The main table: different people, raw scans, own affine."""
    records = session.compare(data.brains(), session.names, picture=True)
    return "\n\n".join(
        [
            "## Brains of different people (`oasis_brains`, raw scans, 138 ids)",
            tables.per_method(records),
            tables.affine_per_method(records),
            tables.per_pair(records),
        ]
    )


def curve(session: Session) -> str:
    """Dice against seconds, by the number of iterations at full resolution."""
    records: Records = {}
    settings = [("greedy", i) for i in session.options.greedy_curve.split(",")]
    settings += [("ours", i) for i in session.options.ours_curve.split(",")]
    for pair in session.wanted(data.brains()):
        for name, iterations in settings:
            if name not in session.names:
                continue
            run = methods.curve(name, pair, iterations)
            start = None
            if name != "ours":  # the same affine for all of Greedy's settings
                start = session.measure(pair, methods.choose(name, pair))
                if "error" in start:
                    continue
            records.setdefault(run.label, []).append(session.measure(pair, run, start=start))
    return "## Dice against seconds\n\n" + tables.curve(records)


def others(session: Session) -> str:
    """Other organs, contrasts and dimensions."""
    groups = [data.hippocampi(), data.slices_2d()]
    single = data.single_pairs() + known.pairs(session.bench.cache)
    names = session.names
    parts = ["## Other data"]
    for pairs in groups:
        records = session.compare(pairs, names, picture=True)
        if any(records.values()):
            parts.append(tables.group_means(records, pairs[0].group))
    records = session.compare(single, names, picture=True)
    if any(records.values()):
        parts.append(tables.others(records))
    return "\n\n".join(parts)


def _need_peers(folder: Path) -> None:
    """Make the peers' environment when it is not there yet."""
    if (folder / "bin" / "python").exists():
        return
    print(f"Making the peers' environment {folder} (once) ...", file=sys.stderr, flush=True)
    venv.create(folder, with_pip=True)
    wanted = Path(__file__).with_name("peers.txt")
    subprocess.run(
        [folder / "bin" / "python", "-m", "pip", "install", "--quiet", "-r", wanted], check=True
    )


TABLES: dict[str, Callable[[Session], str]] = {"brains": brains, "curve": curve, "others": others}


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text


def _progress(record: dict[str, Any]) -> str:
    head = f"{record['pair']:24s} {record['label']:20s}"
    if "error" in record:
        return head + " failed: " + record["error"].split("\n")[-1]
    after = record["after"]
    told = [
        f"Dice {after['dice']['all']:.4f} ({after['dice']['below_100']:.4f}), was "
        f"{record['affine']['dice']['all']:.4f}"
        if "dice" in after
        else "",
        f"TRE {after['tre_mm']['mean']:.2f} mm" if "tre_mm" in after else "",
        f"error {after['error_mm']['mean']:.2f} mm" if "error_mm" in after else "",
        f"NDV {record['folding']['ndv_mask']:.5f} %",
        f"{record['seconds_affine']['wall']:.1f} + {record['seconds_deformable']['wall']:.1f} s"
        f" (CPU {tables.seconds(record, 'cpu'):.1f})",
        f"{record['megabytes']:.0f} MB",
        f"load {record['load_before']:.1f}",
    ]
    return head + " " + ", ".join(t for t in told if t)


def _machine(threads: int) -> str:
    model = platform.processor() or platform.machine()
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        names = [
            x.split(":")[1].strip()
            for x in cpuinfo.read_text().split("\n")
            if x.startswith("model name")
        ]
        model = names[0] if names else model
    return (
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC, {model}, {threads} threads each, "
        f"Python {platform.python_version()}; seconds are wall time without reading files."
    )


def main() -> None:
    """Run the tables that were asked for and print them."""
    options = _arguments()
    unknown = set(options.tables) - set(TABLES)
    if unknown:
        raise SystemExit(f"Unknown table {sorted(unknown)}; choose from {', '.join(TABLES)}.")
    if not data.data_folder().exists():
        raise SystemExit(f"No data at {data.data_folder()}: set NAPARI_VOXELMORPH_DATA.")
    session = Session(options)
    if set(session.names) - {"ours"}:
        _need_peers(session.bench.peers)
    text = "\n\n".join([_machine(options.threads), *(TABLES[t](session) for t in options.tables)])
    print(text)
    if options.out:
        options.out.write_text(text + "\n")


if __name__ == "__main__":
    main()
