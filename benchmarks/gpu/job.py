"""One job in a process of its own: ``python -m benchmarks.gpu.job JSON``; started by the pool."""

from __future__ import annotations

import importlib
import json
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.gpu.results import OK, File

Tell = Callable[..., None]
"""``tell(what, said, **values)`` writes a result."""


class TimeUp(BaseException):
    """The job's time is over. No Exception: nobody is to take it for a failure of his own."""


def run(kind: str, arguments: dict[str, Any], tell: Tell) -> None:
    """Do a job in this process; its results are told as they come."""
    importlib.import_module(f"benchmarks.gpu.{kind}").run(tell, **arguments)


def teller(file: File, part: str, name: str) -> Tell:
    """Writes the results of a job into the file."""

    def tell(what: str, said: str, **values: Any) -> None:
        row = {"part": part, "job": name, "status": OK, "what": what, "said": said, "values": values}
        file.add(row)

    return tell


def _stop(*_: object) -> None:
    raise TimeUp


def main() -> int:
    """Run it, for as long as it may."""
    asked = json.loads(sys.argv[1])
    job = asked["job"]
    signal.signal(signal.SIGALRM, _stop)
    signal.signal(signal.SIGTERM, _stop)
    signal.setitimer(signal.ITIMER_REAL, max(0.1, asked["seconds"]))
    try:
        run(job["kind"], job["arguments"], teller(File(Path(asked["out"])), job["part"], job["name"]))
    except TimeUp:
        print("its time was over", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
