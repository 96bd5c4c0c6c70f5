"""One copy of a run's state, and its form in plain types, as a file or a controller's state holds it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from torch import Tensor

from arc.recovery.nested import Kept, decoded, encoded, usable
from arc.tensors import local


@dataclass
class Copy:
    """One copy of a run's state; parameters are known by identity, buffers by name, the rest by position."""

    call: int = 0
    parameters: dict[Any, Kept] = field(default_factory=dict)
    states: list[dict[Any, Any]] = field(default_factory=list)  # per optimizer: parameter or key -> state
    counters: list[list[dict[str, Any]]] = field(default_factory=list)  # per optimizer and group
    buffers: dict[str, Kept] = field(default_factory=dict)
    extra: list[Any] = field(default_factory=list)
    lent: bool = False  # its tensors are in a state_dict: not to be overwritten

    def encoded(self, parameters: Sequence[Any]) -> dict[str, Any]:
        """Plain types and tensors, parameters by their place (TypeError where there are other objects)."""
        places = {parameter: i for i, parameter in enumerate(parameters)}

        def keyed(states: dict[Any, Any]) -> list[Any]:
            return [
                (places[key] if isinstance(key, Tensor) else f"/{key}", encoded(value))
                for key, value in states.items()
                if not isinstance(key, Tensor) or key in places
            ]

        return {
            "call": self.call,
            "shapes": [_shape(parameter) for parameter in parameters],
            "parameters": keyed(self.parameters),
            "states": [keyed(states) for states in self.states],
            "counters": encoded(self.counters),
            "buffers": encoded(self.buffers),
            "extra": encoded(self.extra),
        }

    @classmethod
    def decoded(cls, payload: dict[str, Any], parameters: Sequence[Any], optimizers: int) -> Self | None:
        """What :meth:`encoded` made; None for one of other parameters (number or shapes) or optimizers."""
        shapes = [_shape(parameter) for parameter in parameters]
        if payload["shapes"] != shapes or len(payload["states"]) != optimizers:
            return None

        def keyed(states: list[Any]) -> dict[Any, Any]:
            return {
                (key[1:] if isinstance(key, str) else parameters[key]): decoded(value)
                for key, value in states
            }

        return cls(
            call=int(payload["call"]),
            parameters=keyed(payload["parameters"]),
            states=[keyed(states) for states in payload["states"]],
            counters=decoded(payload["counters"]),
            buffers=decoded(payload["buffers"]),
            extra=decoded(payload["extra"]),
            lent=True,
        )


def fits(kept: Kept | None, parameter: Any) -> bool:
    """Whether a tensor's copy can be written into it."""
    return kept is not None and usable(parameter) and local(parameter).shape == kept.host.shape


def write(tensor: Tensor, kept: Kept) -> None:
    """Put a tensor's copy into it."""
    local(tensor).copy_(kept.host, non_blocking=tensor.is_cuda)


def _shape(parameter: Any) -> list[int] | None:
    return list(local(parameter).shape) if usable(parameter) else None
