"""Which copies a controller keeps: what was asked for, how much memory they take, whether there is room."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor, nn

from arc.decision import RecoveryWarning
from arc.optimizers.learning_rates import listed
from arc.policy.default import PAPER
from arc.recovery.copies import Copies
from arc.recovery.modules import holder
from arc.recovery.nested import usable
from arc.recovery.run_state import with_inner
from arc.settings import Settings
from arc.tensors import local

SHARE: Final = 4
"""Copies may take one part in so many of the free host memory."""


def asked_for(
    optimizers: Sequence[torch.optim.Optimizer],
    model: nn.Module | None,
    settings: Settings,
    extra_state: Sequence[Any],
) -> Copies | None:
    """The copies that a controller's settings ask for; None where ``auto`` finds no room for them.

    None, too, of optimizers that are not torch's: nobody knows what they hold; of a wrapper that is said.
    Without ``model`` the module that holds the parameters is looked for, so that its buffers come along.

    Raises:
        ValueError: ``model`` is no module; copies were asked for, and an optimizer is not torch's.
    """
    asked = settings.rollback
    for one in optimizers:
        if not isinstance(one, torch.optim.Optimizer):
            return _unknown(one, settings)
    if model is not None and not isinstance(model, nn.Module):
        raise ValueError(f"got model={model!r:.80}, need a torch module or None")
    if asked is False or settings.mode == "advise" or (asked == "auto" and settings.policy is PAPER):
        return None
    if model is None:
        model = holder(p for one in optimizers for group in one.param_groups for p in group["params"])
    if asked == "auto" and not fits(optimizers, model):
        warnings.warn(
            "two copies of the state would take more than a quarter of the free memory: ARC guards the LR "
            "alone; rollback=True keeps them all the same, rollback='folder' keeps them in files",
            RecoveryWarning,
            stacklevel=3,
        )
        return None
    folder = None if isinstance(asked, bool) or asked == "auto" else asked
    return Copies(optimizers, model, extra_state=extra_state, folder=folder)


def _unknown(optimizer: Any, settings: Settings) -> None:
    what = f"got an optimizer of type {type(optimizer).__name__}, which is not torch's"
    inside = isinstance(getattr(optimizer, "optimizer", None), torch.optim.Optimizer)
    remedy = "; pass the torch optimizer inside it, .optimizer, if that holds the model's own parameters"
    if settings.rollback not in (False, "auto"):
        raise ValueError(
            f"got rollback={settings.rollback!r:.60} and {what[4:]}: ARC cannot copy its state"
            f"{remedy if inside else '; leave rollback out'}"
        )
    if inside and settings.rollback == "auto" and settings.mode == "control":
        warnings.warn(
            f"{what}: ARC sees no weights of it, and guards the LR alone{remedy}",
            RecoveryWarning,
            stacklevel=4,
        )


def nbytes(optimizers: Any, model: nn.Module | None = None) -> int:
    """Bytes of one copy: parameters, optimizer state and, with a model, its buffers; this rank's shards.

    State that an optimizer makes in its first step is guessed before it: two tensors like the parameter
    where the group has ``betas``, one where it has a momentum, else two unless the group is plain SGD's.
    """
    total = sum(_size(b) for b in model.buffers()) if model is not None else 0
    seen: set[int] = set()
    for optimizer in with_inner(listed(optimizers)):
        states = getattr(optimizer, "state", {})
        for group in optimizer.param_groups:
            for parameter in group.get("params", ()):
                own, state = _size(parameter), states.get(parameter)
                total += sum(_sizes(state)) if state else own * _tensors_to_come(group)
                total += 0 if id(parameter) in seen else own
                seen.add(id(parameter))
    return total


def fits(optimizers: Any, model: nn.Module | None = None, *, copies: int = 2) -> bool:
    """Whether so many copies take under a quarter of the free host memory.

    Ranks on one host (``LOCAL_WORLD_SIZE``, as torchrun sets it) share it. Where free memory cannot be
    known (Windows), no copy fits: ask for one by ``rollback=True``.
    """
    free = free_memory()
    if free is None:
        return False
    ranks = int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    return copies * nbytes(optimizers, model) * ranks * SHARE < free


def free_memory(root: str | Path = "/") -> int | None:
    """Bytes of host memory that are free, within the container's limit; None if unknown.

    Linux says it (``/proc/meminfo``); elsewhere a quarter of the machine's memory is taken for free.
    """
    known = [_available(Path(root) / "proc/meminfo"), _left_in_container(Path(root) / "sys/fs/cgroup")]
    found = [value for value in known if value is not None]
    if found:
        return min(found)
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 4
    except (AttributeError, ValueError, OSError):
        return None


def _available(meminfo: Path) -> int | None:
    try:
        for line in meminfo.read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except (OSError, ValueError, IndexError):
        pass
    return None


def _left_in_container(cgroup: Path) -> int | None:
    try:
        limit, used = (int((cgroup / f"memory.{name}").read_text()) for name in ("max", "current"))
        stat = dict(line.split() for line in (cgroup / "memory.stat").read_text().splitlines())
    except (OSError, ValueError):  # no such files, or the word "max"
        return None
    return max(0, limit - used + int(stat.get("inactive_file", 0)))  # cached files give way


def _tensors_to_come(group: dict[str, Any]) -> int:
    if "betas" in group:
        return 2
    if "momentum" in group:
        return 1 if group["momentum"] or "dampening" not in group else 0
    return 2


def _size(tensor: Tensor) -> int:
    if not usable(tensor):
        return 0
    own = local(tensor)
    return own.numel() * own.element_size()


def _sizes(value: Any) -> Iterator[int]:
    if isinstance(value, Tensor):
        yield _size(value)
    elif isinstance(value, dict | list | tuple):
        values: Iterable[Any] = value.values() if isinstance(value, dict) else value
        for one in values:
            yield from _sizes(one)
