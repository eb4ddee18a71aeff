"""Many things at once, both directions, any grid; scipy and SimpleITK say what is right."""

from __future__ import annotations

import json
from types import SimpleNamespace

import nibabel
import numpy as np
import pytest
from nibabel.affines import apply_affine
from nibabel.gifti import GiftiDataArray, GiftiImage
from scipy.ndimage import gaussian_filter, map_coordinates

from napari_voxelmorph.engine.apply.items import Item, kind_of, renamed
from napari_voxelmorph.engine.apply.run import Way, carry_over
from napari_voxelmorph.engine.apply.transform import read_transform
from napari_voxelmorph.engine.errors import InputError, NotEnoughMemoryError
from napari_voxelmorph.engine.files import load, save, save_session
from napari_voxelmorph.engine.files.landmarks import load_landmarks, save_landmarks
from napari_voxelmorph.engine.files.series import is_series
from napari_voxelmorph.engine.files.transforms.registry import save_transform
from napari_voxelmorph.engine.geometry.field import Field
from napari_voxelmorph.engine.geometry.volume import Volume
from napari_voxelmorph.engine.result import Registration


def place(spacing, origin, turn=0.2):
    affine = np.diag([*spacing, 1.0])
    affine[:2, :2] = [[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]] @ affine[:2, :2]
    affine[:3, 3] = origin
    return affine


@pytest.fixture
def pair():
    """A registration, and things of its moving scan."""
    rng = np.random.default_rng(0)
    data = gaussian_filter(rng.normal(size=(18, 20, 16)), 1.5).astype(np.float32)
    fixed = Volume(data, place((2, 2, 2.5), (-10, 4, 6)), name="fixed")
    moving = Volume(data[:, :17] + 1, place((2.2, 2, 2), (-12, 3, 8), -0.1), name="moving")
    velocity = gaussian_filter(rng.normal(size=(3, 10, 11, 9)), (0, 2, 2, 2)).astype(np.float32)
    affine = np.eye(4)
    affine[:3, 3] = 1.5, -0.7, 0.9
    field = Field(velocity * 6, np.full(3, 2.0), np.zeros(3))
    labels = moving.with_data(rng.integers(0, 4, moving.shape).astype(np.int16), kind="labels")
    points = apply_affine(moving.affine, rng.uniform(5, 11, (7, 3)))
    return SimpleNamespace(
        result=Registration(fixed, moving, affine, field), labels=labels, points=points
    )


def run(registration, items, **way):
    """The files that were written, and how the work went."""
    steps = carry_over(registration, items, Way(**way))
    told = []
    while True:
        try:
            told.append(next(steps))
        except StopIteration as end:
            return end.value, told


def series_file(pair, path, count=4):
    """Four volumes of growing brightness, 2.5 s apart."""
    data = np.stack([pair.result.moving.data * (t + 1) for t in range(count)], -1)
    image = nibabel.Nifti1Image(data, pair.result.moving.affine)
    image.header.set_xyzt_units("mm", "sec")
    image.header["pixdim"][4] = 2.5
    nibabel.save(image, path)


def surface_file(points, path):
    arrays = [GiftiDataArray(points.astype(np.float32), "NIFTI_INTENT_POINTSET")]
    nibabel.save(GiftiImage(darrays=arrays), path)


def test_everything_at_once(pair, tmp_path):
    result, moving = pair.result, pair.result.moving
    save(moving, tmp_path / "image.nii.gz")
    save(pair.labels, tmp_path / "seg.nii.gz")
    series_file(pair, tmp_path / "bold.nii.gz")
    save_landmarks(pair.points, tmp_path / "points.mrk.json", list("abcdefg"))
    save_landmarks(pair.points, tmp_path / "points.csv")
    surface_file(pair.points, tmp_path / "mesh.surf.gii")
    sources = sorted(p for p in tmp_path.iterdir())
    (tmp_path / "out").mkdir()
    items = [Item(p, tmp_path / "out" / renamed(p, "moved")) for p in sources]
    written, told = run(result, [*items, Item(moving, tmp_path / "out" / "layer.mha")])
    assert written == [i.out for i in items] + [tmp_path / "out" / "layer.mha"]
    fractions = [step.fraction for step in told]
    assert fractions == sorted(fractions) and fractions[0] == 0 and fractions[-1] <= 1
    out = {p.name: p for p in written}
    # Matrices in a NIfTI header are float32.
    np.testing.assert_allclose(load(out["image_moved.nii.gz"]).data, result.moved.data, atol=1e-5)
    np.testing.assert_array_equal(load(out["layer.mha"]).data, result.moved.data)
    labels = load(out["seg_moved.nii.gz"], None)
    assert labels.kind == "labels" and labels.data.dtype == np.int16
    np.testing.assert_array_equal(labels.data, result.warp(pair.labels, "nearest"))
    bold = nibabel.load(out["bold_moved.nii.gz"])
    assert bold.shape == (*result.fixed.shape, 4)
    assert bold.header.get_xyzt_units() == ("mm", "sec") and bold.header.get_zooms()[3] == 2.5
    np.testing.assert_allclose(bold.affine, result.fixed.affine, atol=1e-5)
    for t in range(4):
        np.testing.assert_allclose(bold.dataobj[..., t], result.moved.data * (t + 1), rtol=1e-5)
    there = result.moving_to_fixed(pair.points)
    for name in ("points_moved.csv", "points_moved.mrk.json"):
        points, names = load_landmarks(out[name], 3)
        np.testing.assert_allclose(points, there, atol=1e-3)
    assert names == list("abcdefg")
    mesh = nibabel.load(out["mesh_moved.surf.gii"]).agg_data("pointset")
    np.testing.assert_allclose(mesh, there, atol=1e-4)


