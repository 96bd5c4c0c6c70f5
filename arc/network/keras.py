"""The published weights, a Keras HDF5 file, as a network of ours."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from arc.network.format import Arrays, WeightsError, check
from arc.network.weights import losses_only, network_of

if TYPE_CHECKING:
    from arc.network.network import Network


def import_keras(path: str | Path) -> Network:
    """The network from the published weights, a Keras HDF5 file (needs ``pip install 'arc-lr[import]'``).

    Source: the public code of ARC (2021). Its LSTM has one bias per layer; PyTorch's second one is 0.

    Raises:
        WeightsError: no such file, no HDF5, or layers of another network.
    """
    arrays = _read(Path(path))
    check(arrays, str(path))
    return losses_only(network_of(arrays), str(path))


def _read(path: Path) -> Arrays:
    try:
        import h5py
    except ImportError as error:
        raise ImportError("import_keras needs h5py: pip install 'arc-lr[import]'") from error
    if not path.is_file():
        raise WeightsError(f"no file {path}")
    try:
        with h5py.File(path) as file:
            root = file.get("model_weights", file)  # whole models nest their weights
            return {**_convolutions(root), **_lstms(root), **_denses(root)}
    except OSError as error:
        raise WeightsError(f"{path} is damaged or no HDF5 file: {error}") from error
    except (KeyError, ValueError) as error:
        raise WeightsError(f"{path} holds another network than ARC's: {error}") from error


def _array(root: Any, layer: str, name: str) -> np.ndarray[Any, Any]:
    """The weight ``name`` of ``layer``, wherever the cell names put it."""
    found: list[np.ndarray[Any, Any]] = []
    root[layer].visititems(lambda key, item: found.append(item[()]) if key.endswith(f"/{name}:0") else None)
    if len(found) != 1:
        raise KeyError(f"{layer} has {len(found)} weights called {name}, need one")
    return np.ascontiguousarray(found[0], dtype=np.float32)


def _convolutions(root: Any) -> Arrays:
    """(width, in, out) becomes (out, in, width)."""
    arrays: Arrays = {}
    for layer, ours in (("conv1d", "conv.0"), ("conv1d_1", "conv.3")):
        arrays[f"{ours}.weight"] = np.ascontiguousarray(_array(root, layer, "kernel").transpose(2, 1, 0))
        arrays[f"{ours}.bias"] = _array(root, layer, "bias")
    return arrays


def _lstms(root: Any) -> Arrays:
    """Gate order i, f, c, o is PyTorch's i, f, g, o; its second bias is 0."""
    arrays: Arrays = {}
    for index, layer in enumerate(("lstm", "lstm_1")):
        arrays[f"lstm.weight_ih_l{index}"] = np.ascontiguousarray(_array(root, layer, "kernel").T)
        arrays[f"lstm.weight_hh_l{index}"] = np.ascontiguousarray(_array(root, layer, "recurrent_kernel").T)
        arrays[f"lstm.bias_ih_l{index}"] = _array(root, layer, "bias")
        arrays[f"lstm.bias_hh_l{index}"] = np.zeros_like(arrays[f"lstm.bias_ih_l{index}"])
    return arrays


def _denses(root: Any) -> Arrays:
    arrays: Arrays = {}
    for layer, ours in (("dense", "dense.0"), ("dense_1", "dense.2")):
        arrays[f"{ours}.weight"] = np.ascontiguousarray(_array(root, layer, "kernel").T)
        arrays[f"{ours}.bias"] = _array(root, layer, "bias")
    return arrays
