"""The most memory that a run of the comparison held."""

from __future__ import annotations

import resource
import sys
from pathlib import Path

import torch

_REFERENCES = Path("/proc/self/clear_refs")
_STATUS = Path("/proc/self/status")


def reset(device: str) -> None:
    """Start a new maximum: of the card, or of the process where Linux lets one."""
    if device.startswith("cuda"):
        torch.cuda.reset_peak_memory_stats(device)
    elif _REFERENCES.exists():
        try:
            _REFERENCES.write_text("5")
        except OSError:  # some containers forbid it: the maximum is then the process's whole life's
            return


def peak(device: str) -> int:
    """Bytes: allocated on the card, or resident in the process, at most since :func:`reset`."""
    if device.startswith("cuda"):
        return int(torch.cuda.max_memory_allocated(device))
    if _STATUS.exists():
        for line in _STATUS.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return 1024 * int(line.split()[1])
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else 1024 * most
