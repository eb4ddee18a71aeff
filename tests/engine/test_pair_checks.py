"""Every pair that cannot be registered is refused in a sentence; odd ones work."""

from __future__ import annotations

import numpy as np
import pytest

from napari_voxelmorph.engine.errors import InputError
from napari_voxelmorph.engine.geometry.volume import Volume
from napari_voxelmorph.engine.pair_checks import (
    beginning,
    check_pair,
    check_same_grid,
    header_overlap,
    mask_of,
    reader_notes,
    warnings_for,
)

SHAPE = (8, 9, 8)
DATA = np.random.default_rng(0).random(SHAPE) * 100


def at(x=0.0, spacing=1.0, data=DATA, name="scan", **more):
    affine = np.diag([*[spacing] * data.ndim, 1.0])
    affine[0, -1] = x
    return Volume(data, affine, name=name, **more)


BAD = {
    "2-D": at(data=DATA[0]),
    "one voxel": at(data=DATA[:, :1]),
    "voxels of 1e\\+05": at(spacing=1e5),
    "voxels of 1e-06": at(spacing=1e-6),
    "one spacing must be wrong": at(spacing=90.0),
    "no finite value": at(data=np.full(SHAPE, np.nan)),
    "constant .every voxel is 7": at(data=np.full(SHAPE, 7, np.uint8)),
    "constant .every voxel is 1": at(data=np.ones(SHAPE, bool)),
    "single precision can compare": at(data=DATA * 1e30),
    "beyond what": at(data=DATA * 1e-40),
    "Subtract the offset": at(data=DATA + 1e9),
}


@pytest.mark.parametrize("words", BAD)
def test_images_that_are_refused(words):
    for pair in ((BAD[words], at()), (at(), BAD[words])):
        with pytest.raises(InputError, match=words):
            check_pair(*pair)


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int64", "float16", ">i2", ">f8", "uint64"])
def test_types_that_are_taken(dtype):
    data = (DATA > 50) if dtype == "bool" else DATA.astype(dtype)
    moving, fixed = check_pair(at(data=data), at())
    assert moving.data is data and fixed.data is DATA


def test_nan_and_infinity_count_as_background():
    data = DATA.astype(np.float16)
    data[0, 0, 0], data[1, 1, 1], data[2, 2, 2] = np.nan, np.inf, -np.inf
    moving, _ = check_pair(at(data=data), at())
    assert np.isfinite(moving.data).all() and moving.data.dtype == np.float16
    assert moving.data[1, 1, 1] == data[np.isfinite(data)].min()
    assert any("3 NaN" in w for w in warnings_for(at(data=data), at()))


def test_masks():
    good = np.zeros(SHAPE)
    good[2:4] = -1.5
    good[0, 0, 0] = np.nan
    assert mask_of(at(data=good)).data.sum() == 2 * 72
    check_pair(at(), at(), at(data=good), at(data=good > 0) if (good > 0).any() else None)
    for mask, words in [
        (at(data=np.zeros(SHAPE)), "is empty"),
        (at(data=np.full(SHAPE, np.nan)), "is empty"),
        (at(data=np.ones((8, 9, 7))), "has shape"),
        (at(data=np.ones((8, 9))), "has shape"),
        (at(5.0, data=np.ones(SHAPE)), "mm elsewhere"),
    ]:
        for place in ({"moving_mask": mask}, {"fixed_mask": mask}):
            with pytest.raises(InputError, match=words):
                check_pair(at(), at(), **place)


def test_swapped_axes_are_another_grid():
    """The first and the last corner of a cube stay where they are."""
    cube = at(data=np.ones((6, 6, 6)))
    swapped = Volume(cube.data, np.eye(4)[[1, 0, 2, 3]])
    with pytest.raises(InputError, match="elsewhere"):
        check_same_grid(swapped, cube)
    check_same_grid(at(0.3, data=cube.data), cube)


def test_beginning_and_overlap():
    assert header_overlap(at(), at()) == 1
    assert header_overlap(at(500), at()) == 0
    assert (beginning(at(), at(2)) == np.eye(4)).all()
    apart = beginning(at(), at(500))
    assert apart[0, 3] == pytest.approx(500)
    assert (beginning(at(), at(500), "header") == np.eye(4)).all()
    assert beginning(at(), at(2), "centers")[0, 3] == pytest.approx(2)


def test_warnings():
    assert warnings_for(at(), at()) == []
    assert "2-D" in warnings_for(at(data=DATA[0]), at())[0]
    thick = Volume(DATA, np.diag([1, 1, 5, 1.0]))
    words = " ".join(warnings_for(thick, at(100, oriented=False)))
    for part in ("Voxels differ", "thick slices", "where left is", "do not overlap"):
        assert part in words
    flipped = Volume(DATA, np.array([[-1, 0, 0, 7], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1.0]]))
    assert any("LAS" in w for w in warnings_for(flipped, at()))


def test_what_is_not_finite_is_told_once(tmp_path):
    """The reader counts it, and so do the warnings."""
    from napari_voxelmorph.engine.files import load, save

    data = DATA.astype(np.float32)
    data[0, 0, :5] = np.nan
    save(at(data=data), tmp_path / "scan.nii")
    volume = load(tmp_path / "scan.nii")
    told = reader_notes(volume) + warnings_for(volume, volume)[:1]
    assert [text for text in told if "NaN" in text] == [
        "“scan” holds 5 NaN or infinite voxels; they count as background."
    ]
    odd = Volume(DATA, header={"notes": ["It is odd."]})
    assert reader_notes(odd) == ["It is odd."]
