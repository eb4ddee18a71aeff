"""What `--help` says of the commands that register and apply, with examples."""

from __future__ import annotations

TOP = """\
Align two medical images and see whether to believe it.

The moving image is deformed until it lies on the fixed image. No trained model is
needed, and one can be used; 2-D and 3-D, any grids and orientations, CPU or GPU. For
research use only.
"""

TOP_EXAMPLES = """\
examples:
  napari-voxelmorph demo                          see it work on a pair made on the spot
  napari-voxelmorph register fixed.nii.gz moving.nii.gz --out result
  napari-voxelmorph apply result moving_labels.nii.gz --labels

exit codes:
  0 done   1 unexpected error   2 usage or bad input   3 cannot write
  4 not enough memory   130 interrupted (Ctrl-C)
"""

REGISTER = """\
Register MOVING to FIXED and write everything that is worth having into a folder:

  moved.nii.gz          the moving image on the fixed grid, resampled once
  displacement.nii.gz   the transform for ITK, ANTs and Slicer (LPS mm, affine included)
  session/              all of it; opens again in napari, and `apply` reads it
  report.json           numbers, timings, settings, versions
  report.png            one page to judge the result by eye
"""

REGISTER_EXAMPLES = """\
examples:
  two T1 scans:
    napari-voxelmorph register fixed.nii.gz moving.nii.gz --out result
  T1 and T2, or MR and CT:
    napari-voxelmorph register t1.mgz t2.nii.gz --out result --preset different-contrast
  one person twice (rotation and shift only):
    napari-voxelmorph register first.nii.gz second.nii.gz --out result --preset rigid-only
  a first look, on four threads:
    napari-voxelmorph register fixed.nii.gz moving.nii.gz --out result \\
        --preset same-contrast-quick --threads 4
  by a trained model, refined for this pair (see `napari-voxelmorph models`):
    napari-voxelmorph register fixed.nii.gz moving.nii.gz --out result --model brain-t1
  with segmentations, to measure the overlap:
    napari-voxelmorph register fixed.nii.gz moving.nii.gz --out result \\
        --fixed-labels fixed_seg.nii.gz --moving-labels moving_seg.nii.gz

  the fifth volume of a 4-D file (they count from 0):
    napari-voxelmorph register t1.nii.gz bold.nii.gz@4 --out result
  for FSL and ANTs too, and as a DICOM series beside the fixed one:
    napari-voxelmorph register fixed_dicom/ moving_dicom/ --out result --dicom \\
        --transform-format fsl --transform-format itk-composite
  scans that are too large for the memory, on a grid of 0.5 mm:
    napari-voxelmorph register fixed.nii.gz moving.nii.gz --out result --voxel-size 0.5

files: NIfTI, MGZ, Analyze, NRRD, MHA/MHD, a DICOM folder, and 2-D PNG/TIFF/JPEG; of a file
with several volumes (time points, channels) one is chosen by FILE@N, masks and labels too.
"""

#: Names of the formats of transforms (engine/files/transforms/formats.py, which is slow to load).
FORMATS = (
    "NAME is one of itk, itk-composite, itk-affine, fsl, flirt, freesurfer, lta, afni, afni-affine, "
    "spm, x5, learn2reg"
)

APPLY = """\
Take images, 4-D series, segmentations, points or surfaces of the moving scan to the fixed
scan (or back, with --inverse) by a transform that was saved before, here or by another
program. Images are resampled once, from their original voxels.
"""

APPLY_EXAMPLES = """\
examples:
  another contrast of the moving scan:
    napari-voxelmorph apply result moving_flair.nii.gz
  one volume of a 4-D file (they count from 0):
    napari-voxelmorph apply result moving_bold.nii.gz@4
  its segmentation (ids stay exact):
    napari-voxelmorph apply result moving_seg.nii.gz --labels
  the fixed scan's segmentation, onto the moving scan:
    napari-voxelmorph apply result fixed_seg.nii.gz --labels --inverse
  landmarks (CSV with x,y,z in world RAS mm; .mrk.json; .fcsv; .pts) and surfaces:
    napari-voxelmorph apply result moving_points.csv lh.pial.surf.gii mesh.vtk
  all volumes of a 4-D series:
    napari-voxelmorph apply result moving_bold.nii.gz
  by a transform of ANTs, or of FSL, which does not say where its images lie:
    napari-voxelmorph apply composite.h5 moving.nii.gz
    napari-voxelmorph apply 1Warp.nii.gz --then 0GenericAffine.mat moving.nii.gz
    napari-voxelmorph apply warp.nii.gz lesions.csv --moving moving.nii.gz
  onto another grid than the fixed image's:
    napari-voxelmorph apply result moving.nii.gz --onto fixed_05mm.nii.gz
"""

DEMO = """\
Register the sample pair (two brain-like scans that the program makes itself, with known
truth), write the result as `register` does, and show it in napari. Without a display it
writes the picture and says where it is.
"""
