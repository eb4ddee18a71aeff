"""Weights of the VoxelMorph papers: Keras files (.h5) of 2018, read into our networks.

Only the layer list (JSON) and the arrays are read.  These files may also hold Python code, for
Keras' own loader; it is never looked at.

Conventions of those files: the moving image comes first; kernels are (3, 3, 3, in, out); the
field's components are in array order, in voxels of its own grid; a half-resolution velocity
is integrated by seven squarings, sampled at x / 2 and doubled.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from napari_voxelmorph.engine.errors import FileFormatError, InputError
from napari_voxelmorph.engine.files.reading import DEFLATE_LIMIT
from napari_voxelmorph.engine.model_card import ModelCard
from napari_voxelmorph.engine.networks.architecture import Architecture
from napari_voxelmorph.engine.networks.network import RegistrationNetwork
from napari_voxelmorph.engine.networks.registry import build
from napari_voxelmorph.engine.networks.space import Space

#: The grid of the papers' scans; white matter at about 0.4 of the scale puts the 99th
#: percentile of the brain at 115 / 255.
PUBLISHED_SPACE = Space((160, 192, 224), 1.0, "LIA", percentile=99.0, value=115 / 255)
#: The middle of what twelve skull-stripped T1 brains of four sources show.
PUBLISHED_PROFILE = (0.61, 0.81, 0.91)

_HEADS = {"flow": "field", "log_sigma": "log_variance"}
_PASSIVE = {"InputLayer", "Concatenate", "LeakyReLU", "SpatialTransformer", "Lambda", "VecInt"}
_LARGEST = 2**30
#: By layer and "kernel" or "bias".
Arrays = dict[tuple[str, str], NDArray[np.float32]]


def import_keras_model(path: str | Path) -> tuple[RegistrationNetwork, ModelCard]:
    """The network of a Keras file and a card for the shelf; errors as `import_keras`.

    The file does not say on what it was trained: a network for 160 x 192 x 224 voxels is taken
    to be one of the papers' (skull-stripped T1 brains), any other to want what it is given.
    """
    path = Path(path)
    network = import_keras(path)
    shape = _input_shape(_read(path)[0])
    papers = shape == PUBLISHED_SPACE.shape
    fits = shape is not None and len(shape) == network.architecture.ndim
    space = PUBLISHED_SPACE if papers else Space(shape if fits else None, None)
    card = ModelCard(
        name=path.stem,
        architecture=network.architecture,
        space=space,
        description="Imported from a Keras file.",
        domain="T1 MR of adult brains, skull-stripped, affinely aligned" if papers else "",
        licence="unknown: ask the authors of the file",
        training={"imported from": path.name},
        profile=PUBLISHED_PROFILE if papers else (),
    )
    return network, card


def import_keras(path: str | Path) -> RegistrationNetwork:
    """The network in a Keras file, with its weights, ready to register.

    Raises
    ------
    FileFormatError
        When the file is damaged or holds another network.
    InputError
        When h5py is not installed.
    """
    path = Path(path)
    layers, arrays = _read(path)
    architecture, names = _architecture(layers, path)
    _check_size(architecture, arrays, path)
    network = build(architecture)
    state = {}
    for ours, theirs in names.items():
        for part, name in (("weight", "kernel"), ("bias", "bias")):
            array = arrays.get((theirs, name))
            if array is None or array.ndim < 1 or (part == "weight" and array.ndim < 3):
                raise _foreign(path, f"the {name} of layer “{theirs}” is missing")
            if part == "weight":
                array = np.moveaxis(array, (-1, -2), (0, 1))
            state[f"{ours}.{part}"] = torch.from_numpy(np.ascontiguousarray(array, np.float32))
    for key, own in network.state_dict().items():
        if key not in state or state[key].shape != own.shape:
            got = tuple(state[key].shape) if key in state else "nothing"
            raise _foreign(path, f"“{key}” should have shape {tuple(own.shape)}, found {got}")
        if not torch.isfinite(state[key]).all():
            raise _foreign(path, f"“{key}” holds NaN or infinite numbers")
    network.load_state_dict(state)
    return network.eval()


def _check_size(architecture: Architecture, arrays: Arrays, path: Path) -> None:
    """Refuse a list of layers that is far larger than the arrays, before it takes memory."""
    with torch.device("meta"):
        wanted = sum(p.numel() for p in build(architecture).parameters())
    found = sum(array.size for array in arrays.values())
    if wanted > found:
        raise _foreign(path, f"its layers need {wanted:,} numbers, and it holds {found:,}")


def _read(path: Path) -> tuple[list[dict[str, Any]], Arrays]:
    """The layer list, and the arrays by (layer, "kernel" or "bias")."""
    try:
        import h5py
    except ImportError as error:
        raise InputError(
            "Reading Keras weights needs the package h5py: pip install napari-voxelmorph[keras]."
        ) from error
    arrays: Arrays = {}

    def keep(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset):
            if item.is_virtual or item.external is not None:
                raise ValueError(f"{name} is in another file")
            # HDF5 makes up what is not stored: a small file holds no large array.
            most = min(_LARGEST, path.stat().st_size * DEFLATE_LIMIT)
            if item.nbytes + sum(a.nbytes for a in arrays.values()) > most:
                raise ValueError(f"{name} is too large")
            arrays[name.split("/")[0], name.split("/")[-1].split(":")[0]] = item[...]

    try:
        with h5py.File(path, "r") as file:
            if "model_config" not in file.attrs:
                raise _foreign(path, "it holds no list of layers")
            layers = json.loads(file.attrs["model_config"])["config"]["layers"]
            file.get("model_weights", file).visititems(keep)
    except FileFormatError:
        raise
    except FileNotFoundError as error:
        raise FileFormatError(f"There is no file “{path}”.") from error
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RuntimeError,
            MemoryError) as error:  # fmt: skip
        raise FileFormatError(
            f"“{path.name}” is not a readable Keras file (.h5): it is damaged or of another kind."
        ) from error
    return layers, arrays


def _architecture(layers: list[dict[str, Any]], path: Path) -> tuple[Architecture, dict[str, str]]:
    """The architecture that a layer list describes, and our layer names for theirs."""
    encoder: list[int] = []
    decoder: list[list[int]] = [[]]
    names: dict[str, str] = {}
    try:
        for layer in layers:
            _add(layer, encoder, decoder, names)
        kinds = {layer["class_name"] for layer in layers}
        if not encoder or "field" not in names:
            raise InputError("it has no strided encoder with a “flow” head")
        architecture = Architecture(
            ndim=2 if "Conv2D" in kinds else 3,
            encoder=tuple(encoder),
            decoder=tuple(tuple(w) for w in decoder),
            downsampling="strided",
            output="velocity" if "VecInt" in kinds else "displacement",
            offset=0.0,
            probabilistic="log_variance" in names,
        )
    except InputError as error:
        raise _foreign(path, str(error).rstrip(".")) from error
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _foreign(path, "its list of layers cannot be read") from error
    return architecture, names


def _input_shape(layers: list[dict[str, Any]]) -> tuple[int, ...] | None:
    """Voxels that the network was made for, where its list of layers gives them."""
    for layer in layers:
        config = layer.get("config")
        shape = config.get("batch_input_shape") if isinstance(config, dict) else None
        if layer["class_name"] == "InputLayer" and isinstance(shape, list):
            voxels = tuple(shape[1:-1])
            return voxels if voxels and all(type(n) is int for n in voxels) else None
    return None


def _add(
    layer: dict[str, Any], encoder: list[int], decoder: list[list[int]], names: dict[str, str]
) -> None:
    """Take the next layer of the list: strided convolutions first, then plain ones."""
    kind, name = layer["class_name"], layer["name"]
    if kind in ("UpSampling3D", "UpSampling2D"):
        decoder.append([])
    elif kind in ("Conv3D", "Conv2D"):
        width, strides = layer["config"]["filters"], set(layer["config"]["strides"])
        if name in _HEADS:
            names[_HEADS[name]] = name
        elif strides == {2} and decoder == [[]]:
            names[f"unet.down.{len(encoder)}"] = name
            encoder.append(width)
        elif strides == {1}:
            names[f"unet.up.{len(decoder) - 1}.{len(decoder[-1])}"] = name
            decoder[-1].append(width)
        else:
            raise InputError(f"layer “{name}” has strides {sorted(strides)}")
    elif kind not in _PASSIVE:
        raise InputError(f"layer “{name}” is a {kind}")


def _foreign(path: Path, why: str) -> FileFormatError:
    return FileFormatError(
        f"“{path.name}” is not a VoxelMorph network that can be imported: {why}. The Keras files "
        "of the papers of 2018 can be."
    )
