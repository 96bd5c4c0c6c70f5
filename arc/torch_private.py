"""What this project uses of torch that torch does not promise to keep; nowhere else is there any.

``tests/arc/test_torch_private.py`` says which of them a new torch has changed.
"""

from __future__ import annotations

from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.data import RandomSampler

BatchNorm: Final = _BatchNorm
"""What every kind of BatchNorm derives from; torch's own ``update_bn`` asks for it too."""

add_to_each: Final = torch._foreach_add_
"""Add one number to each tensor of a list, in place."""
fused_adam: Final = torch._fused_adam_
"""The kernel of ``torch.optim.Adam(fused=True)``: a step on lists of tensors, in place."""
fused_adamw: Final = torch._fused_adamw_
"""That of AdamW."""

MARKS: Final = ("_wrapped_by_lr_sched", "_with_counter")
"""Attributes that torch's LR schedulers put on ``optimizer.step``: since torch 2.4, and before."""
LAST_LR: Final = "_last_lr"
"""The list of LRs, one per group, that a scheduler reports."""
PARTS: Final = "_schedulers"
"""The schedulers inside SequentialLR and ChainedScheduler."""


def changes(tensor: Tensor) -> int:
    """How often the tensor was changed in place."""
    return tensor._version


def parameters_of(module: nn.Module) -> dict[str, nn.Parameter | None]:
    """The module's own parameters, None where one is left out (no bias)."""
    return module._parameters


def buffers_of(module: nn.Module) -> dict[str, Tensor | None]:
    """The module's own buffers, None where one is left out."""
    return module._buffers


def children_of(module: nn.Module) -> dict[str, nn.Module | None]:
    """The module's children, None where one is left out."""
    return module._modules


def with_own_parts(module: nn.Module, children: dict[str, nn.Module | None]) -> nn.Module:
    """Give a shallow copy of a module these children, and forward hooks that the original does not share."""
    module._modules = children
    module._forward_hooks = module._forward_hooks.copy()
    module._forward_pre_hooks = module._forward_pre_hooks.copy()
    return module


def draws_some(sampler: RandomSampler) -> bool:
    """Whether a sampler draws another number of examples than there are."""
    return sampler._num_samples is not None


def file_writer(writer: Any) -> Any:
    """What a ``SummaryWriter`` writes its own run with; None of another logger with its methods."""
    return writer._get_file_writer() if hasattr(writer, "_get_file_writer") else None
