# ruff: noqa: RUF009 (the helper only builds dataclass fields)
"""What the user set once, for the window and the command line: device, memory, display, folders.

One small JSON file in the user's configuration folder (``NAPARI_VOXELMORPH_PREFERENCES`` names
another).  It is looked at whenever a preference is needed, so what one program changes the others
follow.  Options that are given for one run, and environment variables, go first.
"""

from __future__ import annotations

import dataclasses
import json
import os
import secrets
import sys
from contextlib import suppress
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, get_args, get_origin, get_type_hints

from napari_voxelmorph.engine.errors import InputError, OutputError

Convention = Literal["radiological", "neurological"]
_FORMAT = "napari-voxelmorph preferences"
_LARGEST, _LONGEST = 2**20, 4096
_DEVICES = ("auto", "cpu", "cuda", "mps")


def _preference(default: Any, label: str, help: str, **more: Any) -> Any:
    return field(default=default, metadata={"label": label, "help": help, **more})


@dataclass(frozen=True)
class Preferences:
    """Frozen: change it with `dataclasses.replace`, keep it with `save`.

    `zero` in the metadata says what 0, or an empty folder, means.
    """

    device: str = _preference(
        "auto", "Device", "Where to compute when “auto” is asked for: cpu, cuda, cuda:1, mps; auto "
        "takes a CUDA GPU where there is one."
    )  # fmt: skip
    memory_gb: float = _preference(
        0.0, "Memory at most (GB)", "What this program may take of the main memory, and of a GPU's. "
        "Pairs that need more are refused, with a resolution that fits. 0: all that is free.",
        min=0.0, max=4096.0, step=0.5, zero="all that is free",
    )  # fmt: skip
    threads: int = _preference(
        0, "CPU threads", "How many cores are used at once. 0: all.",
        min=0, max=256, zero="all",
    )  # fmt: skip
    convention: Convention = _preference(
        "radiological", "Display", "radiological: the patient's right is at the left of the screen. "
        "neurological: at the right. How windows begin; the data are never flipped."
    )  # fmt: skip
    models_folder: str = _preference(
        "", "Own models", "Folder of your own models. Empty: the system's data folder.",
        zero="the system's data folder", variable="NAPARI_VOXELMORPH_MODELS",
    )  # fmt: skip
    trainings_folder: str = _preference(
        "", "Trainings", "Folder in which the window keeps trainings. Empty: beside the models.",
        zero="beside the models",
    )  # fmt: skip
    sessions_folder: str = _preference(
        "", "Sessions", "Folder that is offered when a session is saved or opened. Empty: where you "
        "were last.", zero="where you were last",
    )  # fmt: skip
    last_folder: str = _preference(
        "", "Last used", "Folder in which files were last opened or saved; kept by the window.",
        zero="none yet",
    )  # fmt: skip

    def __post_init__(self) -> None:
        for f in fields(self):
            object.__setattr__(self, f.name, _checked(f, getattr(self, f.name)))


#: The pages of a form: key -> (title, preferences).
SECTIONS: dict[str, tuple[str, tuple[str, ...]]] = {
    "computing": ("Computing", ("device", "memory_gb", "threads")),
    "display": ("Display", ("convention",)),
    "folders": (
        "Folders", ("models_folder", "trainings_folder", "sessions_folder", "last_folder")),
}  # fmt: skip


def place() -> Path:
    """The file: ``NAPARI_VOXELMORPH_PREFERENCES``, or in the user's configuration folder."""
    named = os.environ.get("NAPARI_VOXELMORPH_PREFERENCES")
    if named:
        return Path(named)
    if sys.platform == "win32":
        base = Path(os.environ.get("APPDATA") or Path.home() / "AppData" / "Roaming")
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Application Support"
    else:
        base = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    return base / "napari-voxelmorph" / "preferences.json"


def current() -> Preferences:
    """What is set now."""
    return load()[0]


def load() -> tuple[Preferences, str]:
    """What is set now, and a sentence on what could not be read ("": all could).

    A preference that cannot be is taken as if it were not set; so is each in a damaged file.
    """
    global _read
    path = place()
    try:
        found = path.stat()
        stamp = (path, found.st_mtime_ns, found.st_size, found.st_ino)
    except OSError:
        return Preferences(), ""
    if _read is None or _read[0] != stamp:
        _read = (stamp, _parse(path))
    return _read[1]


