"""What the fuzz tests share: how files are damaged, and what a reader may then do.

A damaged file opens, or is refused in one of our sentences; nothing else happens, soon, and
without much memory.  The same examples are tried every time;
``NAPARI_VOXELMORPH_FUZZ=20 pytest tests -k damaged`` tries 20 times as many, others each time.
"""

from __future__ import annotations

import copy
import json
import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from napari_voxelmorph.engine.errors import VoxelMorphError

FACTOR = int(os.environ.get("NAPARI_VOXELMORPH_FUZZ", "1"))
LIMIT_MB, LIMIT_SECONDS = 700, 20
NASTY = [b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\xff\xff\xff\x7f", b"9", b"-", b" 99999",
         b"\n", b"\0\0", b"nan", b"1e999", b'"', b",", b"\t", b"[" * 3000, b"9" * 5000, b"../../x",
         b"\\ud800"]  # fmt: skip

#: Places are shares of the file; most harm is done in headers.
Change = tuple[str, float, bytes]


def examples(count: int) -> settings:
    """So many examples, the same every time."""
    return settings(
        max_examples=count * FACTOR,
        deadline=None,
        database=None,
        derandomize=FACTOR == 1,
        suppress_health_check=list(HealthCheck),
        phases=(Phase.generate, Phase.shrink),
    )


@st.composite
def changes(draw: st.DrawFn) -> list[Change]:
    """What to do to the bytes of a file."""
    place = st.one_of(st.floats(0, 1), st.floats(0, 0.15))
    verb = st.sampled_from(["set", "set", "set", "insert", "delete", "cut", "double"])
    value = st.one_of(st.binary(min_size=1, max_size=8), st.sampled_from(NASTY))
    return draw(st.lists(st.tuples(verb, place, value), min_size=1, max_size=5))


def changed(raw: bytes, plan: list[Change]) -> bytes:
    """The bytes after that."""
    data = bytearray(raw)
    for verb, share, value in plan:
        at = int(share * len(data))
        if verb == "set":
            data[at : at + len(value)] = value
        elif verb == "insert":
            data[at:at] = value
        elif verb == "delete":
            del data[at : at + len(value)]
        elif verb == "double":  # a line, a record, a tag twice
            data[at:at] = data[at : at + 16 * len(value)]
        else:
            del data[at:]
    return bytes(data)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.sampled_from([-1, 0, 2**31, 10**30, 10**400, 0.5, float("nan"), float("inf"), -1e308])
    | st.sampled_from(["", "../x", "/etc/passwd", "a\0b", "image", "\ud800", "x" * 5000])
    | st.integers()
    | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)  # fmt: skip


@st.composite
def other_json(draw: st.DrawFn, value: Any) -> Any:
    """`value` with one of its parts, at any depth, missing or something else."""
    value = copy.deepcopy(value)
    inside, place = None, value
    while isinstance(place, dict | list) and place and (inside is None or draw(st.booleans())):
        keys = sorted(place) if isinstance(place, dict) else range(len(place))
        inside, key = place, draw(st.sampled_from(list(keys)))
        place = place[key]
    if inside is None:
        return draw(JSON)
    if draw(st.integers(0, 4)) == 0:
        del inside[key]
    else:
        inside[key] = draw(JSON)
    return value


def survive(action: Callable[[], object]) -> None:
    """Only our errors, within the limits."""
    resource = pytest.importorskip("resource")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    begun = time.process_time()  # other work on the machine does not count
    try:
        with _alarm():
            action()
    except VoxelMorphError as error:
        text = str(error)
        assert text.endswith((".", "”")) and "Traceback" not in text and "\n" not in text, text
        assert 20 < len(text) < 1000, text
    assert time.process_time() - begun < LIMIT_SECONDS
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1000
    assert grown < LIMIT_MB


@contextmanager
def _alarm() -> Iterator[None]:
    """Break off what goes on for ever (a reader may turn this into one of our errors)."""

    def over(*_: object) -> None:
        raise TimeoutError(f"still at it after {LIMIT_SECONDS} s")

    before = signal.signal(signal.SIGPROF, over)
    signal.setitimer(signal.ITIMER_PROF, LIMIT_SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def fuzz_bytes(
    path: Path,
    read: Callable[[], object],
    count: int = 60,
    unpack: Callable[[bytes], bytes] = bytes,
    pack: Callable[[bytes], bytes] = bytes,
) -> None:
    """Change, cut and insert bytes of a good file, and read it each time.

    Whatever the file is, its good state is read first and is there again at the end.
    """
    good = path.read_bytes()
    raw = unpack(good)
    read()

    @examples(count)
    @given(changes())
    def run(plan: list[Change]) -> None:
        path.write_bytes(pack(changed(raw, plan)))
        survive(read)

    run()
    path.write_bytes(good)
    read()


def fuzz_json(path: Path, read: Callable[[], object], count: int = 60) -> None:
    """Keep the JSON of a file whole, and change what it says; as `fuzz_bytes`."""
    good = path.read_bytes()
    values = json.loads(good)
    read()

    @examples(count)
    @given(other_json(values))
    def run(other: Any) -> None:
        path.write_text(json.dumps(other), encoding="utf-8")
        survive(read)

    run()
    path.write_bytes(good)
    read()