def test_a_vertex_lands_on_the_same_anatomy(pair, tmp_path):
    """The moved image at the moved vertex is the moving image at the vertex."""
    surface_file(pair.points, tmp_path / "mesh.gii")
    save(pair.result.moving, tmp_path / "image.nii")
    names = [tmp_path / "mesh.gii", tmp_path / "image.nii"]
    run(pair.result, [Item(p, tmp_path / f"out_{p.name}") for p in names])
    vertices = nibabel.load(tmp_path / "out_mesh.gii").agg_data("pointset")
    moved, moving = load(tmp_path / "out_image.nii"), pair.result.moving

    def at(volume, points):
        voxels = apply_affine(np.linalg.inv(volume.affine), points)
        return map_coordinates(volume.data, voxels.T, order=1)

    error = at(moved, vertices) - at(moving, pair.points)
    assert np.abs(error).mean() < 0.05 * np.ptp(moving.data)
    unmoved = at(moved, pair.points) - at(moving, pair.points)
    assert np.abs(error).mean() < 0.3 * np.abs(unmoved).mean()


def test_a_grid_of_terabytes_in_a_small_file_is_refused(pair, tmp_path):
    """An .lta is a text, and may say anything of its grids; points need none."""
    save_transform(pair.result, tmp_path / "a.lta", "lta")
    text = (tmp_path / "a.lta").read_text()
    shape = "volume = {} {} {}".format(*pair.result.fixed.shape)
    assert shape in text
    (tmp_path / "a.lta").write_text(text.replace(shape, "volume = 30000 30000 30000"))
    registration = read_transform(tmp_path / "a.lta")
    with pytest.raises(NotEnoughMemoryError, match=r"30,000 x 30,000 x 30,000.*--onto"):
        run(registration, [Item(pair.result.moving, tmp_path / "moved.nii.gz")])
    save_landmarks(pair.points, tmp_path / "points.csv")
    run(registration, [Item(tmp_path / "points.csv", tmp_path / "moved.csv")])
    assert not (tmp_path / "moved.nii.gz").exists() and (tmp_path / "moved.csv").exists()


@pytest.mark.parametrize("inverse", [False, True])
def test_onto_any_grid(pair, tmp_path, inverse):
    """A grid of its own: what scipy finds at the mapped points."""
    result = pair.result
    source = result.fixed if inverse else result.moving
    grid = Volume(np.zeros((9, 11, 8), np.uint8), place((3, 3, 3), (-5, 8, 10), 0.5))
    save(source, tmp_path / "a.nii")
    series_file(pair, tmp_path / "bold.nii")
    names = ["a.nii"] if inverse else ["a.nii", "bold.nii"]
    items = [Item(tmp_path / n, tmp_path / f"out_{n}") for n in names]
    run(result, items, inverse=inverse, grid=grid)
    out = load(tmp_path / "out_a.nii")
    assert out.shape == grid.shape
    points = apply_affine(grid.affine, np.moveaxis(np.indices(grid.shape), 0, -1).reshape(-1, 3))
    there = (result.moving_to_fixed if inverse else result.fixed_to_moving)(points)
    voxels = apply_affine(np.linalg.inv(source.affine), there).T
    inside = ((voxels > 0) & (voxels < np.array(source.shape)[:, None] - 1)).all(axis=0)
    expected = map_coordinates(source.data, voxels, order=1, mode="nearest")
    assert inside.mean() > 0.2
    np.testing.assert_allclose(out.data.reshape(-1)[inside], expected[inside], atol=1e-4)
    if not inverse:
        assert nibabel.load(tmp_path / "out_bold.nii").shape == (*grid.shape, 4)


