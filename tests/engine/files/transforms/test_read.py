"""Files of this and of other programs are read as the map that they are."""

from __future__ import annotations

import numpy as np
import pytest
import SimpleITK as sitk
from nibabel.affines import apply_affine

from napari_voxelmorph.engine.errors import (
    FileFormatError,
    InputError,
    NotEnoughMemoryError,
    VoxelMorphError,
)
from napari_voxelmorph.engine.files import save
from napari_voxelmorph.engine.files.transforms.formats import FORMATS
from napari_voxelmorph.engine.files.transforms.registry import (
    load_transform,
    recognised,
    save_transform,
)
from napari_voxelmorph.engine.geometry.volume import Volume

from ..grids import CASES
from . import programs

LPS = np.array([-1.0, -1.0, 1.0])


def some_points(volume, seed=0):
    """World positions of voxels in the middle of an image."""
    rng = np.random.default_rng(seed)
    voxels = np.rint(rng.uniform(0.2, 0.8, (40, volume.ndim)) * (np.array(volume.shape) - 1))
    return apply_affine(volume.affine, voxels)


def path_of(name, folder):
    start = {"spm": "y_", "learn2reg": "disp_"}.get(name, "")
    return folder / f"{start}transform{FORMATS[name].suffixes[0]}"


@pytest.mark.parametrize("inverse", [False, True], ids=["forward", "inverse"])
@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("case", ["oblique and flipped", "anisotropic", "2-D"])
def test_what_was_written_is_read_as_the_same_map(case, name, inverse, make_registration, tmp_path):
    registration = make_registration(CASES[case])
    path = path_of(name, tmp_path)
    if registration.ndim == 2 and not name.startswith("itk"):
        with pytest.raises(InputError, match="3-D"):
            save_transform(registration, path, name, inverse)
        return
    save_transform(registration, path, name, inverse)
    assert recognised(path) == name
    fixed, moving = registration.fixed, registration.moving
    fixed, moving = (moving, fixed) if inverse else (fixed, moving)
    points = some_points(fixed)
    expected = (registration.moving_to_fixed if inverse else registration.fixed_to_moving)(points)
    if FORMATS[name].affine_only:
        affine = np.linalg.inv(registration.affine) if inverse else registration.affine
        expected = apply_affine(affine, points)
    chain = load_transform(path, None, fixed, moving)
    np.testing.assert_allclose(chain(points), expected, atol=1e-3)
    again = chain.registration(moving, fixed)
    np.testing.assert_allclose(again.fixed_to_moving(points), expected, atol=1e-3)
    # The inverse, found numerically, leads back from the middle.
    middle = np.median(expected, axis=0, keepdims=True)
    there_and_back = again.fixed_to_moving(again.moving_to_fixed(middle))
    np.testing.assert_allclose(there_and_back, middle, atol=0.05)


def test_a_composite_of_every_kind(tmp_path):
    """As SimpleITK writes it: rotation, displacement, B-spline, shift; the last acts first."""
    grid = sitk.Image([14, 12, 10], sitk.sitkFloat32)
    grid.SetSpacing([2, 2.5, 3])
    grid.SetOrigin([-10, 5, 3])
    turn = sitk.Euler3DTransform((5, 2, 9), 0.1, -0.05, 0.2, (1, 2, 3))
    rng = np.random.default_rng(0)
    vectors = sitk.GetImageFromArray(rng.normal(size=(10, 12, 14, 3)), isVector=True)
    vectors.CopyInformation(grid)
    spline = sitk.BSplineTransformInitializer(grid, [3, 3, 3])
    spline.SetParameters(rng.normal(0, 2, len(spline.GetParameters())).tolist())
    whole = sitk.CompositeTransform(3)
    for part in (
        turn,
        sitk.DisplacementFieldTransform(vectors),
        sitk.TranslationTransform(3, (1, 0, 2)),
    ):
        whole.AddTransform(part)
    sitk.WriteTransform(whole, str(tmp_path / "whole.h5"))
    chain = load_transform(tmp_path / "whole.h5")
    points = rng.uniform([-6, 8, 6], [12, 28, 26], (50, 3))
    expected = np.array([whole.TransformPoint(p.tolist()) for p in points])
    np.testing.assert_allclose(chain(points * LPS) * LPS, expected, atol=1e-3)
    # A B-spline has no grid of its own: it is sampled on the fixed image.
    sitk.WriteTransform(spline, str(tmp_path / "spline.h5"))
    with pytest.raises(InputError, match="--fixed"):
        load_transform(tmp_path / "spline.h5")
    affine = np.diag([-2, -2.5, 3, 1.0])
    affine[:3, 3] = 10, -5, 3
    fixed = Volume(np.zeros((14, 12, 10), np.float32), affine)
    chain = load_transform(tmp_path / "spline.h5", fixed=fixed)
    voxels = apply_affine(affine, np.stack([rng.integers(2, n - 2, 30) for n in fixed.shape], 1))
    expected = np.array([spline.TransformPoint((p * LPS).tolist()) for p in voxels])
    np.testing.assert_allclose(chain(voxels) * LPS, expected, atol=1e-3)


