"""DICOM SEG of enhanced multi-frame files: frames are named rightly, or it is refused in words."""

from __future__ import annotations

import numpy as np
import pytest

from napari_voxelmorph.engine.errors import InputError
from napari_voxelmorph.engine.files import load
from napari_voxelmorph.engine.files.dicom_segmentation import save_segmentation

from .grids import grid_affine

pydicom = pytest.importorskip("pydicom")
highdicom = pytest.importorskip("highdicom")
#: Column, row, slice to LPS mm.
PLACE = grid_affine((1.5, 2, 3.5), (12, -20, 33), (-31, 22, 13))
SHAPE = (14, 12, 9)


def item(**values):
    found = pydicom.Dataset()
    for keyword, value in values.items():
        setattr(found, keyword, value)
    return found


def enhanced(path, data, place=PLACE, order=None, shared=True, **tags):
    """Write an Enhanced MR file of data (columns, rows, slices); `order`: slice of each frame."""
    from pydicom.uid import EnhancedMRImageStorage, ExplicitVRLittleEndian, generate_uid

    order = range(data.shape[2]) if order is None else order
    spacing = np.linalg.norm(place[:3, :3], axis=0)
    axes = [round(float(v), 9) for v in (place[:3, :2] / spacing[:2]).T.ravel()]
    orientation = [item(ImageOrientationPatient=axes)]
    measures = [
        item(
            PixelSpacing=[float(spacing[1]), float(spacing[0])],
            SliceThickness=float(spacing[2]),
            SpacingBetweenSlices=float(spacing[2]),
        )
    ]
    common = pydicom.Dataset()
    frames = []
    for number, k in enumerate(order, 1):
        position = [round(float(v), 6) for v in place[:3, 3] + k * place[:3, 2]]
        frame = item(
            PlanePositionSequence=[item(ImagePositionPatient=position)],
            FrameContentSequence=[item(StackID="1", InStackPositionNumber=number,
                                       DimensionIndexValues=[1, number])],
        )  # fmt: skip
        frames.append(frame)
    for group in [common] if shared else frames:
        group.PlaneOrientationSequence = orientation
        group.PixelMeasuresSequence = measures
    dataset = pydicom.Dataset()
    dataset.file_meta = pydicom.dataset.FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = EnhancedMRImageStorage
    dataset.SOPClassUID = EnhancedMRImageStorage
    dataset.SOPInstanceUID = dataset.file_meta.MediaStorageSOPInstanceUID = generate_uid()
    dataset.SeriesInstanceUID, dataset.StudyInstanceUID = generate_uid(), generate_uid()
    dataset.FrameOfReferenceUID = generate_uid()
    dataset.Modality, dataset.PatientName, dataset.PatientID = "MR", "Doe^Jane", "P7"
    dataset.SeriesNumber, dataset.InstanceNumber = 3, 1
    dataset.SeriesDescription = "T1 enhanced"
    dataset.Columns, dataset.Rows = data.shape[:2]
    dataset.NumberOfFrames = len(list(order))
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 16, 16, 15
    dataset.PixelRepresentation = 0
    dataset.SharedFunctionalGroupsSequence = [common]
    dataset.PerFrameFunctionalGroupsSequence = frames
    dataset.PixelData = np.ascontiguousarray(
        data[:, :, list(order)].transpose(2, 1, 0), np.uint16
    ).tobytes()
    for keyword, value in tags.items():
        if value is None:
            delattr(dataset, keyword)
        else:
            setattr(dataset, keyword, value)
    dataset.save_as(path, enforce_file_format=True)
    return dataset


def image():
    return np.random.default_rng(1).integers(0, 900, SHAPE).astype(np.uint16)


def labelled(fixed):
    """Blocks that tell slices, rows and columns apart, on the grid as it was read."""
    data = np.zeros(fixed.shape, np.int16)
    data[2:7, 3:8, 1:4] = 17
    data[8:13, 2:11, 5:9] = 42
    data[0, 0, 0] = 5
    return fixed.with_data(data, kind="labels")


