# ruff: noqa: RUF009 (the helper only builds dataclass fields)
"""Every parameter of a registration, in one place: the form, the command line and the
saved session are all built from this class (label, bounds and help are in its metadata; `zero`
is what 0 means, in words)."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from numbers import Real
from typing import Any, Literal, get_args, get_origin, get_type_hints

from napari_voxelmorph.engine.errors import InputError

Start = Literal["auto", "header", "centers", "landmarks"]
Affine = Literal["affine", "rigid", "none"]
Transform = Literal["velocity", "displacement", "none"]
Similarity = Literal["lncc", "mse", "mi", "mind"]


def _parameter(default: Any, label: str, help: str, **bounds: Any) -> Any:
    return field(default=default, metadata={"label": label, "help": help, **bounds})


@dataclass(frozen=True)
class RegistrationConfig:
    """What to do with a pair.  Frozen: change it with `dataclasses.replace`."""

    start: Start = _parameter(
        "auto",
        "Start from",
        "auto: try the headers, the image centres and the centres of mass, keep the best. "
        "header: trust the positions in the files. centers: middle on middle. landmarks: matching "
        "points on each other, as well as pre-alignment can.",
    )
    affine: Affine = _parameter(
        "affine",
        "Pre-align",
        "affine: rotation, shift, scale and shear. rigid: rotation and shift only. none: keep the start.",
    )
    affine_similarity: Literal["lncc", "mi"] = _parameter(
        "lncc",
        "Pre-align by",
        "lncc: same contrast, more precise. mi: any pair of contrasts, quicker.",
        advanced=True,
    )
    transform: Transform = _parameter(
        "velocity",
        "Deform",
        "velocity: smooth and invertible (diffeomorphic). displacement: free, may fold. "
        "none: pre-alignment only.",
    )
    similarity: Similarity = _parameter(
        "lncc",
        "Compare by",
        "lncc: same or similar contrast. mind: different contrasts. mi: different contrasts, "
        "coarse. mse: identical scanners and intensities.",
    )
    model: str = _parameter(
        "",
        "Model",
        "A trained network that gives the deformation in one pass: its name on the shelf, or its "
        "folder. Empty: optimise from scratch.",
    )
    model_lambda: float = _parameter(
        0.5,
        "λ of the model",
        "For a model that was trained for every λ: 0 follows the images, 1 stays smooth. Without such "
        "a model it means nothing.",
        min=0.0,
        max=1.0,
        step=0.05,
    )
    refine: bool = _parameter(
        True,
        "Refine",
        "Optimise the network's deformation further, for this pair; without a model it means nothing.",
    )
    smoothness: float = _parameter(
        1.0,
        "Smoothness",
        "How stiff the deformation is: 1 is the tuned default, larger is smoother.",
        min=0.1,
        max=10.0,
        step=0.1,
    )
    radius: int = _parameter(
        2,
        "Window radius",
        "Local window of lncc, in voxels; twice as many in 2-D.",
        min=1,
        max=9,
        advanced=True,
    )
    iterations: tuple[int, ...] = _parameter(
        (100, 60, 20),
        "Iterations",
        "At most this many steps on each level, coarse to fine.",
        advanced=True,
    )
    refine_iterations: tuple[int, ...] = _parameter(
        (0, 20, 20),
        "Refining iterations",
        "The same, when a network's deformation is refined; 0 skips a level.",
        advanced=True,
    )
    resolution: float = _parameter(
        0.0,
        "Finest resolution (mm)",
        "Voxel size of the finest level; 0: the fixed image's own.",
        min=0.0,
        max=20.0,
        step=0.5,
        zero="full resolution",
        advanced=True,
    )
    landmark_weight: float = _parameter(
        0.0,
        "Landmark weight",
        "How hard matching points pull the deformation, against the images: 1 equally, 10 they are "
        "nearly certain; 0: they are only measured.",
        min=0.0,
        max=20.0,
        step=0.5,
        zero="measured only",
        advanced=True,
    )
    symmetric: bool = _parameter(
        False,
        "Symmetric",
        "Pull both images equally, so that swapping them gives the inverse; twice the time.",
        advanced=True,
    )
    tolerance: float = _parameter(
        1e-4,
        "Stop when",
        "A level ends when the similarity gains less than this over ten steps.",
        min=0.0,
        max=0.1,
        step=1e-4,
        advanced=True,
    )
    device: str = _parameter("auto", "Device", "auto, cpu, cuda, cuda:1, mps", advanced=True)

    def __post_init__(self) -> None:
        for name in ("iterations", "refine_iterations"):
            object.__setattr__(self, name, _whole_numbers(name, getattr(self, name)))
        for f in fields(self):
            value, kind = getattr(self, f.name), _TYPES[f.name]
            if f.metadata.get("min") is not None:
                _check_number(f.name, value, f.metadata["min"], f.metadata["max"], kind)
            elif get_origin(kind) is Literal and value not in get_args(kind):
                names = ", ".join(get_args(kind))
                raise InputError(f"{f.name}: expected one of {names}; got {value!r}.")
            elif kind in (bool, str) and not isinstance(value, kind):
                wanted = "True or False" if kind is bool else "a name"
                raise InputError(f"{f.name}: expected {wanted}, got {value!r}.")
        if self.model and self.transform == "none":
            raise InputError(
                f"The model “{self.model}” deforms, and “Deform” is none: choose another way to "
                "deform, or no model."
            )


def _whole_numbers(name: str, values: Any) -> tuple[int, ...]:
    try:
        numbers = tuple(int(n) for n in values)
        exact = all(n == v for n, v in zip(numbers, values, strict=True))
    except (TypeError, ValueError, OverflowError):
        numbers, exact = (), False
    if not exact or not numbers or min(numbers) < 0 or isinstance(values, str):
        raise InputError(
            f"{name}: expected whole numbers, coarse to fine, such as 100,60,20; got {values}."
        )
    return numbers


def _check_number(name: str, value: Any, low: float, high: float, kind: Any) -> None:
    number = isinstance(value, Real) and not isinstance(value, bool)
    if not number or not low <= value <= high or (kind is int and int(value) != value):
        what = "a whole number" if kind is int else "a number"
        raise InputError(f"{name}: expected {what} from {low} to {high}, got {value}.")


#: What to say of a result whose deformation is zero everywhere.
NOTHING_FOUND = (
    "No deformation was found that compares better than the pre-alignment: allow more iterations, "
    "also on the finer levels."
)

_TYPES = get_type_hints(RegistrationConfig)
DEFAULT = RegistrationConfig()

#: Presets in the order in which the window offers them: name -> (config, one line of help).
PRESETS: dict[str, tuple[RegistrationConfig, str]] = {
    "Same contrast": (DEFAULT, "Two scans of the same kind, such as T1 and T1."),
    "Same contrast, quick": (
        replace(DEFAULT, iterations=(100, 60, 0)),
        "A first look: stops at half resolution.",
    ),
    "Different contrast": (
        replace(
            DEFAULT,
            affine_similarity="mi",
            similarity="mind",
            smoothness=3.0,
            iterations=(100, 60, 5),
        ),
        "Such as T1 and T2, or MR and CT.",
    ),
    "Rigid only": (
        replace(DEFAULT, affine="rigid", affine_similarity="mi", transform="none"),
        "One person scanned twice: rotation and shift.",
    ),
    "Affine only": (
        replace(DEFAULT, affine_similarity="mi", transform="none"),
        "No deformation.",
    ),
}
