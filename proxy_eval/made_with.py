"""What made a run: versions and hardware, kept in the metadata of its part."""

from __future__ import annotations

import functools
import json
import platform
from pathlib import Path

import torch

from data_gen import store


@functools.cache
def made_with() -> dict[str, str]:
    """Metadata of a part."""
    cuda = torch.cuda.is_available()
    machine = torch.cuda.get_device_name() if cuda else f"{_processor()}, one thread per run"
    return {"arc.versions": json.dumps(store.versions()), "arc.machine": machine}


def _processor() -> str:
    """The name of the processor where Linux tells it, else its architecture."""
    file = Path("/proc/cpuinfo")
    lines = file.read_text().splitlines() if file.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{len(names)} cores of {names[0]}" if names else platform.machine()
