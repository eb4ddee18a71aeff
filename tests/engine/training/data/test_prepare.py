"""From files to one grid: right places, right labels."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from napari_voxelmorph.engine import files
from napari_voxelmorph.engine.errors import InputError
from napari_voxelmorph.engine.files.landmarks import save_landmarks
from napari_voxelmorph.engine.geometry.volume import Volume
from napari_voxelmorph.engine.networks.space import Space
from napari_voxelmorph.engine.training.data.config import DataConfig
from napari_voxelmorph.engine.training.data.opening import open_cohort
from napari_voxelmorph.engine.training.data.prepare import prepare
from napari_voxelmorph.engine.training.data.source import CohortSource
from napari_voxelmorph.engine.training.data.volumes import cohort_from_volumes

STILL = DataConfig(affine=False)


def test_grid_holds_every_scan_and_labels_are_exact(write_cohort, ready, arrays) -> None:
    folder = write_cohort()
    prepared = ready()
    assert prepared.space.spacing == 1.0 and prepared.space.orientation == "RAS"
    assert all(n % 16 == 0 for n in prepared.space.shape)
    assert prepared.labels == (1, 2)
    assert len(prepared.items) == 6 and not prepared.notes
    for item in prepared.items:
        image, labels = arrays(prepared, item)
        assert image.dtype == np.float16 and labels.dtype == np.uint8
        assert float(image.min()) == 0 and 0.9 < float(image.max()) < 1.3
        original = files.load(folder / f"{item.name}_seg.nii.gz", "labels").data
        # Axes in the same order, the same voxels: nothing but a shift, so counts agree.
        assert [np.sum(labels == i) for i in (1, 2)] == [np.sum(original == i) for i in (1, 2)]


def test_world_places_are_kept_without_alignment(tmp_path, blob, finished, arrays) -> None:
    """Two files of one content on differently stored grids lie on each other."""
    image, labels = blob(shape=(22, 26, 20), shift=1.0)
    flipped = np.diag([-1.0, 1, 1, 1])
    flipped[0, 3] = 21
    other = Volume(image.data[::-1].transpose(1, 0, 2).copy(), flipped[:, [1, 0, 2, 3]], name="b")
    other_labels = Volume(
        labels.data[::-1].transpose(1, 0, 2).copy(), other.affine, "labels", "b labels"
    )
    cohort = cohort_from_volumes([image, other], [labels, other_labels])
    prepared = finished(prepare(cohort, tmp_path / "kept", STILL))
    first, second = (arrays(prepared, item) for item in prepared.items)
    np.testing.assert_allclose(first[0], second[0], atol=2e-3)
    assert np.array_equal(first[1], second[1])


def test_affine_alignment_brings_scans_together(tmp_path, blob, finished, arrays) -> None:
    pairs = [blob(shape=(28, 30, 26), shift=s, size=6, seed=n) for n, s in enumerate((0, 4))]
    cohort = cohort_from_volumes(*zip(*pairs, strict=True))
    overlap = []
    for affine in (False, True):
        prepared = finished(prepare(cohort, tmp_path / "kept", DataConfig(affine=affine)))
        masks = [arrays(prepared, item)[1] > 0 for item in prepared.items]
        overlap.append(2 * (masks[0] & masks[1]).sum() / (masks[0].sum() + masks[1].sum()))
    assert overlap[0] < 0.6 and overlap[1] > 0.93


def test_landmarks_become_voxels(write_cohort, finished, tmp_path, arrays) -> None:
    folder = write_cohort(count=3)
    lines = ["image,labels,landmarks"]
    for n in range(3):
        # The centre of the blob, in world mm, see `blob`; the extra one has no partner.
        middle = np.array([[9.5, 11.5, 8.5]]) + 0.5 * n - 1
        extra = np.vstack([middle, middle + n])
        save_landmarks(extra, folder / f"{n}.csv", ["centre", f"own {n}"])
        lines.append(f"scans/subject_{n}.nii.gz,scans/subject_{n}_seg.nii.gz,scans/{n}.csv")
    (tmp_path / "table.csv").write_text("\n".join(lines))
    steps = prepare(
        open_cohort(tmp_path / "table.csv"), tmp_path / "kept", DataConfig(affine=False)
    )
    prepared = finished(steps)
    for item in prepared.items:
        _, labels = arrays(prepared, item)
        mass = np.argwhere(labels > 0).mean(axis=0)
        np.testing.assert_allclose(item.landmarks["centre"], mass, atol=0.1)
    sample = CohortSource(prepared).draw(0)
    assert sample.moving_landmarks.shape == sample.fixed_landmarks.shape == (1, 3)


def test_coarser_grid_and_given_space(write_cohort, ready) -> None:
    write_cohort(spacing=1.0)
    coarse = ready(DataConfig(affine=False, spacing=2.0, multiple=8))
    assert coarse.space.spacing == 2.0 and max(coarse.space.shape) <= 16
    given = Space((24, 32, 24), 1.0, "LPS", 98.0, 2.0)
    assert ready(space=given).space == given
    open_shape = ready(space=Space(None, 1.5, "RAS")).space
    assert open_shape.shape is not None and open_shape.spacing == 1.5
    with pytest.raises(InputError, match="registers 2-D images, and the scans are 3-D"):
        ready(space=Space((32, 32)))


def test_two_d(write_cohort, ready) -> None:
    write_cohort(shape=(40, 34))
    prepared = ready()
    assert len(prepared.space.shape) == 2
    sample = CohortSource(prepared, augmentation=1.0).draw(3)
    assert sample.moving.shape == (1, *prepared.space.shape)


def test_atlas(write_cohort, ready, blob, tmp_path) -> None:
    write_cohort(count=3)
    image, labels = blob(shape=(24, 24, 24), size=5)
    files.save(image, tmp_path / "atlas.nii.gz")
    files.save(labels, tmp_path / "atlas_seg.nii.gz")
    config = DataConfig(
        str(tmp_path / "atlas.nii.gz"), str(tmp_path / "atlas_seg.nii.gz"), affine=False
    )
    prepared = ready(config)
    source = CohortSource(prepared, augmentation=0.7)
    draws = [source.draw(n) for n in range(6)]
    assert {s.names[1] for s in draws} == {"atlas"}
    assert {s.names[0] for s in draws} == {i.name for i in prepared.of("train")}
    assert prepared.atlas.ids == (1, 2)
    with pytest.raises(InputError, match="The atlas: there is no file"):
        ready(DataConfig(str(tmp_path / "gone.nii")))


def test_the_description_is_json_without_names(write_cohort, ready) -> None:
    write_cohort()
    prepared = ready(DataConfig(affine=False, test_fraction=0.3))
    text = json.dumps(dict(prepared.description), allow_nan=False)
    assert "subject_" not in text and str(Path.cwd()) not in text
    digests = {s: set(d) for s, d in prepared.description["splits"].items()}
    for item in prepared.items:
        assert item.digest in digests[item.split]
