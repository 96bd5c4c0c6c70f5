"""Which tensors of optimizers are trained, and where the values that the optimizers move are kept."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import torch
from torch import Tensor
from torch.nn.parameter import is_lazy

from arc.tensors import local

MASTERS: Final = ("master_param", "master", "master_weight", "fp32_param", "fp32_p")
"""Where optimizers of half-precision parameters keep the float32 values in a parameter's state: the first is
Apex's and Transformer Engine's name, the last that of DeepSpeed's old ones."""
MAIN: Final = "main_param"
"""The attribute of a parameter under which Megatron keeps them."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Weight:
    """One trained tensor.

    Attributes:
        place: number of its group over all optimizers, and its number in the group.
        parameter: the object in the optimizer's group.
        group: that group.
        state: what the optimizer keeps for the parameter.
        shape: of this rank's shard, where the tensor is sharded.
        shards: in how many parts the ranks hold the tensor; 1 where each has the whole.
    """

    place: tuple[int, int]
    parameter: Tensor
    group: Mapping[str, Any]
    state: Mapping[Any, Any]
    shape: tuple[int, ...]
    shards: int

    @property
    def coarse(self) -> bool:
        """Whether small steps are rounded away: half precision, and no float32 values that are kept."""
        return _half(self._source())

    def values(self) -> Tensor:
        """The tensor's real numbers (this rank's shard) as a vector; a copy only where not contiguous."""
        source = self._source()
        return (torch.view_as_real(source) if source.is_complex() else source).reshape(-1)

    def _source(self) -> Tensor:
        own = local(self.parameter)
        if _half(own):
            for kept in (*map(self.state.get, MASTERS), getattr(self.parameter, MAIN, None)):
                if isinstance(kept, Tensor) and kept.dtype in (torch.float32, torch.float64):
                    master = local(kept)
                    if master.numel() == own.numel():
                        return master
        return own


def parameters_of(optimizers: Iterable[Any]) -> list[Tensor]:
    """All torch parameters of the optimizers, in the order of their groups; each once.

    Empty where there is nothing to follow, as for stand-ins of optimizers of other frameworks.
    """
    groups = (group for optimizer in optimizers for group in optimizer.param_groups)
    found = (p for group in groups for p in group.get("params", ()) if isinstance(p, Tensor))
    return list({id(p): p for p in found}.values())


def weights_of(optimizers: Iterable[Any], before: Collection[Weight] = ()) -> list[Weight]:
    """The tensors to follow, in the order of their groups; each once.

    Lazy parameters have no values yet, and integers don't train. A frozen tensor is left alone unless it
    was followed ``before``: it may be frozen for a moment only.
    """
    followed = {id(weight.parameter) for weight in before}
    found: dict[int, Weight] = {}
    number = -1
    for optimizer in optimizers:
        states = getattr(optimizer, "state", {})
        for group in optimizer.param_groups:
            number += 1
            for index, parameter in enumerate(group.get("params", ())):
                if id(parameter) in found or not _has_values(parameter):
                    continue
                if parameter.requires_grad or id(parameter) in followed:
                    found[id(parameter)] = Weight(
                        place=(number, index),
                        parameter=parameter,
                        group=group,
                        state=states.get(parameter) or {},
                        shape=tuple(local(parameter).shape),
                        shards=_shards(parameter),
                    )
    return list(found.values())


def _has_values(parameter: Any) -> bool:
    if not isinstance(parameter, Tensor) or is_lazy(parameter):
        return False
    trains = parameter.is_floating_point() or parameter.is_complex()
    return trains and not parameter.is_meta and parameter.layout == torch.strided


def _half(tensor: Tensor) -> bool:
    return tensor.dtype in (torch.bfloat16, torch.float16)


def _shards(parameter: Any) -> int:
    mesh = getattr(parameter, "device_mesh", None)  # a DTensor's
    if mesh is None:
        return 1
    return math.prod(mesh.size(i) for i, p in enumerate(parameter.placements) if not p.is_replicate())
