"""What ran the work, in words."""

from __future__ import annotations

import functools
import os
import platform
from pathlib import Path


@functools.cache
def processor() -> str:
    """Cores and name of the processor where Linux tells it, else its architecture."""
    file = Path("/proc/cpuinfo")
    lines = file.read_text().splitlines() if file.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{len(names)} cores of {names[0]}" if names else f"{os.cpu_count()} cores of {platform.machine()}"
