"""Other programs, or their documented conventions in a few lines of numpy: the oracles.

Each takes the transform file, the image that is resampled and the image that gives the grid (both
as NIfTI files), and returns the resampled array.  Nothing here uses the code that wrote the file.
"""

from __future__ import annotations

import nibabel
import numpy as np
import SimpleITK as sitk
from nibabel.affines import apply_affine
from scipy.ndimage import map_coordinates


def read(path):
    image = nibabel.load(path)
    return np.asarray(image.dataobj), image.affine


def at_world(points, source):
    """Linear sampling at RAS points; 0 where the voxels end (half a voxel beyond the last)."""
    data, affine = read(source)
    voxels = apply_affine(np.linalg.inv(affine), points)
    inside = ((voxels > -0.5) & (voxels < np.array(data.shape) - 0.5)).all(axis=-1)
    found = map_coordinates(data, np.moveaxis(voxels, -1, 0), order=1, mode="nearest")
    return np.where(inside, found, 0)


def grid_points(grid):
    """World position (RAS) of every voxel, (X, Y, Z, 3)."""
    data, affine = read(grid)
    return apply_affine(affine, np.moveaxis(np.indices(data.shape), 0, -1))


def simpleitk(path, source, grid):
    if ".nii" in path.name:
        transform = sitk.DisplacementFieldTransform(
            sitk.ReadImage(str(path), sitk.sitkVectorFloat64)
        )
    else:
        transform = sitk.ReadTransform(str(path))
    image, reference = sitk.ReadImage(str(source), sitk.sitkFloat32), sitk.ReadImage(str(grid))
    return sitk.GetArrayFromImage(
        sitk.Resample(image, reference, transform, sitk.sitkLinear, 0.0)
    ).T


def nitransforms_itk(path, source, grid):
    from nitransforms.nonlinear import DenseFieldTransform

    return _mapped(DenseFieldTransform.from_filename(path, fmt="itk"), source, grid)


def nitransforms_composite(path, source, grid):
    from nitransforms.manip import TransformChain

    return _mapped(TransformChain.from_filename(path, fmt="itk"), source, grid)


def nitransforms_afni(path, source, grid):
    from nitransforms.nonlinear import DenseFieldTransform

    return _mapped(DenseFieldTransform.from_filename(path, fmt="afni"), source, grid)


def nitransforms_fsl(path, source, grid):
    from nitransforms.nonlinear import DenseFieldTransform

    return _mapped(DenseFieldTransform.from_filename(path, fmt="fsl"), source, grid)


def nitransforms_x5(path, source, grid):
    from nitransforms.io.x5 import from_filename
    from nitransforms.linear import from_x5 as linear
    from nitransforms.nonlinear import from_x5 as dense

    nodes = from_filename(path)
    return _mapped((linear if nodes[0].type == "linear" else dense)(nodes), source, grid)


def nitransforms_linear(kind):
    def resample(path, source, grid):
        from nitransforms.linear import Affine

        transform = Affine.from_filename(path, fmt=kind, reference=str(grid), moving=str(source))
        return _mapped(transform, source, grid)

    return resample


def _mapped(transform, source, grid):
    points = grid_points(grid)
    there = transform.map(points.reshape(-1, 3))
    return at_world(np.asarray(there).reshape(points.shape), source)


def fslpy_warp(path, source, grid):
    """The FSL team's own reader, with the coordinates of both images."""
    from fsl.data.image import Image
    from fsl.transform.fnirt import readFnirt
    from fsl.transform.nonlinear import convertDeformationSpace

    moving, fixed = Image(str(source)), Image(str(grid))
    field = readFnirt(str(path), moving, fixed)
    field = convertDeformationSpace(field, "world", "world")
    points = grid_points(grid)
    there = field.transform(points.reshape(-1, 3))
    return at_world(np.asarray(there).reshape(points.shape), source)


def fslpy_flirt(path, source, grid):
    from fsl.data.image import Image
    from fsl.transform.flirt import fromFlirt, readFlirt

    to_fixed = fromFlirt(
        readFlirt(str(path)), Image(str(source)), Image(str(grid)), "world", "world"
    )
    return at_world(apply_affine(np.linalg.inv(to_fixed), grid_points(grid)), source)


