"""NVIDIA's Multi-Process Service, where it is: processes that share a card then run at the same time."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Self

CONTROL = "nvidia-cuda-mps-control"
PROBE = "import torch; torch.ones(8, device='cuda').sum().item()"


class Server:
    """Started once it is wanted, in folders of its own; stopped at the end. Changes no setting of the card.

    Where it is missing or does not work, processes share the card by turns.
    """

    def __init__(self, *, wanted: bool) -> None:
        self.said = "not asked for"
        self._control = shutil.which(CONTROL) if wanted else None
        self._folder: Path | None = None
        if wanted and self._control is None:
            self.said = f"no {CONTROL}: processes take turns on the card"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._quit()

    def start(self) -> Mapping[str, str]:
        """The environment of its clients; empty where there is none."""
        if self._control is None:
            return {}
        self._folder = Path(tempfile.mkdtemp(prefix="arc-mps-"))  # short: the path of a socket
        try:
            for command, seconds in (([self._control, "-d"], 20), ([sys.executable, "-c", PROBE], 40)):
                subprocess.run(  # no pipes: the daemon would keep them open
                    command,
                    env=self._environment,
                    check=True,
                    timeout=seconds,
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                )
        except (OSError, subprocess.SubprocessError) as error:
            self.said = f"MPS did not start ({type(error).__name__}): processes take turns on the card"
            self._quit()
            return {}
        self.said = "MPS"
        return {name: self._environment[name] for name in _names(self._folder)}

    @property
    def _environment(self) -> dict[str, str]:
        assert self._folder is not None
        return {**os.environ, **_names(self._folder)}

    def _quit(self) -> None:
        if self._folder is None or self._control is None:
            return
        try:
            subprocess.run(
                [self._control], input=b"quit\n", env=self._environment, timeout=6, capture_output=True
            )
        except (OSError, subprocess.SubprocessError):
            self.said += "; its server may still run"
        shutil.rmtree(self._folder, ignore_errors=True)
        self._folder = None


def _names(folder: Path) -> dict[str, str]:
    return {"CUDA_MPS_PIPE_DIRECTORY": str(folder), "CUDA_MPS_LOG_DIRECTORY": str(folder)}
