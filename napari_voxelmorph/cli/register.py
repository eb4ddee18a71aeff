"""``napari-voxelmorph register``: read a pair, run, write."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

from napari_voxelmorph.cli import more_results
from napari_voxelmorph.cli.config_options import config_from
from napari_voxelmorph.cli.given_files import read_image, read_volume, require_room
from napari_voxelmorph.cli.more_results import NO_MORE, MoreResults
from napari_voxelmorph.cli.progress import Progress, duration
from napari_voxelmorph.cli.results import Pair, output_folder, write_results
from napari_voxelmorph.engine.config import RegistrationConfig
from napari_voxelmorph.engine.errors import InputError
from napari_voxelmorph.engine.geometry.volume import Kind, Matrix, check_affine
from napari_voxelmorph.engine.registration import Registrar, Registration

#: A mask may hold fractions; of blocks of voxels those count in which any voxel does.
_COMPANIONS: tuple[tuple[str, Kind], ...] = (("mask", "image"), ("labels", "labels"))


def register(arguments: argparse.Namespace) -> None:
    """Run the command."""
    config, wanted = config_from(arguments), more_results.more_results(arguments)
    with output_folder(arguments.out) as folder:
        require_room(arguments, config)
        pair = read_pair(arguments)
        start = read_matrix(arguments.start_matrix, pair) if arguments.start_matrix else None
        more_results.check(wanted, pair.fixed, pair.moving, pair.moving_labels is not None)
        run_and_write(pair, config, folder, start, arguments.threads, arguments.quiet, wanted)


def run_and_write(
    pair: Pair,
    config: RegistrationConfig,
    folder: Path,
    start: Matrix | None = None,
    threads: int | None = None,
    quiet: bool = False,
    wanted: MoreResults = NO_MORE,
) -> Registration:
    """Register a pair with progress on stderr, write everything, print a summary."""
    from napari_voxelmorph.engine.pair_checks import check_same_grid, warnings_for

    use_threads(threads)
    for labels, image in ((pair.fixed_labels, pair.fixed), (pair.moving_labels, pair.moving)):
        if labels is not None:
            check_same_grid(labels, image, "segmentation")
    registrar = Registrar(config.device)
    registrar.set_pair(
        pair.moving, pair.fixed, moving_mask=pair.moving_mask, fixed_mask=pair.fixed_mask,
        moving_landmarks=pair.moving_landmarks, fixed_landmarks=pair.fixed_landmarks,
    )  # fmt: skip
    warnings = warnings_for(pair.moving, pair.fixed) + model_warnings(pair, config)
    with Progress(quiet) as progress:
        for warning in warnings:
            progress.note(f"Note: {warning}")
        if not quiet:
            progress.note(_plan(registrar, config))
        result = registrar.register(config, start, progress)
        progress.note("Writing the results…")
    summary = write_results(result, pair, folder, warnings, wanted)
    if not quiet:
        print(summary)
    return result


def model_warnings(pair: Pair, config: RegistrationConfig) -> list[str]:
    """What is to be known before the chosen model registers this pair."""
    if not config.model:
        return []
    from napari_voxelmorph.engine.loaded_model import card_of
    from napari_voxelmorph.engine.model_checks import check_fits, warnings_for_model

    card = card_of(config.model)
    check_fits(card, pair.fixed)
    return warnings_for_model(card, pair.moving, pair.fixed)


def use_threads(threads: int | None) -> None:
    """Use so many CPU threads in the engine and in torch; None: those of the preferences, or all."""
    from napari_voxelmorph.engine import parallel

    parallel.use_threads(threads or 0)


def read_pair(arguments: argparse.Namespace) -> Pair:
    """Everything of the pair that the options name."""
    from napari_voxelmorph.engine.files.landmarks import load_landmarks

    given = vars(arguments)
    parts: dict[str, object] = {}
    for role in ("fixed", "moving"):
        image = read_image(arguments, role)
        parts[role] = image
        for what, kind in _COMPANIONS:
            path = given[f"{role}_{what}"]
            found = read_volume(path, kind, arguments.voxel_size) if path else None
            parts[f"{role}_{what}"] = found
        path = given[f"{role}_landmarks"]
        if path:
            # The moving ones, read last, are those that are written again.
            parts[f"{role}_landmarks"], parts["landmark_names"] = load_landmarks(path, image.ndim)
    pair = Pair(**parts)  # type: ignore[arg-type]
    _check_companions(pair)
    return pair


def read_matrix(path: str, pair: Pair) -> Matrix:
    """Fixed world to moving world: an ITK affine, or rows of numbers as `numpy.savetxt` writes."""
    from napari_voxelmorph.engine import files

    if not Path(path).is_file():
        raise InputError(f"The start matrix: there is no file “{path}”.")
    raw = Path(path).read_bytes()
    if path.lower().endswith((".mat", ".tfm")) or raw.startswith(b"#Insight"):
        return files.load_affine(path, pair.fixed, pair.moving)
    try:
        rows = raw.decode().replace(",", " ").splitlines()
        matrix = np.array([[float(n) for n in row.split()] for row in rows if row.strip()])
    except ValueError as error:
        raise InputError(f"“{path}” is not a matrix: rows of numbers are expected.") from error
    wanted = pair.fixed.ndim + 1
    if matrix.shape == (wanted, wanted) and not abs(np.linalg.det(matrix)) > 0:
        raise InputError(
            f"The start matrix “{Path(path).name}” flattens space: it has no inverse. Give a matrix "
            "from fixed world to moving world (mm) that turns, shifts and scales."
        )
    check_affine(matrix, pair.fixed.ndim, Path(path).name)
    return matrix


def _check_companions(pair: Pair) -> None:
    for what in ("labels", "landmarks"):
        given = [r for r in ("fixed", "moving") if getattr(pair, f"{r}_{what}") is not None]
        if len(given) == 1 and not (what == "labels" and given == ["moving"]):
            other = "moving" if given == ["fixed"] else "fixed"
            print(
                f"Note: --{given[0]}-{what} without --{other}-{what}: nothing to compare with.",
                file=sys.stderr,
            )


def _plan(registrar: Registrar, config: RegistrationConfig) -> str:
    """What the run will take."""
    from napari_voxelmorph.engine.device import describe_device

    need = registrar.estimate(config)
    words = f"about {need.bytes / 1e9:.1f} GB and {duration(need.seconds)}"
    return f"Registering on {describe_device(registrar.device)}: {words}"
