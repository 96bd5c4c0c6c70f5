"""A line on standard error for what happens in a run, around a progress bar if there is one."""

from __future__ import annotations

import sys
from typing import Any

import torch.distributed as dist


def wanted(verbose: Any) -> bool:
    """Whether decisions are said: as asked, and for None where standard error is a terminal.

    Raises:
        TypeError: neither True, False nor None.
    """
    if verbose is not None and not isinstance(verbose, bool):
        raise TypeError(f"got verbose={verbose!r:.40}, need True, False or None (True with a terminal)")
    return sys.stderr is not None and sys.stderr.isatty() if verbose is None else verbose


def say(line: str) -> None:
    """Print a line to standard error; on rank 0 only, and above tqdm's bars where tqdm is in use."""
    if dist.is_available() and dist.is_initialized() and dist.get_rank():
        return
    bars: Any = getattr(sys.modules.get("tqdm"), "tqdm", None)  # in use if it was imported; never by us
    if hasattr(bars, "write"):
        bars.write(line, file=sys.stderr)
    else:
        print(line, file=sys.stderr)
