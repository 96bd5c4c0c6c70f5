"""The ranks of the test of FSDP2's recipe: ``python -m tests.arc.fsdp2_worker FOLDER``.

Runs the example whole, and stopped and started again, with two ranks each; rank 0's lines go to FOLDER.
"""

import os
import runpy
import socket
import sys
import traceback
import warnings
from pathlib import Path

import torch.distributed.checkpoint  # noqa: F401 (imported once for all ranks)

import arc.controller  # noqa: F401

EXAMPLE = Path(__file__).parents[2] / "examples/fsdp2_checkpoint.py"
WORLD = 2


def run(folder: Path, *arguments: str) -> int:
    """The example with two ranks; how many of them failed."""
    folder.mkdir(exist_ok=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    children = []
    for rank in range(WORLD):
        child = os.fork()
        if not child:
            os.chdir(folder)
            os.environ |= {"RANK": str(rank), "WORLD_SIZE": str(WORLD)}
            os.environ |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
            sys.argv = [str(EXAMPLE), *arguments]
            try:
                warnings.simplefilter("ignore")
                with (folder / f"{rank}.txt").open("a") as sys.stdout:
                    runpy.run_path(str(EXAMPLE), run_name="__main__")
                os._exit(0)
            except BaseException:
                traceback.print_exc()
                os._exit(1)
        children.append(child)
    return sum(os.waitpid(child, 0)[1] != 0 for child in children)


if __name__ == "__main__":
    place = Path(sys.argv[1])
    sys.exit(run(place / "whole", "4") or run(place / "parts", "4", "2") or run(place / "parts", "4"))
