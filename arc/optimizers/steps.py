"""Whether an optimizer is stepped at all, and whether another one has taken its place."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from arc.living import living


class Steps:
    """Notes that one of some optimizers was stepped.

    The hook holds neither controller nor optimizer, and writes one value that it never reads: nothing that
    ``torch.compile`` would have to compile anew. Copies of an optimizer, unpickled ones too, have lost it.
    """

    def __init__(self, optimizers: Sequence[Any]) -> None:
        self._seen = seen = {"step": False}

        def note(optimizer: Any, args: Any, kwargs: Any) -> None:
            seen["step"] = True

        # steps that a CUDA graph takes, or Keras for its stand-in, call no hook
        self._told = not any(g.get("capturable", False) for one in optimizers for g in one.param_groups)
        for one in optimizers:
            try:
                one.register_step_post_hook(note)
            except AttributeError:  # a stand-in, or a wrapper that never called torch's __init__
                self._told = False

    def taken(self) -> bool:
        """Whether there was a step since this was last asked; True where that cannot be told."""
        found, self._seen["step"] = self._seen["step"], False
        return found or not self._told


def others(optimizers: Sequence[Any]) -> bool:
    """Whether another torch optimizer of this process holds parameters of these, in groups of its own.

    All of them are looked through: for once, not for a loop.
    """
    groups = {id(group) for one in optimizers for group in one.param_groups}
    held = {id(p) for one in optimizers for group in one.param_groups for p in group["params"]}
    return any(
        id(group) not in groups and any(id(p) in held for p in group["params"])
        for found in living(torch.optim.Optimizer)
        for group in getattr(found, "param_groups", ())
    )
