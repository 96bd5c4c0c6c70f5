"""What is here, and what is missing."""

from __future__ import annotations

import importlib.util
import os
import platform
from typing import Any, Final

import torch

from arc.recovery.room import free_memory
from benchmarks.gpu.job import Tell

OPTIONAL: Final = ("pytest", "hypothesis", "h5py")
"""Without the first two the checks are called by hand; the third reads the published weights."""


def run(tell: Tell, device: str) -> None:
    """Name the machine; RuntimeError where the device that is asked for is not there."""
    there = torch.cuda.is_available()
    card = torch.cuda.get_device_properties(0) if there else None
    free = free_memory()
    facts: dict[str, Any] = {
        "card": card.name if card is not None else None,
        "card_memory": card.total_memory if card is not None else None,
        "torch": torch.__version__,
        "cuda": torch.version.cuda,
        "python": platform.python_version(),
        "cores": os.cpu_count(),
        "free_memory": free,
        "missing": [name for name in OPTIONAL if importlib.util.find_spec(name) is None],
    }
    said = f"{facts['card'] or 'no CUDA device'}, torch {facts['torch']}, Python {facts['python']}"
    said += f", {facts['cores']} cores, {(free or 0) / 2**30:.0f} GiB of host memory free"
    if facts["missing"]:
        said += f"; not installed: {', '.join(facts['missing'])}"
    tell("machine", said, **facts)
    if device == "cuda" and not there:
        raise RuntimeError(
            "no CUDA device that this torch sees; device=cpu scale=toy tries the paths without one"
        )
