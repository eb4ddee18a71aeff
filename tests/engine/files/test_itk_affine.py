"""ITK's affine files: read by SimpleITK, and read from SimpleITK."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk

from napari_voxelmorph.engine.errors import FileFormatError, InputError
from napari_voxelmorph.engine.files import load_affine, save_affine
from napari_voxelmorph.engine.geometry.volume import Volume

from .grids import CASES, Case


@pytest.mark.parametrize("suffix", [".txt", ".tfm", ".mat"])
def test_simpleitk_maps_the_same_points(case, make_registration, tmp_path, suffix):
    result = make_registration(case, field=False)
    path = tmp_path / f"affine{suffix}"
    save_affine(result, path)
    transform = sitk.ReadTransform(str(path))
    flip = np.array([-1, -1, 1])[: result.ndim]
    point = np.array([12.0, -7, 33])[: result.ndim]
    expected = result.fixed_to_moving(point[None])[0]
    np.testing.assert_allclose(np.array(transform.TransformPoint(point * flip)) * flip, expected)
    np.testing.assert_allclose(load_affine(path), result.affine, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("suffix", [".txt", ".mat"])
@pytest.mark.parametrize("ndim", [2, 3])
def test_from_simpleitk_with_a_centre(tmp_path, suffix, ndim):
    rng = np.random.default_rng(0)
    transform = sitk.AffineTransform(ndim)
    transform.SetMatrix((np.eye(ndim) + rng.uniform(-0.2, 0.2, (ndim, ndim))).ravel())
    transform.SetTranslation(rng.uniform(-9, 9, ndim))
    transform.SetCenter(rng.uniform(-50, 50, ndim))
    sitk.WriteTransform(transform, str(tmp_path / f"affine{suffix}"))
    matrix = load_affine(tmp_path / f"affine{suffix}")
    flip = np.array([-1, -1, 1])[:ndim]
    point = rng.uniform(-30, 30, ndim)
    theirs = np.array(transform.TransformPoint(point * flip)) * flip
    np.testing.assert_allclose(matrix[:-1, :-1] @ point + matrix[:-1, -1], theirs)


def test_pictures(make_registration, tmp_path):
    result = make_registration(
        Case(((9, 8), np.eye(3)), ((7, 9), np.eye(3))), oriented=False, field=False
    )
    save_affine(result, tmp_path / "affine.txt")
    transform = sitk.ReadTransform(str(tmp_path / "affine.txt"))
    row, column = result.fixed_to_moving(np.array([[3.0, 5.0]]))[0]
    np.testing.assert_allclose(transform.TransformPoint((5.0, 3.0)), (column, row))
    again = load_affine(tmp_path / "affine.txt", result.fixed, result.moving)
    np.testing.assert_allclose(again, result.affine, atol=1e-12)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "no line"),
        ("nothing at all", "no line"),
        (
            "Transform: Euler3DTransform_double_3_3\nParameters: 0\nFixedParameters: 0",
            "AffineTransform",
        ),
        (
            "Transform: AffineTransform_double_3_3\nParameters: 1 2\nFixedParameters: 0 0 0",
            "2 parameters",
        ),
        (
            "Transform: AffineTransform_double_2_2\nParameters: 1 0 0 x 0 0\nFixedParameters: 0 0",
            "x",
        ),
        (
            "Transform: AffineTransform_double_2_2\nParameters: 0 0 0 0 0 0\nFixedParameters: 0 0",
            "flat",
        ),
        ("Transform: A\nTransform: B", "several"),
        (
            "Transform: AffineTransform_float_2_2\nParameters: nan 0 0 1 0 0\nFixedParameters: 0 0",
            "NaN",
        ),
    ],
)
def test_damaged_text(tmp_path, text, says):
    (tmp_path / "affine.txt").write_text(text)
    with pytest.raises((FileFormatError, InputError), match=says):
        load_affine(tmp_path / "affine.txt")


def test_wrong_dimension_and_suffix(make_registration, tmp_path):
    result = make_registration(CASES["2-D"])
    save_affine(result, tmp_path / "affine.txt")
    image = Volume(np.zeros((3, 4, 5)))
    with pytest.raises(InputError, match="2-D"):
        load_affine(tmp_path / "affine.txt", image, image)
    with pytest.raises(InputError, match=r"\.mat"):
        save_affine(result, tmp_path / "affine.lta")
    with pytest.raises(FileFormatError, match="No such file"):
        load_affine(tmp_path / "none.txt")
