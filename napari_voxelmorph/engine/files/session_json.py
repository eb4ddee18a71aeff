"""The text part of a session: JSON that keeps NaN, and the configuration with its types checked."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path
from typing import Any, get_args, get_type_hints

import numpy as np

from napari_voxelmorph.engine.config import RegistrationConfig
from napari_voxelmorph.engine.errors import FileFormatError

_NUMBER = "not-finite"


def dumps(value: Any) -> str:
    """Standard JSON; NaN and infinity, which it does not have, become small objects."""
    return json.dumps(_plain(value), indent=1, allow_nan=False, ensure_ascii=False)


def loads(text: str) -> Any:
    """The reverse of `dumps`; arrays and tuples come back as lists."""
    return json.loads(text, object_hook=_object, parse_constant=float)


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return _plain(value.tolist())
    if isinstance(value, np.generic):
        return _plain(value.item())
    if isinstance(value, float) and not math.isfinite(value):
        return {_NUMBER: repr(value)}
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(item) for item in value]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return str(value)


def _object(found: dict[str, Any]) -> Any:
    return float(found[_NUMBER]) if found.keys() == {_NUMBER} else found


def config_to(config: RegistrationConfig) -> dict[str, Any]:
    """The configuration as plain values."""
    return dataclasses.asdict(config)


def config_from(values: Any, folder: Path) -> RegistrationConfig:
    """The configuration that `config_to` wrote; parameters added since get their defaults.

    Raises
    ------
    FileFormatError
        On an unknown parameter or a value of the wrong type.
    """
    known = {f.name: f for f in dataclasses.fields(RegistrationConfig)}
    hints = get_type_hints(RegistrationConfig)
    settings: dict[str, Any] = {}
    for name, value in dict(values).items():
        if name not in known:
            raise FileFormatError(
                f"The session “{folder.name}” uses the parameter “{name}”, which this version does "
                "not know. Update napari-voxelmorph."
            )
        default = known[name].default
        value = tuple(value) if isinstance(default, tuple) and isinstance(value, list) else value
        choices = get_args(hints[name]) if isinstance(default, str) else ()
        if not _fits(value, default) or (choices and value not in choices):
            raise FileFormatError(
                f"The session “{folder.name}” gives “{name}” the value {value!r}, which cannot be. "
                "It was changed or damaged; save it again."
            )
        settings[name] = value
    return RegistrationConfig(**settings)


def _fits(value: Any, default: Any) -> bool:
    if isinstance(default, tuple):
        return isinstance(value, tuple) and all(type(n) is int for n in value)
    if isinstance(default, float):
        return type(value) in (int, float)
    return type(value) is type(default)