@pytest.mark.parametrize("shared", [True, False])
@pytest.mark.parametrize("order", [None, range(8, -1, -1)])
def test_segments_name_the_frames_on_which_they_lie(tmp_path, order, shared):
    source = enhanced(tmp_path / "scan.dcm", image(), order=order, shared=shared)
    fixed = load(tmp_path / "scan.dcm")
    labels = labelled(fixed)
    save_segmentation(labels, fixed, tmp_path / "seg.dcm", {17: "Putamen"})
    seg = highdicom.seg.segread(tmp_path / "seg.dcm")
    assert seg.StudyInstanceUID == source.StudyInstanceUID
    assert seg.FrameOfReferenceUID == source.FrameOfReferenceUID
    series = seg.ReferencedSeriesSequence[0]
    assert series.SeriesInstanceUID == source.SeriesInstanceUID
    named = [i.ReferencedSOPInstanceUID for i in series.ReferencedInstanceSequence]
    assert named == [source.SOPInstanceUID]
    assert [s.SegmentLabel for s in seg.SegmentSequence] == ["label 5", "Putamen", "label 42"]
    ids = {1: 5, 2: 17, 3: 42}
    to_voxel = np.linalg.inv(fixed.affine) @ np.diag([-1.0, -1, 1, 1])
    found = np.zeros(fixed.shape, np.int16)
    for frame, pixels in zip(
        seg.PerFrameFunctionalGroupsSequence, np.atleast_3d(seg.pixel_array), strict=True
    ):
        of = frame.DerivationImageSequence[0].SourceImageSequence[0]
        assert of.ReferencedSOPInstanceUID == source.SOPInstanceUID
        place = frame.PlanePositionSequence[0].ImagePositionPatient
        theirs = source.PerFrameFunctionalGroupsSequence[int(of.ReferencedFrameNumber) - 1]
        np.testing.assert_allclose(
            place, theirs.PlanePositionSequence[0].ImagePositionPatient, atol=1e-6
        )
        voxel = to_voxel @ [*map(float, place), 1.0]
        np.testing.assert_allclose(voxel[:2], 0, atol=1e-3)
        number = frame.SegmentIdentificationSequence[0].ReferencedSegmentNumber
        at = found[:, :, round(voxel[2])]
        at[pixels.T > 0] = ids[int(number)]
    np.testing.assert_array_equal(found, labels.data)
    measures = seg.SharedFunctionalGroupsSequence[0].PixelMeasuresSequence[0]
    np.testing.assert_allclose([float(v) for v in measures.PixelSpacing], [2.0, 1.5], atol=1e-6)


def test_frames_that_cannot_be_referred_to_are_refused(tmp_path):
    fixed = load(_written(tmp_path / "a.dcm"))
    labels = labelled(fixed)

    def refuses(match, **changes):
        path = tmp_path / "a.dcm"
        path.unlink()
        _written(path, **changes)
        with pytest.raises(InputError, match=match):
            save_segmentation(labels, fixed, tmp_path / "seg.dcm")
        assert not (tmp_path / "seg.dcm").exists()

    refuses("NIfTI", order=[0, 1, 2, 3, 4, 5, 6, 7, 7])
    refuses("frames of", order=range(8))
    refuses("direction", turned=True)
    refuses("no functional groups", SharedFunctionalGroupsSequence=None)
    refuses("where it lies", placeless=True)
    refuses("no common direction", crooked=True)


def _written(path, order=None, turned=False, placeless=False, crooked=False, **tags):
    data = image() if order is None else image()[:, :, : len(list(order))]
    if order is not None:
        data = np.concatenate([data, data[:, :, :1]], axis=2)[:, :, : max(order) + 1]
    enhanced(path, data, order=order, shared=not crooked, **tags)
    dataset = pydicom.dcmread(path)
    if turned:
        group = dataset.SharedFunctionalGroupsSequence[0].PlaneOrientationSequence[0]
        group.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
    if placeless:
        del dataset.PerFrameFunctionalGroupsSequence[3].PlanePositionSequence
    if crooked:
        from copy import deepcopy

        group = deepcopy(dataset.PerFrameFunctionalGroupsSequence[2].PlaneOrientationSequence)
        group[0].ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
        dataset.PerFrameFunctionalGroupsSequence[2].PlaneOrientationSequence = group
    if turned or placeless or crooked:
        dataset.save_as(path, enforce_file_format=True)
    return path
