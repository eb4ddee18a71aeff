"""DICOM results: SimpleITK, pydicom and highdicom read them back; geometry, voxels, references."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import SimpleITK as sitk

from napari_voxelmorph.engine.errors import InputError, OutputError
from napari_voxelmorph.engine.files import load, load_session, save, save_session
from napari_voxelmorph.engine.files.dicom_segmentation import save_segmentation
from napari_voxelmorph.engine.files.dicom_writing import FIRST, save_dicom
from napari_voxelmorph.engine.geometry.field import Field
from napari_voxelmorph.engine.geometry.volume import Volume
from napari_voxelmorph.engine.result import Registration

from .grids import grid_affine, smooth_field
from .test_dicom import write_series

pydicom = pytest.importorskip("pydicom")
OBLIQUE = grid_affine((1.5, 2, 3.5), (12, -20, 33), (-31, 22, 13))


def images(seed, shape=(14, 12, 9), high=900):
    data = np.random.default_rng(seed).normal(size=(*shape,))
    from scipy.ndimage import gaussian_filter

    data = gaussian_filter(data, 1.5)
    return ((data - data.min()) / np.ptp(data) * high - 100).astype(np.int16)


@pytest.fixture
def result(tmp_path):
    """Two DICOM series of one patient in one study, and a registration of them."""
    tags = {
        "0010|0010": "Doe^Jane", "0010|0020": "P7", "0020|0052": "1.2.3.77", "0020|0010": "S1",
        "0008|0020": "20200102", "0020|0011": "3", "0018|5100": "HFS",
    }  # fmt: skip
    write_series(tmp_path / "fixed", images(1), OBLIQUE, "1.2.3.4", "T1", **tags)
    tilted = grid_affine((2, 1.8, 3), (-5, 9, 20), (-28, 20, 15))
    tags |= {"0020|0052": "1.2.3.78", "0018|0081": "12.5"}
    write_series(tmp_path / "moving", images(2), tilted, "1.2.3.5", "T2", **tags)
    fixed, moving = load(tmp_path / "fixed"), load(tmp_path / "moving")
    affine = np.eye(4)
    affine[:3, 3] = moving.center - fixed.center
    field = Field(smooth_field((7, 6, 5), 0.8), np.full(3, 2.0), np.zeros(3))
    return Registration(fixed, moving, affine, field)


def test_names_in_a_series_cannot_lead_out_of_the_folder(tmp_path):
    evil = "../../evil"
    tags = {
        "0010|0010": f"{evil}^Jane",
        "0010|0020": evil,
        "0020|0010": evil,
        "0020|0052": "1.2.3.77",
    }
    write_series(tmp_path / "scans", images(1), OBLIQUE, "1.2.3.4", evil, **tags)
    fixed = replace(load(tmp_path / "scans"), name=evil)
    before = set(tmp_path.rglob("*"))
    save_dicom(fixed, fixed, fixed, tmp_path / "out", evil)
    labels = fixed.with_data((fixed.data > 300).astype(np.uint8), kind="labels")
    save_segmentation(labels, fixed, tmp_path / "out" / "seg.dcm", {1: evil})
    new = {p.relative_to(tmp_path) for p in set(tmp_path.rglob("*")) - before}
    assert all(p.parts[0] == "out" and evil not in str(p) for p in new)


def read_series(folder):
    names = sitk.ImageSeriesReader.GetGDCMSeriesFileNames(str(folder))
    return sitk.ReadImage(names)


def test_simpleitk_reads_the_same_grid_and_voxels(result, tmp_path):
    save_dicom(result.moved, result.fixed, result.moving, tmp_path / "out")
    theirs, fixed = read_series(tmp_path / "out"), read_series(tmp_path / "fixed")
    np.testing.assert_allclose(theirs.GetOrigin(), fixed.GetOrigin(), atol=1e-4)
    np.testing.assert_allclose(theirs.GetSpacing(), fixed.GetSpacing(), atol=1e-5)
    np.testing.assert_allclose(theirs.GetDirection(), fixed.GetDirection(), atol=1e-6)
    # The scanner's numbers are whole: so are those of the result.
    array = sitk.GetArrayFromImage(theirs).T
    np.testing.assert_array_equal(array, np.rint(result.moved.data))
    again = load(tmp_path / "out")
    np.testing.assert_array_equal(again.data, array)
    np.testing.assert_allclose(again.affine, result.fixed.affine, atol=1e-4)


def test_what_the_files_say_of_themselves(result, tmp_path):
    save_dicom(result.moved, result.fixed, result.moving, tmp_path / "out")
    datasets = [pydicom.dcmread(p) for p in sorted((tmp_path / "out").iterdir())]
    fixed = [pydicom.dcmread(p) for p in sorted((tmp_path / "fixed").iterdir())]
    moving = [pydicom.dcmread(p) for p in sorted((tmp_path / "moving").iterdir())]
    first = datasets[0]
    for keyword in ("PatientName", "PatientID", "StudyInstanceUID", "StudyDate", "StudyID",
                    "FrameOfReferenceUID", "PatientPosition"):  # fmt: skip
        assert first[keyword].value == fixed[0][keyword].value, keyword
    assert first.FrameOfReferenceUID == "1.2.3.77"
    assert first.Modality == "MR" and first.SOPClassUID == pydicom.uid.MRImageStorage
    assert list(first.ImageType[:2]) == ["DERIVED", "SECONDARY"]
    assert "registered to" in first.DerivationDescription
    assert float(first.EchoTime) == 12.5  # as the moving scan was taken
    assert first.SeriesInstanceUID not in ("1.2.3.4", "1.2.3.5") and first.SeriesNumber == 1003
    uids = {d.SOPInstanceUID for d in datasets}
    assert len(uids) == 9 and not uids & {d.SOPInstanceUID for d in fixed + moving}
    assert all(d.file_meta.MediaStorageSOPInstanceUID == d.SOPInstanceUID for d in datasets)
    assert [d.InstanceNumber for d in datasets] == list(range(1, 10))
    sources = {i.ReferencedSOPInstanceUID for i in first.SourceImageSequence}
    assert sources == {d.SOPInstanceUID for d in moving}
    series = {i.SeriesInstanceUID: i for i in first.ReferencedSeriesSequence}
    assert set(series) == {"1.2.3.4", "1.2.3.5"}
    named = {i.ReferencedSOPInstanceUID for i in series["1.2.3.4"].ReferencedInstanceSequence}
    assert named == {d.SOPInstanceUID for d in fixed}
    locations = [float(d.SliceLocation) for d in datasets]
    assert locations == sorted(locations)


def test_fractions_keep_sixteen_bits(result, tmp_path):
    """A moving image of fractions, from another kind of file: a secondary capture with a scale."""
    data = (result.moving.data / 700).astype(np.float32)
    save(replace(result.moving, data=data, header={}), tmp_path / "moving.nii.gz")
    moving = load(tmp_path / "moving.nii.gz")
    other = replace(result, moving=moving)
    save_dicom(other.moved, other.fixed, moving, tmp_path / "out")
    array = sitk.GetArrayFromImage(read_series(tmp_path / "out")).T
    assert np.abs(array - other.moved.data).max() <= np.ptp(other.moved.data) / 65535
    first = pydicom.dcmread(tmp_path / "out" / FIRST)
    assert first.Modality == "OT" and first.SOPClassUID == pydicom.uid.SecondaryCaptureImageStorage
    assert "SourceImageSequence" not in first


def test_sources_of_another_study_are_named_there(result, tmp_path):
    for path in (tmp_path / "moving").iterdir():
        dataset = pydicom.dcmread(path)
        dataset.StudyInstanceUID = "1.2.9"
        dataset.save_as(path)
    save_dicom(result.moved, result.fixed, result.moving, tmp_path / "out")
    first = pydicom.dcmread(tmp_path / "out" / FIRST)
    (other,) = first.StudiesContainingOtherReferencedInstancesSequence
    assert other.StudyInstanceUID == "1.2.9"
    assert len(first.ReferencedSeriesSequence) == 1


def test_a_tilted_gantry_and_one_slice(tmp_path):
    tilted = OBLIQUE.copy()
    tilted[:3, 2] += 0.3 * tilted[:3, 1]
    write_series(tmp_path / "fixed", images(1), tilted)
    fixed = load(tmp_path / "fixed")
    save_dicom(fixed, fixed, fixed, tmp_path / "out")
    np.testing.assert_allclose(load(tmp_path / "out").affine, fixed.affine, atol=1e-4)
    np.testing.assert_array_equal(load(tmp_path / "out").data, fixed.data)
    write_series(tmp_path / "one", images(1)[..., :1], OBLIQUE)
    one = load(tmp_path / "one")
    save_dicom(one, one, one, tmp_path / "out")  # an earlier export is replaced
    again = load(tmp_path / "out")
    assert again.shape == one.shape == (14, 12)
    np.testing.assert_array_equal(again.data, one.data)


def test_segmentation(result, tmp_path):
    highdicom = pytest.importorskip("highdicom")
    ids = np.array([0, 2, 17, 3001])
    data = ids[np.random.default_rng(0).integers(0, 4, result.fixed.shape)].astype(np.int32)
    data[:, :, 4] = 0  # an empty slice is left out of the file
    labels = Volume(data, result.fixed.affine, "labels", "seg")
    save_segmentation(labels, result.fixed, tmp_path / "seg.dcm", {17: "Left-Hippocampus"})
    seg = highdicom.seg.segread(tmp_path / "seg.dcm")
    assert seg.PatientID == "P7" and seg.FrameOfReferenceUID == "1.2.3.77"
    names = [seg.get_segment_description(n).segment_label for n in (1, 2, 3)]
    assert names == ["label 2", "Left-Hippocampus", "label 3001"]
    fixed = [pydicom.dcmread(p) for p in sorted((tmp_path / "fixed").iterdir())]
    frames = seg.get_pixels_by_source_instance(
        [d.SOPInstanceUID for d in fixed],
        combine_segments=True,
        assert_missing_frames_are_empty=True,
    )
    np.testing.assert_array_equal(ids[frames].transpose(2, 1, 0), data)
    volume = seg.get_volume(combine_segments=True, allow_missing_positions=True)
    # By its own geometry (LPS; slices, rows, columns, in either order) every voxel is in its place.
    to_ours = np.linalg.inv(np.diag([-1, -1, 1, 1]) @ result.fixed.affine) @ volume.affine
    places = np.indices(volume.array.shape).reshape(3, -1)
    ours = np.rint(to_ours[:3, :3] @ places + to_ours[:3, 3:]).astype(int)
    np.testing.assert_array_equal(ids[volume.array].ravel(), data[tuple(ours)])


def test_sentences(result, tmp_path):
    save(result.fixed, tmp_path / "fixed.nii.gz")
    plain = load(tmp_path / "fixed.nii.gz")
    with pytest.raises(InputError, match="not opened from a DICOM series"):
        save_dicom(result.moved, plain, result.moving, tmp_path / "out")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("keep")
    with pytest.raises(OutputError, match="other files"):
        save_dicom(result.moved, result.fixed, result.moving, tmp_path / "full")
    small = Volume(np.ones((3, 3, 3), np.uint8), kind="labels")
    pytest.importorskip("highdicom")
    with pytest.raises(InputError, match="grid"):
        save_segmentation(small, result.fixed, tmp_path / "seg.dcm")
    empty = Volume(np.zeros(result.fixed.shape, np.uint8), result.fixed.affine, "labels")
    with pytest.raises(InputError, match="0 labels"):
        save_segmentation(empty, result.fixed, tmp_path / "seg.dcm")
    assert not (tmp_path / "out").exists() and not (tmp_path / "seg.dcm").exists()


def test_a_session_remembers_its_series(result, tmp_path):
    save_session(result, tmp_path / "session")
    again = load_session(tmp_path / "session")
    save_dicom(again.moved, again.fixed, again.moving, tmp_path / "out")
    array = sitk.GetArrayFromImage(read_series(tmp_path / "out")).T
    assert np.abs(array - result.moved.data).max() <= 0.51


@pytest.mark.parametrize("name", ["dicom_t1", "dicom_small"])
def test_real_series(data_dir, tmp_path, name):
    fixed = load(data_dir / name)
    small = tuple(n // 8 + 2 for n in fixed.shape)
    field = Field(smooth_field(small, 1.0), np.full(3, 8.0), np.zeros(3))
    result = Registration(fixed, fixed, np.eye(4), field)
    save_dicom(result.moved, fixed, fixed, tmp_path / "out")
    theirs, before = read_series(tmp_path / "out"), read_series(data_dir / name)
    np.testing.assert_allclose(theirs.GetOrigin(), before.GetOrigin(), atol=2e-3)
    np.testing.assert_allclose(theirs.GetSpacing(), before.GetSpacing(), atol=1e-4)
    np.testing.assert_allclose(theirs.GetDirection(), before.GetDirection(), atol=1e-4)
    np.testing.assert_array_equal(sitk.GetArrayFromImage(theirs).T, np.rint(result.moved.data))
