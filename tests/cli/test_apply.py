"""`apply` with transforms of other programs, series, surfaces and DICOM; `register` writing them."""

from __future__ import annotations

from pathlib import Path

import nibabel
import numpy as np
import pytest
from nibabel.gifti import GiftiDataArray, GiftiImage
from scipy.ndimage import gaussian_filter

from napari_voxelmorph.cli import main
from napari_voxelmorph.cli.help_texts import FORMATS as TOLD
from napari_voxelmorph.engine import files
from napari_voxelmorph.engine.files.landmarks import load_landmarks, save_landmarks
from napari_voxelmorph.engine.files.transforms.formats import FORMATS
from napari_voxelmorph.engine.files.transforms.registry import load_transform, save_transform
from napari_voxelmorph.engine.geometry.field import Field
from napari_voxelmorph.engine.geometry.volume import Volume
from napari_voxelmorph.engine.result import Registration


@pytest.fixture(scope="module")
def result() -> Registration:
    rng = np.random.default_rng(0)
    data = gaussian_filter(rng.normal(size=(18, 20, 16)), 1.5).astype(np.float32)
    place = np.diag([2.0, 2.0, 2.5, 1.0])
    place[:3, 3] = -10, 4, 6
    fixed = Volume(data, place, name="fixed")
    moving = Volume(data[:, :17], place @ np.diag([1.1, 1, 0.8, 1]), name="moving")
    velocity = gaussian_filter(rng.normal(size=(3, 10, 11, 9)), (0, 2, 2, 2)).astype(np.float32)
    affine = np.eye(4)
    affine[:3, 3] = 1.5, -0.7, 0.9
    return Registration(fixed, moving, affine, Field(velocity * 5, np.full(3, 2.0), np.zeros(3)))


