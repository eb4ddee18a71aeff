"""Pairs for training from label maps: which maps, how deformed, how painted (SynthMorph).

Hoffmann et al., IEEE TMI 2022, and its affine and joint successors; here with brightness
tied to tissues in part of the draws, partial volume, slice profiles, and a difficulty that
rises from gentle deformations of one map to two people's anatomy.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from napari_voxelmorph.engine.synthesis import painting, painting_torch
from napari_voxelmorph.engine.synthesis.acquisition import random_acquisition
from napari_voxelmorph.engine.synthesis.anatomy_maps import LabelMaps
from napari_voxelmorph.engine.synthesis.contrast import (
    random_palette,
    similar_palette,
    stripped,
    tempered,
)
from napari_voxelmorph.engine.synthesis.noise import Array, coarse_shape, smooth_noise
from napari_voxelmorph.engine.synthesis.painting import TEXTURE_SPACING, Plan
from napari_voxelmorph.engine.synthesis.placement import (
    Matrix,
    Placement,
    Spread,
    between,
    flow,
    grid_to_map,
    random_affine,
    random_velocity,
)

#: Corners of a tetrahedron, in voxels: where brightness is sampled within a voxel.
_TETRAHEDRON = np.array([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]]) / 4


@dataclass(frozen=True)
class Recipe:
    """What pairs look like; lengths are in voxels of the grid.

    Parameters
    ----------
    together : Spread
        Placement shared by both images (where the head lies); its `velocity` is not used.
    apart : Spread
        What each image differs by, at full difficulty.
    gentlest : float
        Share of `apart` at difficulty 0.
    two_maps : float
        How likely two different maps are, at full difficulty; 0 where maps do not correspond.
    other_contrast : float
        How likely it is that the images differ in contrast, at full difficulty.
    tied : float
        How likely brightness follows tissues (see `random_palette`).
    black : float
        How likely the background is black.
    strip : float
        How likely an image is skull-stripped.
    blur, slices : float
        Largest blur and slice distance.
    mirror : tuple of bool
        Axes along which both images may be mirrored together.
    """

    together: Spread
    apart: Spread
    gentlest: float = 0.3
    two_maps: float = 0.0
    other_contrast: float = 0.75
    tied: float = 0.5
    black: float = 0.85
    strip: float = 0.0
    blur: float = 1.5
    slices: float = 3.0
    mirror: tuple[bool, ...] = (True, False, False)


#: Heads at 2 mm, axes left, down, front; halve the spacing, double the lengths (`Recipe.scaled`).
BRAIN_2MM = Recipe(
    together=Spread(rotation=15, shift=6, scale=0.12, shear=0.03, velocity=0),
    apart=Spread(rotation=6, shift=3, scale=0.08, shear=0.04, velocity=4.0),
    two_maps=0.6,
    strip=0.5,
    blur=0.9,
)
#: Shapes from noise on a grid of about 256 x 256.
SHAPES = Recipe(
    together=Spread(rotation=180, shift=64, scale=0.3, shear=0.1, velocity=0),
    apart=Spread(rotation=8, shift=8, scale=0.1, shear=0.05, velocity=9.0),
    tied=0.0,
    black=0.4,
    blur=2.0,
    slices=4.0,
    mirror=(True, True, True),
)


def scaled(recipe: Recipe, factor: float) -> Recipe:
    """The recipe for voxels `factor` times smaller."""

    def longer(spread: Spread) -> Spread:
        return replace(spread, shift=spread.shift * factor, velocity=spread.velocity * factor)

    return replace(
        recipe,
        together=longer(recipe.together),
        apart=longer(recipe.apart),
        blur=recipe.blur * factor,
        slices=max(1.0, recipe.slices * factor),
    )


@dataclass(frozen=True, eq=False)
class PairPlan:
    """Two images' plans, and where they lie.

    Parameters
    ----------
    moving, fixed : Plan
    names : (str, str)
        Of the maps.
    places : (Placement, Placement)
        Of the moving and the fixed image; related by a known displacement when both show
        the same map.
    """

    moving: Plan
    fixed: Plan
    names: tuple[str, str]
    places: tuple[Placement, Placement]


def plan_pair(
    maps: LabelMaps,
    shape: tuple[int, ...],
    spacing: float,
    recipe: Recipe,
    difficulty: float,
    rng: np.random.Generator,
) -> PairPlan:
    """Draw everything that is random about a pair.

    Parameters
    ----------
    maps : LabelMaps
    shape : tuple of int
        Voxels of the grid, 2 or 3 axes.
    spacing : float
        Of the grid, in the unit of ``maps.spacing``.
    recipe : Recipe
    difficulty : float
        0 to 1: size of the deformations, share of pairs of two people, badness of the scans.
    rng : numpy Generator
    """
    ndim, full = len(shape), grid_shape(shape)
    first = int(rng.integers(len(maps.data)))
    second = first
    if len(maps.data) > 1 and rng.random() < recipe.two_maps * difficulty:
        second = int((first + rng.integers(1, len(maps.data))) % len(maps.data))
    together = random_affine(ndim, recipe.together, rng) @ _mirror(recipe, ndim, rng)
    size = recipe.gentlest + (1 - recipe.gentlest) * difficulty
    palettes = _palettes(maps, recipe, size, rng)
    structure = maps.table.structure.copy()
    masks = [gone for _, gone in palettes]
    # A structure that one image does not show is no guide for the other.
    structure[masks[0] | masks[1]] = 0
    plans, places = [], []
    for index, (palette, _) in zip((first, second), palettes, strict=True):
        map_shape, ratio = maps.data[index].shape, spacing / maps.spacing
        place = _place(map_shape, full, ndim, ratio, together, recipe.apart.times(size), rng)
        texture = _texture(full, rng)
        scan = random_acquisition(full, size, recipe.blur, recipe.slices, rng)
        plans.append(
            Plan(
                maps.data[index],
                maps.wrap,
                place.matrix[:3].astype(np.float32),
                place.displacement,
                _within_voxel(place.matrix, ndim),
                palette,
                structure,
                texture,
                scan,
            )
        )
        places.append(place)
    names = (maps.names[first], maps.names[second])
    return PairPlan(plans[0], plans[1], names, (places[0], places[1]))


def known_displacement(plan: PairPlan, shape: tuple[int, ...]) -> Tensor | None:
    """(D, *S) float32, voxels, that pulls moving onto fixed; None for maps of two people."""
    if plan.names[0] != plan.names[1]:
        return None
    moving, fixed = plan.places
    found = between(fixed, moving, grid_shape(shape))
    return torch.from_numpy(found[-len(shape) :].reshape(len(shape), *shape))


def grid_shape(shape: tuple[int, ...]) -> tuple[int, ...]:
    """Three axes: 2-D is one slice thick."""
    return (1, *shape) if len(shape) == 2 else tuple(shape)


def draw_images(
    plan: Plan, shape: tuple[int, ...], device: torch.device | str = "cpu"
) -> tuple[Tensor, Tensor]:
    """Image (1, *S) float32 and structures (*S) int16 of a plan, on `device`."""
    full = grid_shape(shape)
    if torch.device(device).type == "cpu":
        image, structures = (torch.from_numpy(a) for a in painting.render(plan, full))
    else:
        image, structures = painting_torch.render(plan, full, device)
    return image.reshape(1, *shape), structures.reshape(shape)


def _mirror(recipe: Recipe, ndim: int, rng: np.random.Generator) -> Matrix:
    signs = np.ones(4)
    for axis, allowed in enumerate(recipe.mirror):
        if allowed and (ndim == 3 or axis) and rng.random() < 0.5:
            signs[axis] = -1
    return np.diag(signs)


def _palettes(
    maps: LabelMaps, recipe: Recipe, size: float, rng: np.random.Generator
) -> list[tuple[Array, NDArray[np.bool_]]]:
    """Palette of each image, and which numbers it shows as background for being stripped."""
    table = maps.table
    palette = random_palette(table, rng, recipe.tied, recipe.black)
    if rng.random() < recipe.other_contrast * size:
        other = random_palette(table, rng, recipe.tied, recipe.black)
    else:
        other = similar_palette(palette, table, rng)
    known = np.arange(256) < table.count
    known[0] = False
    strip = rng.random(2) < recipe.strip
    # Mostly both are stripped, or neither.
    strip[1] = strip[0] if rng.random() < 0.7 else strip[1]
    out = []
    for one, gone in zip((palette, other), strip, strict=True):
        if gone:
            one, black = stripped(one, table, fluid=bool(rng.random() < 0.5))
        else:
            black = np.zeros(256, np.bool_)
        out.append((tempered(one, known & ~black), black))
    return out


def _place(
    map_shape: tuple[int, ...],
    full: tuple[int, ...],
    ndim: int,
    ratio: float,
    together: Matrix,
    apart: Spread,
    rng: np.random.Generator,
) -> Placement:
    """Where one image lies; `ratio`: map voxels per grid voxel."""
    affine = together @ random_affine(ndim, apart, rng)
    matrix = grid_to_map(full, map_shape, ratio, affine)
    velocity = random_velocity(full, float(rng.uniform(0.25, 1)) * apart.velocity, rng)
    return Placement(matrix, velocity, flow(velocity))


def _within_voxel(matrix: Matrix, ndim: int) -> Array:
    """Places within a voxel, from its middle, in map voxels (4, 3)."""
    places = _TETRAHEDRON if ndim == 3 else _TETRAHEDRON * (0, 1, 1)
    return np.ascontiguousarray(places @ matrix[:3, :3].T, np.float32)


def _texture(full: tuple[int, ...], rng: np.random.Generator) -> Array:
    nodes = coarse_shape(full, TEXTURE_SPACING)
    return smooth_noise(nodes, float(rng.uniform(1.5, 6)), rng)
