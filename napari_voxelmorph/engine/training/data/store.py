"""Prepared scans on disk: small arrays that are mapped, not read, and JSON beside them."""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_voxelmorph.engine.files.writing import output_error

_INDEX = ".json"


class Store:
    """A folder of prepared things, each under a key that says all it depends on.

    What is half-written, damaged or of another version is not found, and made again.
    Several processes may use one folder: every file appears whole.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise output_error(folder, error) from error

    def values(self, key: str) -> dict[str, Any] | None:
        """What was kept under a key, or None."""
        try:
            found = json.loads((self.folder / f"{key}{_INDEX}").read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError):
            return None
        return found if isinstance(found, dict) else None

    def array(self, key: str, name: str, shape: tuple[int, ...]) -> NDArray[Any] | None:
        """An array kept under a key, mapped from disk; None when it is not whole."""
        try:
            found = np.load(self._path(key, name), mmap_mode="r", allow_pickle=False)
        except Exception:  # numpy has many words for a damaged file
            return None
        return found if isinstance(found, np.ndarray) and found.shape == shape else None

    def keep(
        self, key: str, values: dict[str, Any], arrays: dict[str, NDArray[Any]] | None = None
    ) -> None:
        """Write arrays, then the values that say that all is there.

        Raises
        ------
        OutputError
            When the disk is full or write-protected.
        """
        for name, array in (arrays or {}).items():
            self._write(self._path(key, name), partial(np.save, arr=array))
        text = json.dumps(values, allow_nan=False).encode()
        self._write(self.folder / f"{key}{_INDEX}", lambda file: file.write(text))

    def _path(self, key: str, name: str) -> Path:
        return self.folder / f"{key}.{name}.npy"

    def _write(self, path: Path, write: Callable[[Any], Any]) -> None:
        temporary = path.with_name(f".{secrets.token_hex(4)}.{path.name}")
        try:
            with temporary.open("wb") as file:
                write(file)
            os.replace(temporary, path)
        except OSError as error:
            raise output_error(path, error) from error
        finally:
            with suppress(OSError):
                temporary.unlink(missing_ok=True)
