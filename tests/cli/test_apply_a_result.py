"""`apply` with what `register` wrote: it repeats it, there and back."""

from __future__ import annotations

from pathlib import Path

import nibabel
import numpy as np

from napari_voxelmorph.cli import main
from napari_voxelmorph.engine.files.landmarks import load_landmarks


def test_apply_repeats_what_register_wrote(result: Path, inputs: Path, tmp_path: Path) -> None:
    given = [str(inputs / "moving.nii.gz"), str(inputs / "moving_labels.nii.gz")]
    for transform in (result, result / "session"):
        out = tmp_path / transform.name
        assert main(["apply", str(transform), *given, "--out", str(out)]) == 0
        for ours, theirs in (("moving_moved", "moved"), ("moving_labels_moved", "moved_labels")):
            first = nibabel.load(out / f"{ours}.nii.gz").get_fdata()
            second = nibabel.load(result / f"{theirs}.nii.gz").get_fdata()
            assert np.allclose(first, second, atol=1e-3 * np.abs(second).max())


def test_apply_the_displacement_field(result: Path, inputs: Path, tmp_path: Path) -> None:
    field, moving = str(result / "displacement.nii.gz"), str(inputs / "moving.nii.gz")
    assert main(["apply", field, moving, "--out", str(tmp_path / "m.nii.gz"), "--quiet"]) == 0
    first = nibabel.load(tmp_path / "m.nii.gz").get_fdata()
    second = nibabel.load(result / "moved.nii.gz").get_fdata()
    assert np.abs(first - second).max() < 0.02 * second.max()


def test_apply_inverse_lands_on_the_moving_grid(result: Path, inputs: Path, tmp_path: Path) -> None:
    labels = str(inputs / "fixed_labels.nii.gz")
    out = tmp_path / "back.nii.gz"
    assert main(["apply", str(result), labels, "--labels", "--inverse", "--out", str(out)]) == 0
    back, moving = nibabel.load(out), nibabel.load(inputs / "moving_labels.nii.gz")
    assert back.shape == moving.shape
    assert np.allclose(back.affine, moving.affine, atol=1e-4)
    same = np.asarray(back.dataobj) == np.asarray(moving.dataobj)
    assert same[np.asarray(moving.dataobj) > 0].mean() > 0.5


def test_apply_to_points_goes_there_and_back(result: Path, inputs: Path, tmp_path: Path) -> None:
    source = inputs / "moving_landmarks.csv"
    there, back = tmp_path / "there.csv", tmp_path / "back.csv"
    assert main(["apply", str(result), str(source), "--out", str(there)]) == 0
    assert main(["apply", str(result), str(there), "--inverse", "--out", str(back)]) == 0
    points, names = load_landmarks(source, 3)
    again, same_names = load_landmarks(back, 3)
    assert np.abs(points - again).max() < 0.5
    assert names == same_names
    moved, _ = load_landmarks(result / "moved_landmarks.csv", 3)
    assert np.allclose(load_landmarks(there, 3)[0], moved, atol=1e-3)


def test_apply_onto_another_grid(result: Path, inputs: Path, tmp_path: Path) -> None:
    grid = nibabel.load(inputs / "fixed.nii.gz")
    small = nibabel.Nifti1Image(
        np.zeros((20, 22, 24), np.uint8), grid.affine @ np.diag([2.0, 2, 2, 1])
    )
    nibabel.save(small, tmp_path / "grid.nii")
    moving, out = str(inputs / "moving.nii.gz"), tmp_path / "coarse.nii.gz"
    assert (
        main(
            ["apply", str(result), moving, "--onto", str(tmp_path / "grid.nii"), "--out", str(out)]
        )
        == 0
    )
    coarse = nibabel.load(out).get_fdata()
    fine = nibabel.load(result / "moved.nii.gz").get_fdata()[
        : 2 * 20 : 2, : 2 * 22 : 2, : 2 * 24 : 2
    ]
    assert np.allclose(coarse, fine, atol=1e-3 * fine.max())
