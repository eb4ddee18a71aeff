"""``napari-voxelmorph demo``: the main job on a pair that is made on the spot."""

from __future__ import annotations

import argparse
import os
import sys
from dataclasses import replace
from pathlib import Path

from napari_voxelmorph.cli.register import run_and_write
from napari_voxelmorph.cli.results import Pair, prepare_folder
from napari_voxelmorph.engine import files
from napari_voxelmorph.engine.config import DEFAULT, PRESETS
from napari_voxelmorph.engine.files.landmarks import save_landmarks
from napari_voxelmorph.engine.shelf import shelf
from napari_voxelmorph.engine.synthesis.phantom import PhantomPair, make_pair

#: It comes with the package: the optimiser then starts from its field.
MODEL = "brain-3d"


def demo(arguments: argparse.Namespace) -> None:
    """Run the command."""
    folder = prepare_folder(arguments.out)
    ndim = 2 if arguments.two_d else 3
    different = arguments.contrast == "different"
    if not arguments.quiet:
        print(f"Making two {ndim}-D brain scans…", file=sys.stderr)
    phantom = make_pair(ndim, contrasts=("T2", "T1") if different else ("T1", "T1"))
    config = PRESETS["Different contrast"][0] if different else DEFAULT
    if ndim == 3 and any(entry.name == MODEL and entry.card is not None for entry in shelf()):
        config = replace(config, model=MODEL)
    _write_inputs(phantom, prepare_folder(str(folder / "inputs")))
    pair = Pair(
        phantom.fixed,
        phantom.moving,
        fixed_labels=phantom.fixed_labels,
        moving_labels=phantom.moving_labels,
        fixed_landmarks=phantom.fixed_landmarks,
        moving_landmarks=phantom.moving_landmarks,
        landmark_names=phantom.landmark_names,
    )
    run_and_write(pair, config, folder, threads=arguments.threads, quiet=arguments.quiet)
    if arguments.no_window:
        return
    if has_display():
        show(folder / "session")
    elif not arguments.quiet:
        print("There is no display here, so napari stays closed; look at the picture instead.")


def _write_inputs(phantom: PhantomPair, folder: Path) -> None:
    """The pair as files, to play with `register` and `apply`."""
    for name in ("fixed", "moving", "fixed_labels", "moving_labels"):
        files.save(getattr(phantom, name), folder / f"{name}.nii.gz")
    for name in ("fixed_landmarks", "moving_landmarks"):
        save_landmarks(getattr(phantom, name), folder / f"{name}.csv", phantom.landmark_names)


def has_display() -> bool:
    """Whether a window can be opened."""
    if sys.platform in ("darwin", "win32"):
        return True
    if os.environ.get("QT_QPA_PLATFORM") in ("offscreen", "minimal"):
        return False
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def show(session: Path) -> None:
    """Open napari with the saved result, its dock and the λ strip, until the window is closed.

    It goes through napari's own plugin mechanism: the command line knows no window code.
    """
    import napari

    viewer = napari.Viewer(title="napari-voxelmorph")
    viewer.window.resize(1500, 950)
    viewer.open(str(session), plugin="napari-voxelmorph")
    viewer.window.add_plugin_dock_widget("napari-voxelmorph", "Register")
    viewer.window.add_plugin_dock_widget("napari-voxelmorph", "Tune λ")
    napari.run()
