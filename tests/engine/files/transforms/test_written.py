"""What other programs make of the files is what is shown here: each format, both directions."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from napari_voxelmorph.engine.files import save
from napari_voxelmorph.engine.files.transforms.formats import FORMATS
from napari_voxelmorph.engine.files.transforms.registry import save_transform

from ..grids import CASES
from . import programs

CASES_3D = {name: case for name, case in CASES.items() if not name.startswith("2-D")}

READERS = {
    ("itk", "SimpleITK"): programs.simpleitk,
    ("itk", "nitransforms"): programs.nitransforms_itk,
    ("itk-composite", "SimpleITK"): programs.simpleitk,
    ("itk-composite", "nitransforms"): programs.nitransforms_composite,
    ("itk-affine", "SimpleITK"): programs.simpleitk,
    ("fsl", "fslpy"): programs.fslpy_warp,
    ("fsl", "numpy"): programs.numpy_fsl,
    ("flirt", "fslpy"): programs.fslpy_flirt,
    ("flirt", "nitransforms"): programs.nitransforms_linear("fsl"),
    ("freesurfer", "surfa"): programs.surfa_warp,
    ("lta", "surfa"): programs.surfa_lta,
    ("lta", "nitransforms"): programs.nitransforms_linear("fs"),
    ("afni", "numpy"): programs.numpy_afni,
    ("afni-affine", "numpy"): programs.numpy_afni_matrix,
    ("spm", "numpy"): programs.numpy_spm,
    ("x5", "nitransforms"): programs.nitransforms_x5,
    ("learn2reg", "numpy"): programs.learn2reg,
}


def difference(theirs, ours, source):
    """Largest difference as a share of the range, away from the border of the field of view.

    Programs differ in whether the half voxel beyond the last centre belongs to the image: where
    exactly one of the two says nothing (0), nothing is compared, and the share of those returned.
    """
    one_out = (theirs == 0) != (ours == 0)
    return np.abs(theirs - ours)[~one_out].max() / np.ptp(source.data), one_out.mean()


def written(registration, name, folder, inverse=False):
    """Source image, grid image and transform as files; what we show; the source."""
    way = ("fixed", "moving") if inverse else ("moving", "fixed")
    source, grid = (folder / f"{role}.nii" for role in way)
    save(getattr(registration, way[0]), source)
    save(getattr(registration, way[1]), grid)
    path = folder / f"transform{FORMATS[name].suffixes[0]}"
    save_transform(registration, path, name, inverse)
    shown = replace(registration, field=None) if FORMATS[name].affine_only else registration
    volume = getattr(registration, way[0])
    return path, source, grid, shown.warp(volume, inverse=inverse), volume


@pytest.mark.parametrize("inverse", [False, True], ids=["forward", "inverse"])
@pytest.mark.parametrize("name, program", READERS, ids=lambda v: v)
@pytest.mark.parametrize("case", CASES_3D)
def test_another_program_resamples_as_we_do(
    case, name, program, inverse, make_registration, tmp_path
):
    if program in ("fslpy", "surfa", "nitransforms"):
        pytest.importorskip({"fslpy": "fsl.transform"}.get(program, program))
    registration = make_registration(CASES_3D[case])
    path, source, grid, ours, volume = written(registration, name, tmp_path, inverse)
    theirs = READERS[name, program](path, source, grid)
    gap, one_out = difference(theirs, ours, volume)
    assert (ours != 0).mean() > 0.2
    assert gap <= 1e-3
    assert one_out <= (0.08 if program == "surfa" else 0.002)


@pytest.mark.parametrize("name", [n for n, f in FORMATS.items() if not f.affine_only])
def test_an_affine_result_is_written_as_well(name, make_registration, tmp_path):
    registration = make_registration(CASES["oblique"], field=False)
    path, source, grid, ours, volume = written(registration, name, tmp_path)
    program = next(p for f, p in READERS if f == name)
    pytest.importorskip({"fslpy": "fsl.transform", "SimpleITK": "SimpleITK"}.get(program, program))
    gap, one_out = difference(READERS[name, program](path, source, grid), ours, volume)
    assert gap <= 1e-3 and one_out <= 0.08
