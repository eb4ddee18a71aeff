"""The numbers that every method is judged by; the same code for all of them.

A transform is given as ``matrix`` (fixed voxel to moving voxel) and ``displacement`` ``u``
(D, *S) in fixed voxels: fixed voxel x lies at moving voxel ``matrix (x + u(x))``.

``python scores.py`` checks the folding measures against the `digital-diffeomorphism` package
(run it with the Python of the peers' environment).
"""

from __future__ import annotations

from itertools import product

import numpy as np
from scipy.ndimage import map_coordinates


def moving_voxels(
    shape: tuple[int, ...], matrix: np.ndarray, displacement: np.ndarray | None
) -> np.ndarray:
    """Where each fixed voxel lies in the moving array, (D, *shape) float32."""
    n = len(shape)
    grid = np.stack(np.meshgrid(*(np.arange(s, dtype=np.float32) for s in shape), indexing="ij"))
    if displacement is not None:
        grid += displacement
    out = np.tensordot(matrix[:n, :n].astype(np.float64), grid, axes=1)
    out += matrix[:n, n].reshape((n,) + (1,) * n)
    return out


def _pick(labels: np.ndarray, index: list[np.ndarray]) -> np.ndarray:
    """Labels at integer positions, 0 outside."""
    inside = np.ones(index[0].shape, bool)
    flat = np.zeros(index[0].shape, np.int64)
    for axis, size in enumerate(labels.shape):
        inside &= (index[axis] >= 0) & (index[axis] < size)
        flat = flat * size + np.clip(index[axis], 0, size - 1)
    return np.where(inside, labels.reshape(-1)[flat], 0)


def warp_nearest(labels: np.ndarray, where: np.ndarray) -> np.ndarray:
    """Labels at the nearest voxel."""
    return _pick(labels, [np.floor(c + 0.5).astype(np.int64) for c in where])


def warp_linear(labels: np.ndarray, where: np.ndarray) -> np.ndarray:
    """Linear interpolation of every label's mask, the largest share wins (slab by slab)."""
    out = np.empty(where.shape[1:], labels.dtype)
    for slab in range(where.shape[1]):
        out[slab] = _linear_slab(labels, where[:, slab])
    return out


def _linear_slab(labels: np.ndarray, where: np.ndarray) -> np.ndarray:
    low = np.floor(where).astype(np.int64)
    part = where - low
    found, weights = [], []
    for corner in product((0, 1), repeat=len(where)):
        found.append(_pick(labels, [low[a] + c for a, c in enumerate(corner)]))
        weights.append(np.prod([part[a] if c else 1 - part[a] for a, c in enumerate(corner)], 0))
    best, winner = np.zeros(where.shape[1:]), np.zeros(where.shape[1:], labels.dtype)
    for label in found:
        share = sum(w * (other == label) for w, other in zip(weights, found, strict=True))
        wins = share > best
        best, winner = np.where(wins, share, best), np.where(wins, label, winner)
    return winner


