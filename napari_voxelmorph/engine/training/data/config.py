"""Parameters of the preparation of a cohort; form and command line are built from them."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any, get_type_hints

from napari_voxelmorph.engine.errors import InputError


def _parameter(default: Any, label: str, help: str, **bounds: Any) -> Any:
    return field(default=default, metadata={"label": label, "help": help, **bounds})


@dataclass(frozen=True)
class DataConfig:
    """How a cohort becomes pairs on one grid.  Frozen: change it with `dataclasses.replace`."""

    atlas: str = _parameter(
        "",
        "Atlas",
        "An image to which every scan is registered; empty: scans are registered to each other.",
    )
    atlas_labels: str = _parameter(
        "", "Atlas labels", "The segmentation of the atlas; empty: none.", advanced=True
    )
    atlas_landmarks: str = _parameter(
        "", "Atlas landmarks", "Landmarks of the atlas, named as the scans'.", advanced=True
    )
    affine: bool = _parameter(
        True,
        "Pre-align",
        "Align all scans first, by affine maps, to the atlas or to a typical scan.",
    )
    spacing: float = _parameter(
        0.0,
        "Voxel size",
        "Of the model's grid, mm; 0: that of the scans. Twice the size takes an eighth of the time.",
        min=0.0,
        max=100.0,
        step=0.1,
    )
    validation_fraction: float = _parameter(
        0.1,
        "For validation",
        "Share of the subjects that is held out to choose the best weights, where the data do not "
        "say.",
        min=0.0,
        max=0.9,
        step=0.05,
    )
    test_fraction: float = _parameter(
        0.0,
        "For test",
        "Share of the subjects that the training never sees, where the data do not say.",
        min=0.0,
        max=0.9,
        step=0.05,
    )
    held_out_pairs: int = _parameter(
        10, "Validation pairs", "At most so many.", min=0, max=10_000, advanced=True
    )
    multiple: int = _parameter(
        16,
        "Grid multiple",
        "Every axis of the grid has a multiple of so many voxels.",
        min=1,
        max=64,
        advanced=True,
    )
    memory: float = _parameter(
        2.0, "Memory", "GB for scans that are kept ready.", min=0.0, max=1024.0, advanced=True
    )

    def __post_init__(self) -> None:
        for f in fields(self):
            value, kind = getattr(self, f.name), _TYPES[f.name]
            if f.metadata.get("min") is not None:
                low, high = f.metadata["min"], f.metadata["max"]
                wanted = "a whole number" if kind is int else "a number"
                if type(value) not in ((int,) if kind is int else (int, float)) or not (
                    low <= value <= high
                ):
                    raise InputError(
                        f"{f.name}: expected {wanted} from {low} to {high}, got {value!r}."
                    )
            elif type(value) is not kind:
                wanted = "True or False" if kind is bool else "text"
                raise InputError(f"{f.name}: expected {wanted}, got {value!r}.")


_TYPES = get_type_hints(DataConfig)
DEFAULT = DataConfig()