@pytest.fixture(scope="module")
def folder(result: Registration, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Images, a series, points and a surface of the moving scan, and transforms."""
    place = tmp_path_factory.mktemp("things")
    files.save(result.fixed, place / "fixed.nii.gz")
    files.save(result.moving, place / "moving.nii.gz")
    files.save_session(result, place / "session")
    data = np.stack([result.moving.data] * 3, -1)
    nibabel.save(nibabel.Nifti1Image(data, result.moving.affine), place / "bold.nii.gz")
    points = result.moving.center + np.random.default_rng(1).uniform(-5, 5, (6, 3))
    save_landmarks(points, place / "points.csv")
    mesh = GiftiDataArray(points.astype(np.float32), "NIFTI_INTENT_POINTSET")
    nibabel.save(GiftiImage(darrays=[mesh]), place / "mesh.surf.gii")
    for name in FORMATS:
        save_transform(result, place / f"{name}{FORMATS[name].suffixes[0]}", name)
    return place


def test_the_help_names_every_format() -> None:
    assert TOLD.removeprefix("NAME is one of ").split(", ") == list(FORMATS)


@pytest.mark.parametrize("name", [n for n, f in FORMATS.items() if not f.affine_only])
def test_transforms_of_other_programs(name: str, folder: Path, result, tmp_path: Path) -> None:
    """Nothing is named that the file tells itself."""
    transform = str(folder / f"{name}{FORMATS[name].suffixes[0]}")
    more = ["--transform-format", name] if name in ("learn2reg", "spm") else []
    more += ["--fixed", str(folder / "fixed.nii.gz")] if name == "learn2reg" else []
    given = [
        str(folder / n) for n in ("moving.nii.gz", "bold.nii.gz", "points.csv", "mesh.surf.gii")
    ]
    assert main(["apply", transform, *given, "--out", str(tmp_path), "--quiet", *more]) == 0
    moved = files.load(tmp_path / "moving_moved.nii.gz").data
    both = (moved != 0) & (result.moved.data != 0)
    assert both.mean() > 0.5
    assert np.abs(moved - result.moved.data)[both].max() < 2e-3 * np.ptp(result.moving.data)
    bold = np.asarray(nibabel.load(tmp_path / "bold_moved.nii.gz").dataobj)
    np.testing.assert_allclose(bold, np.stack([moved] * 3, -1), atol=1e-5)
    points, _ = load_landmarks(folder / "points.csv", 3)
    there, _ = load_landmarks(tmp_path / "points_moved.csv", 3)
    np.testing.assert_allclose(there, result.moving_to_fixed(points), atol=0.1)
    mesh = nibabel.load(tmp_path / "mesh_moved.surf.gii").agg_data("pointset")
    np.testing.assert_allclose(mesh, there, atol=1e-3)


def test_what_a_file_does_not_tell_must_be_named(folder: Path, tmp_path: Path, capsys) -> None:
    for name, given, word in (
        ("fsl.nii.gz", "points.csv", "--moving"),
        ("flirt.mat", "moving.nii.gz", "--fixed"),
        ("itk-affine.tfm", "moving.nii.gz", "--fixed"),
    ):
        command = ["apply", str(folder / name), str(folder / given), "--out", str(tmp_path)]
        assert main(command) == 2
        assert word in capsys.readouterr().err
        named = ["--fixed", str(folder / "fixed.nii.gz"), "--moving", str(folder / "moving.nii.gz")]
        assert main([*command, *named, "--quiet"]) == 0
    command = ["apply", str(folder / "itk.nii.gz"), str(folder / "fixed.nii.gz"), "--inverse"]
    assert main([*command, "--out", str(tmp_path)]) == 2
    assert "--moving" in capsys.readouterr().err
    grid = ["--grid", str(folder / "moving.nii.gz"), "--out", str(tmp_path / "b.nii"), "--quiet"]
    assert main([*command, *grid]) == 0
    assert files.load(tmp_path / "b.nii").shape == (18, 17, 16)


def test_transforms_one_after_the_other(folder: Path, result, tmp_path: Path, capsys) -> None:
    """As ANTs keeps them: the deformation alone, and the matrix after it (SimpleITK agrees)."""
    import SimpleITK as sitk

    alone = Registration(result.fixed, result.fixed, np.eye(4), result.field)
    save_transform(alone, tmp_path / "1Warp.nii.gz", "itk")
    save_transform(result, tmp_path / "0GenericAffine.mat", "itk-affine")
    names = [str(tmp_path / "1Warp.nii.gz"), "--then", str(tmp_path / "0GenericAffine.mat")]
    out = str(tmp_path / "out.nii.gz")
    moving = str(folder / "moving.nii.gz")
    assert main(["apply", *names, moving, "--out", out, "--quiet"]) == 0
    vectors = sitk.ReadImage(names[0], sitk.sitkVectorFloat64)
    both = sitk.CompositeTransform(
        [sitk.ReadTransform(names[2]), sitk.DisplacementFieldTransform(vectors)]
    )
    image, grid = sitk.ReadImage(moving), sitk.ReadImage(str(folder / "fixed.nii.gz"))
    theirs = sitk.GetArrayFromImage(sitk.Resample(image, grid, both, sitk.sitkLinear, 0.0)).T
    ours = files.load(out).data
    inside = (ours != 0) & (theirs != 0)
    assert inside.mean() > 0.5
    assert np.abs(ours - theirs)[inside].max() < 1e-3 * np.ptp(theirs)
    assert np.abs(ours - result.moved.data)[inside].max() < 1e-3 * np.ptp(theirs)
    assert main(["apply", *names[:2], str(folder / "fsl.nii.gz"), moving, "--out", out]) == 2
    assert "corner" in capsys.readouterr().err


def test_register_writes_transforms_and_dicom(tmp_path: Path, folder: Path, capsys) -> None:
    pydicom = pytest.importorskip("pydicom")
    pytest.importorskip("highdicom")
    from napari_voxelmorph.engine.synthesis.phantom import make_pair

    pair = make_pair(3, seed=1, spacing=8.0)
    dicom_series(pair.fixed, tmp_path / "dicom")
    files.save(pair.moving, tmp_path / "moving.nii.gz")
    files.save(pair.moving_labels, tmp_path / "seg.nii.gz")
    number = int(np.unique(pair.moving_labels.data)[1])
    (tmp_path / "names.csv").write_text(f"id,name\n{number},Nucleus of names\n")
    command = ["register", str(tmp_path / "dicom"), str(tmp_path / "moving.nii.gz"), "--quiet",
               "--out", str(tmp_path / "out"), "--iterations", "5,3", "--resolution", "8", "--dicom",
               "--moving-labels", str(tmp_path / "seg.nii.gz"),
               "--label-names", str(tmp_path / "names.csv"),
               "--transform-format", "itk-composite", "--transform-format", "fsl"]  # fmt: skip
    assert main(command) == 0
    out = tmp_path / "out"
    session = files.load_session(out / "session")
    points = session.fixed.center + np.random.default_rng(0).uniform(-20, 20, (20, 3))
    for name, inverse in (("transform", False), ("inverse", True)):
        go = session.moving_to_fixed if inverse else session.fixed_to_moving
        found = load_transform(out / f"{name}_itk-composite.h5")(points)
        np.testing.assert_allclose(found, go(points), atol=0.3)
        assert (out / f"{name}_fsl.nii.gz").exists()
    series = files.load(out / "moved_dicom")
    assert series.shape == pair.fixed.shape
    np.testing.assert_allclose(series.affine, session.fixed.affine, atol=1e-3)
    seg = pydicom.dcmread(out / "moved_labels.dcm")
    assert seg.Modality == "SEG"
    assert "Nucleus of names" in [segment.SegmentLabel for segment in seg.SegmentSequence]
    # `apply` writes DICOM too, from the session alone.
    given = [str(tmp_path / "moving.nii.gz"), str(tmp_path / "seg.nii.gz")]
    apply = ["apply", str(out), "--dicom", "--out", str(tmp_path / "more"), "--quiet"]
    assert main([*apply, given[0]]) == 0
    assert main([*apply, given[1], "--labels"]) == 0
    again = files.load(tmp_path / "more" / "moving_moved")
    np.testing.assert_allclose(again.data, series.data, atol=1e-3 * np.ptp(series.data))
    assert pydicom.dcmread(tmp_path / "more" / "seg_moved.dcm").Modality == "SEG"
    # What cannot be written is told before the work, and nothing is left behind.
    command[1] = str(folder / "fixed.nii.gz")
    command[5] = str(tmp_path / "none")
    assert main(command) == 2
    assert "DICOM" in capsys.readouterr().err
    assert not (tmp_path / "none").exists()
    assert main([*command[:6], "--transform-format", "ants"]) == 2
    assert "choose one of itk" in capsys.readouterr().err


def dicom_series(volume: Volume, folder: Path) -> None:
    """A plain MR series."""
    import pydicom

    affine = np.diag([-1, -1, 1, 1]) @ volume.affine
    spacing = np.linalg.norm(affine[:3, :3], axis=0)
    axes = affine[:3, :3] / spacing
    data = volume.data
    if np.cross(axes[:, 0], axes[:, 1]) @ axes[:, 2] < 0:  # slices go up the normal
        affine[:3, 3] += affine[:3, 2] * (data.shape[2] - 1)
        affine[:3, 2] *= -1
        data = data[:, :, ::-1]
    scaled = np.rint(data / np.abs(data).max() * 1000).astype("<i2")
    folder.mkdir()
    for k in range(data.shape[2]):
        one = pydicom.Dataset()
        one.file_meta = pydicom.dataset.FileMetaDataset()
        one.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
        one.SOPClassUID, one.SOPInstanceUID = pydicom.uid.MRImageStorage, f"1.2.3.{k + 1}"
        one.StudyInstanceUID, one.SeriesInstanceUID = "1.2", "1.2.3"
        one.FrameOfReferenceUID, one.Modality, one.InstanceNumber = "1.2.9", "MR", k + 1
        one.PatientID = "P1"
        one.Columns, one.Rows = data.shape[:2]
        one.PixelSpacing = [float(spacing[1]), float(spacing[0])]
        one.ImageOrientationPatient = [float(f"{v:.10f}") for v in axes[:, :2].T.ravel()]
        place = affine[:3, 3] + k * affine[:3, 2]
        one.ImagePositionPatient = [float(f"{v:.8f}") for v in place]
        one.SamplesPerPixel, one.PhotometricInterpretation = 1, "MONOCHROME2"
        one.BitsAllocated = one.BitsStored = 16
        one.HighBit, one.PixelRepresentation = 15, 1
        one.PixelData = np.ascontiguousarray(scaled[:, :, k].T).tobytes()
        one.save_as(folder / f"{k}.dcm", enforce_file_format=True)
