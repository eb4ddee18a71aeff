"""What is chosen in the Train dock's data section, as plain values that a run folder can keep."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from napari_voxelmorph.engine.training.data.config import DEFAULT, DataConfig

if TYPE_CHECKING:
    from napari_voxelmorph.engine.geometry.volume import Volume

Source = Literal["folder", "table", "bids", "layers"]
CHOICE = "window.json"


@dataclass(frozen=True, eq=False)
class Scan:
    """An image layer and its segmentation, as volumes."""

    image: Volume
    labels: Volume | None = None


@dataclass(frozen=True)
class DataChoice:
    """Which scans, and how they are prepared.

    Parameters
    ----------
    source : "folder", "table", "bids" or "layers"
    path : str
        Of the folder or table.
    data : DataConfig
    scans : sequence of Scan
        Of layers; not kept in the run folder.
    """

    source: Source = "folder"
    path: str = ""
    data: DataConfig = DEFAULT
    scans: Sequence[Scan] = ()

    @property
    def is_made(self) -> bool:
        """Whether there is anything to look at."""
        return bool(self.scans) if self.source == "layers" else bool(self.path)

    def same_as(self, other: DataChoice | None) -> bool:
        """Whether nothing differs; layers count by their arrays."""
        if other is None or replace(self, scans=()) != replace(other, scans=()):
            return False
        mine, theirs = ([id(s.image.data) for s in c.scans] for c in (self, other))
        return mine == theirs


@dataclass(frozen=True)
class Found:
    """What a closer look at the data found, in words.

    Parameters
    ----------
    headline : str
        "160 scans, all with segmentations".
    facts : list of str
        Shape, spacing, structures, split.
    warnings : list of str
    skipped : list of (str, str)
        Name, and why it is left out.
    problem : str
        Why it cannot be trained on; else empty.
    structures : int
        Labels that are scored; 0 without segmentations.
    shape : tuple of int
        Of the grid that the network will work on; empty while not known.
    landmarks, transforms : bool
        Whether scans to train on have landmarks in common, and known transforms.
    """

    headline: str = ""
    facts: Sequence[str] = ()
    warnings: Sequence[str] = ()
    skipped: Sequence[tuple[str, str]] = ()
    problem: str = ""
    structures: int = 0
    shape: tuple[int, ...] = ()
    landmarks: bool = False
    transforms: bool = False


def write_choice(folder: Path, choice: DataChoice) -> None:
    """Keep the choice in the run folder, for `read_choice`."""
    from napari_voxelmorph.engine.files.writing import writing

    values = {"source": choice.source, "path": choice.path, "data": asdict(choice.data)}
    with writing(folder / CHOICE) as path:
        path.write_text(json.dumps(values, indent=1, ensure_ascii=False), encoding="utf-8")


def read_choice(folder: Path) -> DataChoice | None:
    """What `write_choice` kept; None when there is nothing that can be read."""
    try:
        values = json.loads((folder / CHOICE).read_text(encoding="utf-8"))
        return DataChoice(values["source"], str(values["path"]), DataConfig(**values["data"]))
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        return None
