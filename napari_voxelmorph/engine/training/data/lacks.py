"""What a recipe weighs and the scans do not have: it would be trained without, unnoticed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from napari_voxelmorph.engine.errors import InputError
from napari_voxelmorph.engine.training.config import TrainingConfig


def share_a_name(landmarks: Iterable[Iterable[str]], atlas: Iterable[str] | None) -> bool:
    """Whether two scans, or a scan and the atlas, have a landmark of one name."""
    count = Counter(name for names in landmarks for name in set(names))
    if atlas is not None:
        return any(count[name] for name in atlas)
    return any(n > 1 for n in count.values())


def check_lacks(config: TrainingConfig, landmarks: bool, transforms: bool) -> None:
    """Raise `InputError` when the recipe gives a weight to landmarks or known fields without any.

    Parameters
    ----------
    landmarks, transforms : bool
        Whether the scans to train on have some in common, and known transforms from the atlas.
    """
    if config.landmark_weight > 0 and not landmarks:
        raise InputError(
            "The recipe uses landmarks, and no two images of a pair have landmarks of one name. Give "
            "them in the column “landmarks” of a table (for an atlas: “Atlas landmarks”), or set "
            "“Landmark weight” to 0."
        )
    if config.field_weight > 0 and not transforms:
        raise InputError(
            "The recipe uses known fields, and there are none. Register to an atlas, and give the "
            "transform from the atlas to each scan in the column “transform” of a table; or set "
            "“Known-field weight” to 0."
        )
