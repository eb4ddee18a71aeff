"""The formats of transforms: names, suffixes, who reads them, and what they can hold."""

from __future__ import annotations

from dataclasses import dataclass

from napari_voxelmorph.engine.errors import InputError
from napari_voxelmorph.engine.files.frames import sheared
from napari_voxelmorph.engine.geometry.volume import Volume

NIFTI = (".nii.gz", ".nii")
#: Largest cosine between two voxel axes that still counts as a right angle.
_MOST_SHEAR = 1e-4


@dataclass(frozen=True)
class Format:
    """One format.

    Parameters
    ----------
    title, help : str
        For people; a name, and a line on who reads it.
    suffixes : tuple of str
        The first is the usual one.
    module : str
        In this package.
    part : str
        The functions are ``write`` + part and ``read`` + part.
    affine_only : bool
        Whether it holds the affine stage alone.
    flat : bool
        Whether it can hold the map of 2-D images.
    patient : bool
        Whether its coordinates are the patient's, so that left must be known.
    straight : 0, 1 or 2
        How many of grid and other image must have voxel axes at right angles.
    """

    name: str
    title: str
    suffixes: tuple[str, ...]
    help: str
    module: str
    part: str = ""
    affine_only: bool = False
    flat: bool = False
    patient: bool = True
    straight: int = 0


FORMATS: dict[str, Format] = {
    f.name: f
    for f in (
        Format("itk", "ITK displacement field", NIFTI,
               "ANTs, Slicer, elastix, SimpleITK; the whole map", "itk", "_field",
               flat=True, patient=False, straight=1),
        Format("itk-composite", "ITK composite", (".h5", ".hdf5"),
               "ANTs, Slicer, SimpleITK; affine and deformation in one file", "itk_composite",
               flat=True, patient=False, straight=1),
        Format("itk-affine", "ITK affine", (".tfm", ".txt", ".mat"),
               "ANTs, Slicer, SimpleITK, ITK-SNAP; the affine stage only", "itk", "_matrix",
               affine_only=True, flat=True, patient=False),
        Format("fsl", "FSL warp", NIFTI, "applywarp, invwarp, convertwarp (--rel)", "fsl", "_warp",
               patient=False),
        Format("flirt", "FLIRT matrix", (".mat",), "flirt -applyxfm; the affine stage only",
               "fsl", "_matrix", affine_only=True, patient=False),
        Format("freesurfer", "FreeSurfer warp", (".mgz", ".mgh"),
               "surfa, mri_synthmorph", "freesurfer_warp", straight=2),
        Format("lta", "FreeSurfer LTA", (".lta",), "FreeSurfer, surfa; the affine stage only",
               "lta", affine_only=True, straight=2),
        Format("afni", "AFNI warp", NIFTI, "3dNwarpApply", "afni", "_warp"),
        Format("afni-affine", "AFNI matrix", (".aff12.1D", ".1D"),
               "3dAllineate -1Dmatrix_apply; the affine stage only", "afni", "_matrix",
               affine_only=True),
        Format("spm", "SPM deformation", (".nii", ".nii.gz"), "SPM, Deformations toolbox (y_*.nii)",
               "spm"),
        Format("x5", "BIDS X5", (".x5",), "nitransforms (draft of the standard)", "x5"),
        Format("learn2reg", "Learn2Reg displacement", NIFTI,
               "the challenge's evaluation; voxels, disp_FIXED_MOVING.nii.gz", "learn2reg",
               patient=False),
    )
}  # fmt: skip


def check_format(name: str, grid: Volume, other: Volume) -> None:
    """Raise `InputError` when a format cannot hold a map from `grid` to `other`."""
    known = format_of(name)
    if grid.ndim != 3 and not known.flat:
        raise InputError(
            f"{known.title} is for 3-D images, and these are 2-D. Choose the ITK displacement field "
            "or the ITK composite, or save a session."
        )
    for volume in (grid, other):
        if known.patient and not volume.oriented:
            raise InputError(
                f"{known.title} is in patient coordinates, and “{volume.name}” does not say where "
                "left is. Save a session instead, or give the image an orientation first."
            )
    for volume in (grid, other)[: known.straight]:
        if sheared(volume.affine) > _MOST_SHEAR:
            raise InputError(
                f"The voxel axes of “{volume.name}” are not at right angles, and {known.title} cannot "
                "describe that. Save a session instead, or resample it to a straight grid first."
            )


def format_of(name: str) -> Format:
    """The format of that name; `InputError` when there is none."""
    if name not in FORMATS:
        raise InputError(f"There is no format “{name}”; choose one of {', '.join(FORMATS)}.")
    return FORMATS[name]
