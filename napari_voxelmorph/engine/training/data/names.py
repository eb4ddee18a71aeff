"""What the names of files tell: which are images, which segmentations, and what belongs together."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

#: A part of a name that says "segmentation"; masks count where there is nothing better.
_LABELS = re.compile(
    r"(d?seg|label|lbl|segmentation|parcellation|parc|aseg|aparc|annot|annotation|gt|manual)s?\d*"
)
_MASK = re.compile(r"(brain)?masks?\d*")
#: Parts that say what kind of scan it is, and nothing of whose.
_SCAN = re.compile(
    r"(t1|t2|t1w|t2w|pd|pdw|flair|ct|mr|mri|mra|us|pet|swi|dwi|fa|bold|image|img|im|scan|volume|vol|"
    r"brain|head|norm|orig|anat|t1c|t1gd|0000|fixed|moving)s?"
)
_SESSION = re.compile(r"(?:^|[_\-. /])sub-([A-Za-z0-9]+)")


@lru_cache(maxsize=200_000)
def parts(stem: str) -> tuple[str, ...]:
    """The words and numbers of a file's name, lower case: "OAS-01_T1w" -> oas, 01, t1w."""
    return tuple(p for p in re.split(r"[^A-Za-z0-9]+", stem.lower()) if p)


def is_labels(stem: str) -> bool:
    """Whether the name says that this is a segmentation."""
    return any(_LABELS.fullmatch(p) for p in parts(stem))


def is_mask(stem: str) -> bool:
    """Whether the name says that this is a mask."""
    return any(_MASK.fullmatch(p) for p in parts(stem))


def owner(stem: str) -> tuple[str, ...]:
    """The parts that say whose scan it is: all but the kind of scan; all where nothing is left."""
    every = parts(stem)
    return tuple(p for p in every if not _SCAN.fullmatch(p)) or every


def kind(stem: str) -> tuple[str, ...]:
    """The parts that say what kind of scan it is."""
    return tuple(p for p in parts(stem) if _SCAN.fullmatch(p))


def person(path: str) -> str:
    """The BIDS subject in a path ("sub-01"), or ""."""
    found = _SESSION.search(path)
    return f"sub-{found[1]}" if found else ""


def match(image: str, labels: Sequence[str]) -> int | None:
    """Which of the names of segmentations belongs to an image.

    The image's `owner` must be found, in its order, in the segmentation's name; the one that
    says the fewest other things wins, a mask only where there is nothing else.

    Returns
    -------
    int or None
        Index into `labels`.
    """
    wanted = owner(image)
    fits = []
    for n, name in enumerate(labels):
        there = parts(name)
        if not _in_order(wanted, there):
            continue
        shared = len(set(kind(image)) & set(there))
        extra = sum(not _LABELS.fullmatch(p) for p in there) - len(wanted) - shared
        fits.append((is_mask(name) and not is_labels(name), extra, -shared, name, n))
    return min(fits)[-1] if fits else None


def _in_order(wanted: tuple[str, ...], there: tuple[str, ...]) -> bool:
    rest = iter(there)
    return all(part in rest for part in wanted)
