"""ITK, ANTs, Slicer, elastix: displacement fields (NIfTI) and affine matrices, through `Chain`."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np

from napari_voxelmorph.engine.files import displacement, frames, itk_affine
from napari_voxelmorph.engine.files.reading import first_bytes
from napari_voxelmorph.engine.files.transforms import itk_composite
from napari_voxelmorph.engine.files.transforms.chain import Chain, Shift
from napari_voxelmorph.engine.files.transforms.one_way import one_way
from napari_voxelmorph.engine.geometry.volume import Volume
from napari_voxelmorph.engine.result import Registration

#: Kinds that are matrices under another name (a displacement field in a text is refused).
_LINEAR = {
    "AffineTransform", "MatrixOffsetTransformBase", "Euler2DTransform", "Euler3DTransform",
    "Rigid2DTransform", "VersorRigid3DTransform", "VersorTransform", "Similarity2DTransform",
    "Similarity3DTransform", "ScaleVersor3DTransform", "ScaleSkewVersor3DTransform",
    "TranslationTransform", "IdentityTransform", "ScaleTransform", "CompositeTransform",
}  # fmt: skip

write_field = displacement.save_displacement


def read_field(path: Path, fixed: Volume | None, moving: Volume | None) -> Chain:
    """A displacement field; pictures count their axes as ITK does (see `frames`)."""
    found = displacement.load_displacement(path)
    to_itk = frames.world_to_itk(found.grid)
    grid = replace(found.grid, affine=frames.itk_affine(found.grid))
    from_itk = np.asarray(np.linalg.inv(frames.world_to_itk(moving or found.grid)), np.float64)
    return Chain([to_itk, Shift(found.vectors, grid), from_itk], path.name, fixed=found.grid)


def write_matrix(registration: Registration, path: Path, inverse: bool = False) -> None:
    """The affine stage as .tfm, .txt or .mat."""
    way = one_way(registration, inverse)
    itk_affine.save_affine(Registration(way.grid, way.other, way.affine), path)


def read_matrix(path: Path, fixed: Volume | None, moving: Volume | None) -> Chain:
    """An affine matrix, or any other linear transform in ITK's text; the grids are not in it."""
    kinds = _kinds_in_text(path)
    if kinds and "AffineTransform" not in kinds and kinds <= _LINEAR:
        return itk_composite.read(path, fixed, moving)
    return Chain([itk_affine.load_affine(path, fixed, moving)], path.name)


def _kinds_in_text(path: Path) -> set[str]:
    """Names of the transforms in a text file, without types and dimensions."""
    return set(
        re.findall(r"^Transform: (\w+?)_", first_bytes(path, 10_000).decode("latin-1"), re.M)
    )
