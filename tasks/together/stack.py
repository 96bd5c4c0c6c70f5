"""Several networks of one structure as one network."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from torch import Tensor, nn

from arc.torch_private import buffers_of, children_of, parameters_of, with_own_parts
from tasks.nets import concat
from tasks.together import layers, maps, recurrent
from tasks.together.twin import NotStackable, Twin

TWINS: dict[type[nn.Module], Callable[[Any], Twin]] = {
    nn.Linear: layers.Linear,
    nn.Embedding: layers.Embedding,
    nn.LayerNorm: layers.LayerNorm,
    nn.Conv2d: maps.Convolution,
    nn.ConvTranspose2d: maps.TransposedConvolution,
    nn.BatchNorm2d: maps.BatchNorm,
    concat.Concat: maps.Concat,
    nn.Flatten: maps.Flatten,
    nn.LSTM: recurrent.LSTM,
    nn.GRU: recurrent.GRU,
}
"""Layers with parameters (and the concatenation of channels), and what stands for ``k`` of them."""


def stack(networks: Sequence[nn.Module]) -> nn.Module:
    """One network that computes what ``networks`` compute, on the parameters that they then share with it.

    It maps the networks' batches, their rows in turn (see :mod:`tasks.together.twin`), to their outputs in
    the same order. Its structure, and so its Python, is a copy of the networks' own.

    Args:
        networks: of the same structure. Their parameters and buffers become views of the stack's.

    Raises:
        NotStackable: a layer has parameters and no twin, or two layers share parameters.
    """
    first = networks[0]
    if len(list(first.parameters())) < len(list(first.named_parameters(remove_duplicate=False))):
        raise NotStackable(f"{type(first).__name__} has layers that share parameters")
    stacked = _copied(networks)
    embeddings = [m for m in stacked.modules() if isinstance(m, layers.Embedding)]

    def note_rows(_: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        for embedding in embeddings:
            embedding.rows = len(inputs[0])

    def unfold(network: nn.Module, inputs: tuple[Tensor, ...], output: Any) -> Any:
        if isinstance(output, tuple):
            return tuple(unfold(network, inputs, part) for part in output)
        grouped = len(output) * len(networks) == len(inputs[0])  # maps, or what was made of them
        return maps.in_turn(output, len(networks)) if grouped else output

    if embeddings:
        stacked.register_forward_pre_hook(note_rows)
    stacked.register_forward_hook(unfold)
    return stacked


def twins(stacked: nn.Module) -> Iterator[Twin]:
    """The twins of a stack."""
    return (module for module in stacked.modules() if isinstance(module, Twin))


def _copied(modules: Sequence[nn.Module]) -> nn.Module:
    first = modules[0]
    twin = TWINS.get(type(first))
    if twin is not None:
        return twin(modules)
    if parameters_of(first) or (buffers_of(first) and not children_of(first)):
        raise NotStackable(f"no twin of {type(first).__name__}")
    children = {
        name: None if child is None else _copied([m.get_submodule(name) for m in modules])
        for name, child in children_of(first).items()
    }
    return with_own_parts(copy.copy(first), children)
