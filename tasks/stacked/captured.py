"""A step as a CUDA graph: the card is handed all of its calls at once."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import torch

WARMUPS = 3
"""Steps before the capture, which let libraries choose their kernels; nobody takes part in them."""


class Captured:
    """A function without arguments and results, captured where its device is a card.

    Args:
        step: reads and writes tensors that stay where they are, and changes nothing while no run is active.
            It is called a few times here.
        generator: of the device, from which it draws.
    """

    def __init__(self, step: Callable[[], None], generator: torch.Generator) -> None:
        self._call: Callable[[], object] = step
        if generator.device.type != "cuda":
            return
        try:
            self._call = _graph(step, generator).replay
        except RuntimeError as error:  # an operation that waits for the host
            torch.cuda.synchronize()
            warnings.warn(f"no CUDA graph of the step, which is slower: {error}", stacklevel=2)

    def __call__(self) -> None:
        """Take the step."""
        self._call()


def _graph(step: Callable[[], None], generator: torch.Generator) -> torch.cuda.CUDAGraph:
    side = torch.cuda.Stream()
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(WARMUPS):
            step()
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    graph.register_generator_state(generator)
    with torch.cuda.graph(graph):
        step()
    return graph
