"""Which scans a run was trained on, kept in its folder, so that it can be resumed by name."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path

from napari_voxelmorph.engine.errors import FileFormatError, InputError
from napari_voxelmorph.engine.files.writing import output_error, writing
from napari_voxelmorph.engine.training.data.config import DataConfig
from napari_voxelmorph.engine.training.run_folder import PREPARED

_NAME = "scans.json"


@dataclass(frozen=True)
class Source:
    """What was typed: data, patterns, folder of prepared scans ("": the run's own), settings."""

    data: str
    images: str
    labels: str
    prepared: str
    config: DataConfig


def begin_source(folder: Path, source: Source) -> None:
    """Keep it in the run folder; `OutputError` when that fails."""
    place = folder / PREPARED
    try:
        place.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise output_error(place, error) from error
    with writing(place / _NAME) as path:
        path.write_text(json.dumps(dataclasses.asdict(source), indent=1), encoding="utf-8")


def read_source(folder: Path) -> Source:
    """What `begin_source` kept.

    Raises
    ------
    InputError
        When it is not there: the scans must be named again.
    FileFormatError
        When it is damaged.
    """
    path = folder / PREPARED / _NAME
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        source = Source(**{**values, "config": DataConfig(**values["config"])})
        if not all(type(v) is str for k, v in vars(source).items() if k != "config"):
            raise TypeError("a path is no text")
        return source
    except OSError as error:
        raise InputError(
            f"“{folder}” does not say which scans it was trained on. Name them again, before "
            "--out, with the options given then."
        ) from error
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise FileFormatError(
            f"“{path}” is damaged. Delete it, and name the scans again."
        ) from error