def numpy_fsl(path, source, grid):
    """FSL's coordinates written out: mm from the corner, x mirrored in neurological images."""

    def place(name):
        image = nibabel.load(name)
        size = image.header.get_zooms()[:3]
        return image, np.array(size), np.linalg.det(image.affine[:3, :3]) > 0

    moving, moving_size, moving_mirrored = place(source)
    fixed, fixed_size, fixed_mirrored = place(grid)
    voxels = np.moveaxis(np.indices(fixed.shape), 0, -1).astype(float)
    if fixed_mirrored:
        voxels[..., 0] = fixed.shape[0] - 1 - voxels[..., 0]
    there = (voxels * fixed_size + read(path)[0]) / moving_size
    if moving_mirrored:
        there[..., 0] = moving.shape[0] - 1 - there[..., 0]
    return at_world(apply_affine(moving.affine, there), source)


def surfa_loaded(path):
    """surfa 0.6.3 reads MGH with np.fromstring, whose binary mode numpy 2.3 took away."""
    from unittest.mock import patch

    import surfa

    def fromstring(raw, dtype):
        return np.frombuffer(raw, dtype).copy()

    with patch.object(np, "fromstring", fromstring):
        return surfa.load_warp(str(path))


def surfa_warp(path, source, grid):
    import surfa

    warp = surfa_loaded(path)
    image = surfa.load_volume(str(source))
    np.testing.assert_allclose(warp.source.vox2world.matrix, image.geom.vox2world.matrix, atol=1e-3)
    return warp.transform(image).data


def surfa_lta(path, source, grid):
    import surfa

    affine = surfa.load_affine(str(path)).convert(space="world")
    to_moving = np.linalg.inv(affine.matrix)
    return at_world(apply_affine(to_moving, grid_points(grid)), source)


def _upright(path):
    """AFNI's ``ijk_to_dicom`` in LPS: nearest axes, true origin (thd_niftiread.c)."""
    data, affine = read(path)
    lps = np.diag([-1, -1, 1, 1]) @ affine
    upright = np.eye(4)
    upright[:3, :3] = 0
    upright[:3, 3] = lps[:3, 3]
    left = {0, 1, 2}
    sizes = np.linalg.norm(lps[:3, :3], axis=0)
    shares = lps[:3, :3] / sizes
    for axis in np.argsort(-np.abs(shares).max(axis=0)):
        world = max(left, key=lambda w, axis=axis: abs(shares[w, axis]))
        left.remove(world)
        upright[world, axis] = np.sign(shares[world, axis]) * sizes[axis]
    return data, upright


def numpy_afni(path, source, grid):
    """3dNwarpApply: source(x + d(x)) with both images put upright."""
    (fixed, here), (_, there) = _upright(grid), _upright(source)
    points = apply_affine(here, np.moveaxis(np.indices(fixed.shape), 0, -1))
    points = points + read(path)[0][:, :, :, 0]
    voxels = apply_affine(np.linalg.inv(there), points)
    return at_world(apply_affine(read(source)[1], voxels), source)


def numpy_afni_matrix(path, source, grid):
    """3dAllineate -1Dmatrix_apply: base coordinates to source coordinates, both upright."""
    (fixed, here), (_, there) = _upright(grid), _upright(source)
    matrix = np.vstack([np.loadtxt(path).reshape(3, 4), [0, 0, 0, 1]])
    voxels = np.moveaxis(np.indices(fixed.shape), 0, -1)
    return at_world(
        apply_affine(read(source)[1] @ np.linalg.inv(there) @ matrix @ here, voxels), source
    )


def numpy_spm(path, source, grid):
    """spm_diffeo('bsplins', volume, inv(M_source)(y)): y holds world positions in mm."""
    positions, _ = read(path)
    assert positions.shape[3:] == (1, 3)
    return at_world(positions[:, :, :, 0], source)


def learn2reg(path, source, grid):
    """The challenge's evaluation: map_coordinates(moving, identity + displacement)."""
    displacement = np.moveaxis(read(path)[0], -1, 0)
    voxels = np.indices(displacement.shape[1:]) + displacement
    return at_world(apply_affine(read(source)[1], np.moveaxis(voxels, 0, -1)), source)