def save(preferences: Preferences) -> None:
    """Keep preferences; the file is the old one or the new one, whatever happens.

    What another version put there, and this one does not know, stays.

    Raises
    ------
    OutputError
    """
    path = place()
    kept = _kept(path)
    values = {} if kept is None else dict(kept)
    values |= dataclasses.asdict(preferences)
    text = json.dumps({"format": _FORMAT, "preferences": values}, indent=1, ensure_ascii=False)
    temporary = path.with_name(f".{secrets.token_hex(4)}.{path.name}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if kept is None and path.exists():  # somebody may want to mend it
            os.replace(path, path.with_name(path.name + ".damaged"))
        # A folder's name need not be text: JSON has signs for its bytes.
        with temporary.open("x", encoding="utf-8", errors="backslashreplace") as file:
            file.write(text + "\n")
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise OutputError(
            f"The preferences were not kept in “{path}”: {error.strerror or error}. What was there "
            "before is unchanged."
        ) from error


def change(**values: Any) -> Preferences:
    """Change some preferences by name, and keep them; returns all.

    Raises
    ------
    InputError
        When a value cannot be; nothing is changed then.
    OutputError
    """
    changed = dataclasses.replace(current(), **values)
    if changed != current() or not place().exists():
        save(changed)
    return changed


def overridden() -> dict[str, str]:
    """Preference -> the environment variable that goes first now."""
    variables = {f.name: f.metadata.get("variable", "") for f in fields(Preferences)}
    return {name: v for name, v in variables.items() if v and os.environ.get(v)}


#: What was read last: (path, time, size, file) and the answer.
_read: tuple[tuple[Any, ...], tuple[Preferences, str]] | None = None


def _parse(path: Path) -> tuple[Preferences, str]:
    kept = _kept(path)
    if kept is None:
        return Preferences(), (
            f"The preferences in “{path}” cannot be read, so the defaults are used. Set them again, "
            "or mend the file."
        )
    good: dict[str, Any] = {}
    bad = []
    for f in fields(Preferences):
        if f.name not in kept:
            continue
        try:
            good[f.name] = _checked(f, kept[f.name])
        except InputError as error:
            bad.append(str(error))
    sentence = (
        f"In the preferences in “{path}”: {' '.join(bad)} The default is used." if bad else ""
    )
    return Preferences(**good), sentence


def _kept(path: Path) -> dict[str, Any] | None:
    """The names and values in the file; empty without one, None when it is damaged."""
    try:
        if path.stat().st_size > _LARGEST:
            return None
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError):
        return None
    if not isinstance(found, dict) or found.get("format") != _FORMAT:
        return None
    values = found.get("preferences")
    return values if isinstance(values, dict) else None


def _checked(f: dataclasses.Field[Any], value: Any) -> Any:
    """The value as one of its type."""
    label, kind = f.metadata["label"], _TYPES[f.name]
    if get_origin(kind) is Literal:
        if value not in get_args(kind):
            raise InputError(f"{label}: expected {' or '.join(get_args(kind))}, got {value!r}.")
    elif kind is str:
        if not isinstance(value, str) or len(value) > _LONGEST or not _can_be_named(value):
            raise InputError(f"{label}: expected a text, got {str(value)[:60]!r}.")
        if f.name == "device" and value not in _DEVICES and not _is_numbered(value):
            raise InputError(
                f"{label}: expected auto, cpu, cuda, cuda:1 or mps, got {value[:60]!r}."
            )
    else:
        number = isinstance(value, int | float) and not isinstance(value, bool)
        fits = number and f.metadata["min"] <= value <= f.metadata["max"]
        if not fits or (kind is int and int(value) != value):
            what = "a whole number" if kind is int else "a number"
            raise InputError(
                f"{label}: expected {what} from {f.metadata['min']:g} to {f.metadata['max']:g}, got "
                f"{str(value)[:60]}."
            )
    return kind(value) if kind in (int, float) else value


def _can_be_named(text: str) -> bool:
    """Whether a system could have a folder of this name."""
    try:
        return b"\0" not in text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return False


def _is_numbered(device: str) -> bool:
    name, _, number = device.partition(":")
    return name == "cuda" and number.isascii() and number.isdecimal() and len(number) <= 3


_TYPES = get_type_hints(Preferences)
