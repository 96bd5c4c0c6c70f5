"""What only a GPU can show: ``python -m benchmarks.gpu minutes=8 out=runs/gpu``.

Runs from a source tree, without installation and network. Every part has a process and a time limit of its
own, every result lies in ``out/results.jsonl`` as soon as it is there, ``out/table.md`` is the table so far,
``out/log.txt`` what went wrong. The same command goes on with what is missing there. docs/gpu.md says how
to read it.

    minutes=8       after which it has stopped
    out=runs/gpu    folder of the results
    parts=abcde     a checks, b costs, c generator, d CIFAR-10, e GPT; d and e take turns
    data=DIRECTORY  with cifar10, tiny_shakespeare, arc_original; default: $ARC_DATA, else ../shared/data;
                    data=embedded: what the dependencies ship
    at_once=N       trainings that share the card; default: half of the cores, at most 6
    device=cuda     cpu with scale=toy tries the paths
    scale=paper     toy: seconds on a CPU
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path

from benchmarks.gpu import mps, plan, pool, results
from benchmarks.gpu.plan import Options

RESERVE = 12.0
"""Seconds at the end, for processes that do not end when asked and for the table."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what is missing and print the table; 1 where something failed or is missing."""
    began = time.monotonic()
    given = list(sys.argv[1:] if arguments is None else arguments)
    if {"-h", "--help", "help"} & set(given):
        print(__doc__)
        return 0
    try:
        options = parsed(given)
    except ValueError as error:
        print(f"{error}\n\n{__doc__}", file=sys.stderr)
        return 2
    end = began + 60 * options.minutes - RESERVE
    file = results.File(options.out)
    jobs = [job for job in plan.jobs(options) if not file.is_done(job)]
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # what was started is ended
    with mps.Server(wanted=options.device == "cuda" and options.at_once > 1) as server:

        def share() -> Mapping[str, str]:
            environment = server.start()
            row = {"part": "m", "job": "sharing", "what": "sharing", "said": server.said}
            file.add({**row, "status": results.OK, "seconds": 0.0})
            return environment

        shared = share if options.device == "cuda" else dict
        pool.run(jobs, file, at_once=options.at_once, end=end, before_shared=shared)
    table = results.table(file.rows())
    file.write_table(table)
    print(table)
    return int(any(row["status"] != results.OK for row in file.last().values()))


def parsed(arguments: Sequence[str]) -> Options:
    """The options of a command line; ValueError names one that is not known or not possible."""
    values: dict[str, str] = {}
    for argument in arguments:
        name, equals, value = argument.partition("=")
        if not equals or name not in {field.name for field in fields(Options)}:
            known = ", ".join(f"{field.name}=" for field in fields(Options))
            raise ValueError(f"got {argument!r}, need {known}")
        values[name] = value
    cores = os.cpu_count() or 1
    try:
        return Options(
            minutes=float(values.get("minutes", 8)),
            out=Path(values.get("out", "runs/gpu")).resolve(),
            parts=values.get("parts", plan.PARTS),
            data=values.get("data") or str(plan.files()),
            at_once=int(values.get("at_once", max(1, min(6, cores // 2)))),
            device=values.get("device", "cuda"),
            scale=values.get("scale", "paper"),
        )
    except ValueError as error:
        raise ValueError(f"{error} (of {' '.join(arguments)})") from None


if __name__ == "__main__":
    sys.exit(main())