@pytest.mark.parametrize("suffix", [".tfm", ".txt"])
def test_rigid_transforms_of_itk(tmp_path, suffix):
    turn = sitk.Euler3DTransform((5, 2, 9), 0.1, -0.05, 0.2, (1, 2, 3))
    sitk.WriteTransform(turn, str(tmp_path / f"turn{suffix}"))
    points = np.random.default_rng(0).normal(0, 30, (20, 3))
    expected = np.array([turn.TransformPoint(p.tolist()) for p in points])
    chain = load_transform(tmp_path / f"turn{suffix}")
    np.testing.assert_allclose(chain(points * LPS) * LPS, expected, atol=1e-9)


@pytest.mark.parametrize("form", range(4), ids=["abs_crs", "disp_crs", "abs_ras", "disp_ras"])
def test_every_format_of_surfa(form, make_registration, tmp_path):
    surfa = pytest.importorskip("surfa")
    registration = make_registration(CASES["oblique and flipped"])
    save_transform(registration, tmp_path / "ours.mgz", "freesurfer")
    programs.surfa_loaded(tmp_path / "ours.mgz").convert(form).save(str(tmp_path / "theirs.mgz"))
    assert surfa.transform.warp.Warp.Format.disp_ras == 3
    chain = load_transform(tmp_path / "theirs.mgz")
    points = some_points(registration.fixed)
    np.testing.assert_allclose(chain(points), registration.fixed_to_moving(points), atol=1e-3)
    np.testing.assert_allclose(chain.moving.affine, registration.moving.affine, atol=1e-4)
    assert chain.registration().moved.shape == registration.fixed.shape


@pytest.mark.parametrize("space", ["vox", "world"])
def test_surfa_lta(space, make_registration, tmp_path):
    surfa = pytest.importorskip("surfa")
    registration = make_registration(CASES["oblique and flipped"], field=False)
    for role in ("fixed", "moving"):
        save(getattr(registration, role), tmp_path / f"{role}.nii")
    grids = {r: surfa.load_volume(str(tmp_path / f"{r}.nii")).geom for r in ("fixed", "moving")}
    affine = surfa.Affine(np.linalg.inv(registration.affine), source=grids["moving"],
                          target=grids["fixed"], space="world")  # fmt: skip
    affine.convert(space=space).save(str(tmp_path / "theirs.lta"))
    chain = load_transform(tmp_path / "theirs.lta")
    points = some_points(registration.fixed)
    np.testing.assert_allclose(chain(points), registration.fixed_to_moving(points), atol=1e-3)
    assert chain.grid.shape == registration.fixed.shape


def test_absolute_warps_of_fsl(make_registration, tmp_path):
    nonlinear = pytest.importorskip("fsl.transform.nonlinear")
    from fsl.data.image import Image
    from fsl.transform.fnirt import readFnirt

    registration = make_registration(CASES["oblique"])
    for role in ("fixed", "moving"):
        save(getattr(registration, role), tmp_path / f"{role}.nii")
    save_transform(registration, tmp_path / "warp.nii", "fsl")
    images = [Image(str(tmp_path / f"{role}.nii")) for role in ("moving", "fixed")]
    field = readFnirt(str(tmp_path / "warp.nii"), *images)
    absolute = nonlinear.convertDeformationType(field, "absolute")
    Image(absolute, header=field.header).save(str(tmp_path / "absolute.nii"))
    chain = load_transform(tmp_path / "absolute.nii", "fsl", moving=registration.moving)
    points = some_points(registration.fixed)
    np.testing.assert_allclose(chain(points), registration.fixed_to_moving(points), atol=1e-3)


def test_a_chain_of_nitransforms(make_registration, tmp_path):
    manip = pytest.importorskip("nitransforms.manip")
    from nitransforms.linear import Affine

    registration = make_registration(CASES["oblique"])
    save(registration.fixed, tmp_path / "fixed.nii")
    first = Affine(registration.affine, reference=str(tmp_path / "fixed.nii"))
    second = Affine(np.diag([1.1, 0.9, 1, 1]), reference=str(tmp_path / "fixed.nii"))
    whole = manip.TransformChain([first, second])
    whole.to_filename(str(tmp_path / "chain.x5"), fmt="X5")
    points = some_points(registration.fixed)
    found = load_transform(tmp_path / "chain.x5")(points)
    np.testing.assert_allclose(found, whole.map(points), atol=1e-4)


@pytest.mark.parametrize("name", ["fsl", "afni"])
def test_why_nitransforms_is_no_oracle_for_oblique_warps(name, make_registration, tmp_path):
    """It turns neither by the axes of the image (FSL) nor upright (AFNI): right only if straight.

    nitransforms 25.1, io/fsl.py and io/afni.py (DisplacementsField.from_image).  When this test
    fails they have mended it, and the reader may become an oracle.
    """
    pytest.importorskip("nitransforms")
    reader = {"fsl": programs.nitransforms_fsl, "afni": programs.nitransforms_afni}[name]
    errors = {}
    for case in ("same grid", "oblique"):
        registration = make_registration(CASES[case])
        path = tmp_path / f"{case}.nii.gz"
        save_transform(registration, path, name)
        for role in ("fixed", "moving"):
            save(getattr(registration, role), tmp_path / f"{role}.nii")
        theirs = reader(path, tmp_path / "moving.nii", tmp_path / "fixed.nii")
        ours = registration.moved.data
        errors[case] = np.abs(theirs - ours)[ours != 0].mean() / np.ptp(registration.moving.data)
    assert errors["same grid"] < 1e-4
    assert errors["oblique"] > 0.05