def test_modes(pair, tmp_path):
    save(pair.labels, tmp_path / "seg.nii.gz")
    save(pair.result.moving, tmp_path / "image.nii.gz")
    item = Item(tmp_path / "seg.nii.gz", tmp_path / "out.nii.gz")
    run(pair.result, [item], mode="majority")
    np.testing.assert_array_equal(
        load(tmp_path / "out.nii.gz", "labels").data, pair.result.warp_labels(pair.labels)
    )
    with pytest.raises(InputError, match="majority"):
        run(pair.result, [Item(tmp_path / "image.nii.gz", tmp_path / "o.nii.gz")], mode="majority")
    run(
        pair.result, [Item(tmp_path / "image.nii.gz", tmp_path / "o.nii.gz")], mode="cubic", fill=-3
    )
    expected = pair.result.warp(pair.result.moving, "cubic", fill=-3)
    np.testing.assert_allclose(load(tmp_path / "o.nii.gz").data, expected, atol=1e-5)


def test_stopping_leaves_no_half_written_file(pair, tmp_path):
    series_file(pair, tmp_path / "bold.nii.gz")
    item = Item(tmp_path / "bold.nii.gz", tmp_path / "out.nii.gz")
    steps = carry_over(pair.result, [item], Way())
    next(steps)
    next(steps)
    steps.close()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["bold.nii.gz"]


def test_a_series_that_does_not_fit_is_told_before(pair, tmp_path, monkeypatch):
    from napari_voxelmorph.engine.files import reading

    series_file(pair, tmp_path / "bold.nii.gz")
    monkeypatch.setattr(reading, "free_memory", lambda device: 100_000)
    with pytest.raises(NotEnoughMemoryError, match="GB"):
        run(pair.result, [Item(tmp_path / "bold.nii.gz", tmp_path / "out.nii.gz")])
    assert not (tmp_path / "out.nii.gz").exists()


@pytest.mark.parametrize("suffix", [".h5", ".nii.gz", ".mgz"])
def test_transforms_of_other_programs(pair, tmp_path, suffix):
    name = {".h5": "itk-composite", ".nii.gz": "fsl", ".mgz": "freesurfer"}[suffix]
    save_transform(pair.result, tmp_path / f"t{suffix}", name)
    save(pair.result.moving, tmp_path / "a.nii")
    again = read_transform(tmp_path / f"t{suffix}", None, pair.result.fixed, pair.result.moving)
    run(again, [Item(tmp_path / "a.nii", tmp_path / "out.nii")])
    gap = np.abs(load(tmp_path / "out.nii").data - pair.result.moved.data)
    assert gap.max() < 1e-3 * np.ptp(pair.result.moving.data)


def test_sessions_and_folders_with_one(pair, tmp_path):
    save_session(pair.result, tmp_path / "session")
    for place in (tmp_path, tmp_path / "session"):
        assert read_transform(place).fixed.shape == pair.result.fixed.shape
    with pytest.raises(InputError, match="no transform"):
        read_transform(tmp_path / "none.h5")


def test_names(tmp_path):
    for name, kind, out in (
        ("scan.nii.gz", None, "scan_moved.nii.gz"),
        ("a.b.mgz", None, "a.b_moved.mgz"),
        ("dicom_folder", None, "dicom_folder_moved.nii.gz"),
        ("p.fcsv", "points", "p_moved.csv"),
        ("p.mrk.json", "points", "p_moved.mrk.json"),
        ("lh.pial.surf.gii", "surface", "lh.pial_moved.surf.gii"),
        ("m.vtk", "surface", "m_moved.vtk"),
    ):
        path = tmp_path / name
        assert kind_of(path) == kind
        assert renamed(path, "moved") == out
    assert not is_series(tmp_path / "none.nii.gz")


def test_markups_say_their_coordinates(tmp_path):
    points = [{"label": "a", "position": [1, 2, 3]}, {"position": [4, 5, 6]}]
    for system, sign in (("LPS", -1), ("RAS", 1), (None, -1)):
        one = {"controlPoints": points} | ({"coordinateSystem": system} if system else {})
        (tmp_path / "a.mrk.json").write_text(json.dumps({"markups": [one]}))
        found, names = load_landmarks(tmp_path / "a.mrk.json", 3)
        np.testing.assert_array_equal(found, [[sign, 2 * sign, 3], [4 * sign, 5 * sign, 6]])
        assert names == ["a", "2"]
