# ruff: noqa: RUF009 (the helper only builds dataclass fields)
"""Every parameter of a training: form, command line and run folder are built from this class."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal, get_args, get_origin, get_type_hints

from napari_voxelmorph.engine.errors import InputError

Network = Literal["pyramid", "velocity", "voxelmorph-1", "voxelmorph-2", "voxelmorph-diff"]
Similarity = Literal["lncc", "mse", "mi", "none"]
Hyper = Literal["none", "smoothness", "smoothness and segmentations"]
Precision = Literal["auto", "float32", "bfloat16"]


def _parameter(default: Any, label: str, help: str, **bounds: Any) -> Any:
    return field(default=default, metadata={"label": label, "help": help, **bounds})


@dataclass(frozen=True)
class TrainingConfig:
    """How to train a network.  Frozen: change it with `dataclasses.replace`."""

    network: Network = _parameter(
        "velocity",
        "Network",
        "velocity: smooth and invertible, quick. pyramid: coarse to fine, more precise. voxelmorph-1, -2: "
        "the papers' displacement networks. voxelmorph-diff: with uncertainty.",
    )
    hyper: Hyper = _parameter(
        "none",
        "Hyperparameters",
        "smoothness: one network for every λ, from following the images (0) to staying smooth (1); "
        "the weights below hold in the middle. smoothness and segmentations: their weight as well.",
    )
    similarity: Similarity = _parameter(
        "lncc",
        "Compare by",
        "lncc: local correlation, robust to brightness. mse: equal intensities. mi: different "
        "contrasts, coarse. none: segmentations, landmarks or known fields alone.",
    )
    smoothness: float = _parameter(
        1.0,
        "Smoothness",
        "Weight of the field's smoothness; about 1 with lncc, 0.01 with mse. For voxelmorph-diff: the "
        "precision of the prior, about 10 to 25.",
        min=0.0,
        max=1000.0,
        step=0.1,
    )
    segmentation_weight: float = _parameter(
        0.0,
        "Segmentation weight",
        "Weight of the overlap (Dice) of segmentations, where both images have one; 0: not used.",
        min=0.0,
        max=100.0,
        step=0.1,
    )
    landmark_weight: float = _parameter(
        0.0,
        "Landmark weight",
        "Weight of the squared landmark distance (voxels), where both images have them; 0: not used.",
        min=0.0,
        max=100.0,
        step=0.01,
        advanced=True,
    )
    field_weight: float = _parameter(
        0.0,
        "Known-field weight",
        "Weight of the squared difference to known displacements (supervised training); 0: not used.",
        min=0.0,
        max=100.0,
        step=0.1,
        advanced=True,
    )
    bidirectional: bool = _parameter(
        True,
        "Both directions",
        "Compare in both images; needs a network with an inverse, else without effect.",
        advanced=True,
    )
    radius: int = _parameter(
        4, "Window radius", "Local window of lncc, in voxels.", min=1, max=9, advanced=True
    )
    image_sigma: float = _parameter(
        0.02,
        "Image noise",
        "Of voxelmorph-diff with mse: standard deviation of the images' noise (intensities 0 to 1).",
        min=1e-3,
        max=1.0,
        step=1e-3,
        advanced=True,
    )
    fit: Literal["everything", "uncertainty"] = _parameter(
        "everything",
        "Fit",
        "uncertainty: only how sure the network is, with the field that it already finds left as it "
        "is; needs a model to start from.",
        advanced=True,
    )
    posterior: Literal["smoothed", "diagonal"] = _parameter(
        "smoothed",
        "Posterior",
        "Of voxelmorph-diff: neighbours vary together, or not.",
        advanced=True,
    )
    kl_mode: Literal["exact", "reference"] = _parameter(
        "exact",
        "KL divergence",
        "Of voxelmorph-diff: exact, or with the constants of the published code.",
        advanced=True,
    )
    steps: int = _parameter(
        4000, "Steps", "Updates of the weights.", min=1, max=10_000_000, step=100
    )
    batch: int = _parameter(1, "Pairs per step", "More: steadier, slower.", min=1, max=64)
    learning_rate: float = _parameter(
        5e-4, "Learning rate", "Largest step size.", min=1e-7, max=1.0, step=1e-4, advanced=True
    )
    field_std: float = _parameter(
        0.0,
        "First field",
        "Spread of the first weights that make the field; 0: the network's own, tiny. Images of "
        "different contrast may need 0.01 to learn anything.",
        min=0.0,
        max=1.0,
        step=1e-3,
        advanced=True,
    )
    weight_decay: float = _parameter(
        0.0, "Weight decay", "Of AdamW; 0: Adam.", min=0.0, max=1.0, step=1e-4, advanced=True
    )
    warm_up: int = _parameter(
        100, "Warm-up", "Steps in which the learning rate rises.", min=0, max=100_000, advanced=True
    )
    decay: Literal["cosine", "constant"] = _parameter(
        "cosine",
        "Decay",
        "Of the learning rate after the warm-up: along half a cosine to nearly 0, or none.",
        advanced=True,
    )
    clip: float = _parameter(
        1.0,
        "Clip gradient",
        "Largest norm of a step's gradient; 0: any.",
        min=0.0,
        max=1e6,
        advanced=True,
    )
    average: float = _parameter(
        0.0,
        "Average weights",
        "Decay of the running average of the weights (EMA), such as 0.999; 0: none.",
        min=0.0,
        max=0.999999,
        step=1e-3,
        advanced=True,
    )
    augmentation: float = _parameter(
        0.5,
        "Augmentation",
        "Random mirroring, small affine maps, brightness and noise: 0 none, 1 strong.",
        min=0.0,
        max=1.0,
        step=0.1,
    )
    validate_every: int = _parameter(
        200, "Validate every", "Steps between validations and checkpoints.", min=1, max=1_000_000
    )
    precision: Precision = _parameter(
        "auto",
        "Precision",
        "auto: bfloat16 where a self-test finds it right and faster.",
        advanced=True,
    )
    checkpointing: bool = _parameter(
        False, "Save memory", "Compute parts twice instead of keeping them; slower.", advanced=True
    )
    seed: int = _parameter(
        0, "Seed", "The same seed gives the same training.", min=0, max=2**31 - 1, advanced=True
    )
    start_from: str = _parameter(
        "", "Start from", "A model of the shelf to continue from (fine-tuning); empty: none."
    )
    device: str = _parameter("auto", "Device", "auto, cpu, cuda, cuda:1, mps", advanced=True)

    def __post_init__(self) -> None:
        for f in fields(self):
            value, kind = getattr(self, f.name), _TYPES[f.name]
            if f.metadata.get("min") is not None:
                low, high = f.metadata["min"], f.metadata["max"]
                wanted = "a whole number" if kind is int else "a number"
                good = type(value) in ((int,) if kind is int else (int, float))
                if not good or not low <= value <= high:
                    raise InputError(
                        f"{f.name}: expected {wanted} from {low} to {high}, got {value!r}."
                    )
            elif get_origin(kind) is Literal and value not in get_args(kind):
                names = ", ".join(get_args(kind))
                raise InputError(f"{f.name}: expected one of {names}; got {value!r}.")
            elif kind in (bool, str) and type(value) is not kind:
                wanted = "True or False" if kind is bool else "text"
                raise InputError(f"{f.name}: expected {wanted}, got {value!r}.")


_TYPES = get_type_hints(TrainingConfig)
DEFAULT = TrainingConfig()

#: Recipes in the order in which the window offers them: name -> (config, one line of help).
RECIPES: dict[str, tuple[TrainingConfig, str]] = {
    "Same contrast": (DEFAULT, "Scans of one kind: local correlation, invertible."),
    "With segmentations": (
        replace(DEFAULT, segmentation_weight=1.0),
        "Local correlation, and the segmented structures are pulled onto each other.",
    ),
    "Every λ": (
        replace(DEFAULT, hyper="smoothness", steps=8000),
        "One network for every smoothness, to be tuned after registering, live.",
    ),
    "Small cohort": (
        replace(DEFAULT, augmentation=1.0, average=0.999, steps=3000),
        "Up to about 20 scans: more augmentation, averaged weights.",
    ),
    "With uncertainty": (
        replace(DEFAULT, network="voxelmorph-diff", similarity="mse", smoothness=10.0),
        "The probabilistic network: says how sure it is of every voxel.",
    ),
}