def warp_image(image: np.ndarray, where: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Linear interpolation, and where the image has voxels (bool)."""
    valid = np.ones(where.shape[1:], bool)
    for axis, size in enumerate(image.shape):
        valid &= (where[axis] >= -0.5) & (where[axis] < size - 0.5)
    return map_coordinates(image, where, order=1, mode="nearest") * valid, valid


def dice(fixed: np.ndarray, moved: np.ndarray, ids: list[int]) -> dict[int, float]:
    """Dice of each id; an id that the warp lost counts 0."""
    size = int(max(fixed.max(), moved.max(), *ids)) + 1
    a, b = (np.bincount(x.reshape(-1), minlength=size) for x in (fixed, moved))
    both = np.bincount(fixed[fixed == moved].reshape(-1), minlength=size)
    return {i: float(2 * both[i] / (a[i] + b[i])) for i in ids}


def common_ids(fixed: np.ndarray, moving: np.ndarray) -> list[int]:
    """Ids (without 0) present in the fixed and in the original moving labels."""
    return [int(i) for i in np.intersect1d(np.unique(fixed), np.unique(moving)) if i > 0]


def dice_means(per_label: dict[int, float]) -> dict[str, float]:
    """Mean over all ids, and over those below 100."""
    low = [v for i, v in per_label.items() if i < 100]
    return {
        "all": float(np.mean(list(per_label.values()))),
        "below_100": float(np.mean(low)) if low else float("nan"),
    }


def _determinant(columns: list[np.ndarray]) -> np.ndarray:
    if len(columns) == 2:
        (a, b), (c, d) = columns
        return a * d - b * c
    x, y, z = columns
    return (
        x[0] * (y[1] * z[2] - y[2] * z[1])
        - x[1] * (y[0] * z[2] - y[2] * z[0])
        + x[2] * (y[0] * z[1] - y[1] * z[0])
    )


def folding(displacement: np.ndarray, mask: np.ndarray | None = None) -> dict[str, float]:
    """Folding, in per cent.

    ``central``: voxels of the whole grid whose determinant by central differences (one-sided
    at the border, `numpy.gradient`) is not positive.  ``ndp`` and ``ndv`` (Liu et al., IJCV
    2024, as in the `digital-diffeomorphism` package, edges padded) over the whole grid, and
    ``ndp_mask``, ``ndv_mask`` over the mask (only the mask's voxels are counted).  In 2-D the
    "volume" is the non-diffeomorphic area of that package.
    """
    u = np.asarray(displacement, np.float32)
    n = u.shape[0]
    columns = [np.stack(np.gradient(u, axis=a + 1, edge_order=1), 0) for a in range(n)]
    for axis in range(n):
        columns[axis][axis] += 1
    out = {"central": 100 * float((_determinant(columns) <= 0).mean())}
    del columns
    points, volume = _digital(u)
    out["ndp"], out["ndv"] = 100 * float(points.mean()), 100 * float(volume.mean())
    if mask is not None and mask.any():
        out["ndp_mask"] = 100 * float(points[mask].mean())
        out["ndv_mask"] = 100 * float(volume[mask].mean())
    return out


def _digital(u: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Non-diffeomorphic points (bool) and volume per voxel."""
    n = u.shape[0]
    padded = np.pad(u, [(0, 0)] + [(1, 1)] * n, mode="edge")

    def at(offset: tuple[int, ...]) -> np.ndarray:
        """Map at a neighbour: offset plus displacement."""
        window = tuple(slice(1 + o, 1 + o + s) for o, s in zip(offset, u.shape[1:], strict=True))
        steps = np.array(offset, np.float32).reshape((n,) + (1,) * n)
        return padded[(slice(None), *window)] + steps

    def unit(axes: dict[int, int]) -> tuple[int, ...]:
        return tuple(axes.get(a, 0) for a in range(n))

    here = at((0,) * n)
    forward = [at(unit({a: 1})) - here for a in range(n)]
    backward = [here - at(unit({a: -1})) for a in range(n)]
    points = _determinant([(f + b) / 2 for f, b in zip(forward, backward, strict=True)]) <= 0
    volume = np.zeros(u.shape[1:], np.float64)
    for signs in product((0, 1), repeat=n):
        columns = [(forward, backward)[s][a] for a, s in enumerate(signs)]
        volume -= np.minimum(_determinant(columns), 0)
    if n == 3:
        diagonals = ((0, 1), (0, 2), (1, 2))
        low = [at(unit({a: -1, b: -1})) - here for a, b in diagonals]
        high = [at(unit({a: 1, b: 1})) - here for a, b in diagonals]
        volume -= np.minimum(_determinant(low), 0)
        volume -= np.minimum(_determinant([high[0], high[2], high[1]]), 0)
    return points, volume / (12 if n == 3 else 4)


def landmark_error(
    fixed: np.ndarray,
    moving: np.ndarray,
    matrix: np.ndarray,
    displacement: np.ndarray | None,
    moving_spacing: np.ndarray,
) -> np.ndarray:
    """Distance (mm) of each fixed landmark, transformed, to its moving landmark; voxels in."""
    n = fixed.shape[1]
    x = fixed.copy()
    if displacement is not None:
        x += np.stack(
            [map_coordinates(c, fixed.T, order=1, mode="nearest") for c in displacement], 1
        )
    return np.linalg.norm((x @ matrix[:n, :n].T + matrix[:n, n] - moving) * moving_spacing, axis=1)


def truth_error(
    where: np.ndarray,
    truth: np.ndarray,
    aligned_to: np.ndarray,
    mask: np.ndarray,
    fixed_matrix: np.ndarray,
) -> dict[str, float]:
    """Distance (mm) between each voxel of the mask and where the known map sends it back to.

    `where` are moving voxels, `truth` maps them to voxels of the aligned image, whose voxel
    to world matrix is `aligned_to`.
    """
    n = len(where)
    points = where[:, mask]
    back = np.stack([map_coordinates(c, points, order=1, mode="nearest") for c in truth])
    world = aligned_to[:n, :n] @ back + aligned_to[:n, n:]
    own = fixed_matrix[:n, :n] @ np.array(np.nonzero(mask)) + fixed_matrix[:n, n:]
    error = np.linalg.norm(world - own, axis=0)
    return {"mean": float(error.mean()), "p95": float(np.percentile(error, 95))}


def normalised_mutual_information(
    fixed: np.ndarray, moved: np.ndarray, valid: np.ndarray, bins: int = 48
) -> float:
    """(H(f) + H(m)) / H(f, m) where both images have voxels; 1 means independent."""
    a, b = fixed[valid], moved[valid]
    ranges = [np.percentile(x, (0.5, 99.5)) for x in (a, b)]
    clipped = [np.clip(x, *r) for x, r in zip((a, b), ranges, strict=True)]
    joint = np.histogram2d(*clipped, bins=bins)[0]
    joint /= joint.sum()

    def entropy(p: np.ndarray) -> float:
        p = p[p > 0]
        return float(-(p * np.log(p)).sum())

    return (entropy(joint.sum(0)) + entropy(joint.sum(1))) / max(entropy(joint), 1e-12)


def _check() -> None:
    """Compare with the digital-diffeomorphism package on rough random fields."""
    from digital_diffeomorphism import core

    rng = np.random.default_rng(0)
    for shape in ((17, 20, 13), (25, 31)):
        u = rng.normal(scale=0.6, size=(len(shape), *shape)).astype(np.float32)
        mask = rng.random(shape) > 0.5
        reference = core.ndv if len(shape) == 3 else core.nda
        theirs = reference(np.moveaxis(u, 0, -1).copy(), mask, is_disp=True)
        ours = folding(u, mask)
        np.testing.assert_allclose(ours["ndv_mask"], theirs[1], rtol=1e-4)
        np.testing.assert_allclose(ours["ndp_mask"], theirs[4], rtol=1e-4)
        print(f"{shape}: NDV {ours['ndv_mask']:.4f} % and NDP {ours['ndp_mask']:.4f} % agree.")


if __name__ == "__main__":
    _check()
