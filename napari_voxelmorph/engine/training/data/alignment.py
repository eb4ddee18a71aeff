"""Affine pre-alignment of one scan to the reference, kept on disk."""

from __future__ import annotations

from collections.abc import Generator

import numpy as np

from napari_voxelmorph.engine.geometry.volume import Matrix, Volume
from napari_voxelmorph.engine.optimization.affine import align
from napari_voxelmorph.engine.pair_checks import beginning
from napari_voxelmorph.engine.training.data.fingerprint import key_of
from napari_voxelmorph.engine.training.data.store import Store


def placing(
    image: Volume, key: str, reference: Volume, reference_key: str, affine: bool, store: Store
) -> Generator[None, None, Matrix]:
    """Reference world to the scan's world, mm; yields while it works.

    Without `affine`: as a registration without pre-alignment begins, by the headers, or centre
    on centre where those put the images apart.

    Parameters
    ----------
    key, reference_key : str
        Of the scans' files.
    """
    if not affine:
        return beginning(reference, image)
    name = key_of("affine", key, reference_key)
    kept = _matrix(store, name, image.ndim)
    if kept is not None:
        return kept
    search = align(reference, image)
    try:
        while True:
            try:
                next(search)
            except StopIteration as finished:
                matrix: Matrix = finished.value
                break
            yield
    finally:
        search.close()
    store.keep(name, {"matrix": matrix.tolist()})
    return matrix


def _matrix(store: Store, name: str, ndim: int) -> Matrix | None:
    values = store.values(name) or {}
    try:
        matrix = np.array(values["matrix"], np.float64)
    except (KeyError, ValueError, TypeError):
        return None
    good = matrix.shape == (ndim + 1, ndim + 1) and np.isfinite(matrix).all()
    return matrix if good else None
