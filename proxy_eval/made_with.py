"""What made a run: versions and hardware, kept in the metadata of its part."""

from __future__ import annotations

import functools
import json

import torch

from data_gen import store
from tasks.work import machine


@functools.cache
def made_with() -> dict[str, str]:
    """Metadata of a part."""
    cuda = torch.cuda.is_available()
    name = torch.cuda.get_device_name() if cuda else f"{machine.processor()}, one thread per run"
    return {"arc.versions": json.dumps(store.versions()), "arc.machine": name}