def test_images_that_must_be_named(make_registration, tmp_path):
    registration = make_registration(CASES["oblique"])
    for name, role in (("fsl", "moving"), ("flirt", "fixed"), ("learn2reg", "moving")):
        path = path_of(name, tmp_path)
        save_transform(registration, path, name)
        with pytest.raises(InputError, match=f"--{role}"):
            load_transform(path)
    save_transform(registration, tmp_path / "a.tfm", "itk-affine")
    with pytest.raises(InputError, match="--fixed"):
        load_transform(tmp_path / "a.tfm").registration(registration.moving)
    flat = make_registration(CASES["2-D"])
    with pytest.raises(InputError, match="2-D"):
        load_transform(tmp_path / "a.tfm").registration(flat.moving, flat.fixed)


def test_sentences(make_registration, tmp_path):
    registration = make_registration(CASES["oblique"])
    with pytest.raises(InputError, match=r"\.lta"):
        save_transform(registration, tmp_path / "a.nii", "lta")
    with pytest.raises(InputError, match="choose one of itk, itk-composite"):
        save_transform(registration, tmp_path / "a.nii", "ants")
    unknown = make_registration(CASES["oblique"], oriented=False)
    with pytest.raises(InputError, match="where left is"):
        save_transform(unknown, tmp_path / "a.lta", "lta")
    sheared = np.eye(4)
    sheared[0, 2] = 0.3
    image = Volume(np.zeros((5, 6, 7), np.float32), sheared)
    turned = type(registration)(image, image, np.eye(4), registration.field)
    for name in ("itk-composite", "freesurfer", "lta"):
        with pytest.raises(InputError, match="right angles"):
            save_transform(turned, path_of(name, tmp_path), name)
    with pytest.raises(FileFormatError, match="no transform"):
        load_transform(tmp_path / "none.h5")
    (tmp_path / "a.doc").write_text("hello")
    with pytest.raises(FileFormatError, match="known kind"):
        load_transform(tmp_path / "a.doc")
    assert [p.name for p in tmp_path.iterdir()] == ["a.doc"]
    save_transform(registration, tmp_path / "coef.nii", "fsl")
    raw = bytearray((tmp_path / "coef.nii").read_bytes())
    raw[68:70] = (2007).to_bytes(2, "little")
    (tmp_path / "coef.nii").write_bytes(raw)
    with pytest.raises(InputError, match="fnirtfileutils"):
        load_transform(tmp_path / "coef.nii", moving=registration.moving)


@pytest.mark.parametrize("name", ["itk-composite", "x5"])
def test_numbers_that_are_elsewhere_or_far_too_many(name, make_registration, tmp_path):
    """Links are not followed, and a small file that promises much is told before it is unpacked."""
    import h5py

    registration = make_registration(CASES["anisotropic"])
    path = path_of(name, tmp_path)
    number = "1" if name == "itk-composite" else "0"
    (key,) = {"itk-composite": ["TransformParameters"], "x5": ["Transform"]}[name]
    for link in (h5py.ExternalLink("other.h5", "/secret"), h5py.SoftLink("/elsewhere")):
        save_transform(registration, path, name)
        with h5py.File(path, "r+") as file:
            del file[f"TransformGroup/{number}/{key}"]
            file[f"TransformGroup/{number}/{key}"] = link
        with pytest.raises(FileFormatError, match="link"):
            load_transform(path)
    with h5py.File(path, "r+") as file:
        del file[f"TransformGroup/{number}/{key}"]
        file.create_dataset(f"TransformGroup/{number}/{key}", (10**13,), "f8", chunks=(1000,))
    assert path.stat().st_size < 10**6
    with pytest.raises(NotEnoughMemoryError, match="GB"):
        load_transform(path)


@pytest.mark.parametrize("name", FORMATS)
def test_damaged_files_are_told_in_a_sentence(name, make_registration, tmp_path):
    """Cut short, or with wrong bytes anywhere: read, or refused in words."""
    registration = make_registration(CASES["anisotropic"])
    path = path_of(name, tmp_path)
    save_transform(registration, path, name)
    whole = path.read_bytes()
    rng = np.random.default_rng(0)
    broken = [whole[: len(whole) * n // 8] for n in range(8)]
    for _ in range(24):
        raw = bytearray(whole)
        for at in rng.integers(0, min(len(raw), 2000), 3):
            raw[at] = rng.integers(256)
        broken.append(bytes(raw))
    refused = 0
    for raw in broken:
        path.write_bytes(raw)
        try:
            load_transform(path, name, registration.fixed, registration.moving)
        except VoxelMorphError as error:
            refused += 1
            assert "Traceback" not in str(error)
    assert refused >= 5
