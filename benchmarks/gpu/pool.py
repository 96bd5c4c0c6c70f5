"""Jobs in processes of their own, several at once, each with a time limit; all of them end in time."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import IO, Any, Final

from benchmarks.gpu.plan import Job
from benchmarks.gpu.results import OK, File

GRACE: Final = 4.0
"""Seconds from asking a process to end to telling it again, and to killing it. One that shares a card and is
killed in a kernel may take its neighbours along, so each stops itself first."""
LEAST: Final = 15.0
"""Seconds under which no job is started."""
CUT: Final = "no time left"
Command = Callable[[Job, File, float], list[str]]


def command(job: Job, file: File, seconds: float) -> list[str]:
    """What runs a job, for at most so many seconds."""
    asked = json.dumps({"job": job.as_dict(), "out": str(file.folder), "seconds": seconds})
    return [sys.executable, "-m", "benchmarks.gpu.job", asked]


@dataclass
class _Running:
    job: Job
    process: subprocess.Popen[bytes]
    said: IO[bytes]
    began: float
    end: float
    asked_to_end: int = 0


def run(
    jobs: Sequence[Job],
    file: File,
    *,
    at_once: int,
    end: float,
    before_shared: Callable[[], Mapping[str, str]] = dict,
    make: Command = command,
) -> None:
    """Run the jobs in their order as long as there is time.

    Args:
        jobs: one that is ``alone`` waits for those before it. Without a card (``machine`` says so) what
            needs one is not started.
        file: gets a row for every job that ended or was not started.
        at_once: processes at one time.
        end: on the clock of ``time.monotonic``, when all have ended.
        before_shared: called before the first processes that share the card; what it returns is added to
            their environment.
        make: the command of a job.
    """
    waiting, running, shared = deque(jobs), list[_Running](), None
    try:
        while waiting or running:
            running = [one for one in running if not _ended(one, file)]
            while waiting and _has_room(waiting[0], running, at_once):
                job = waiting.popleft()
                known = file.last()
                reason = job.missing or _no_card(job, known) or _too_late(job, known, end)
                if reason is not None:
                    file.ended(job, reason)
                    continue
                if shared is None and job.part in "cde":
                    shared = before_shared()
                running.append(_start(job, file, end, make, (shared or {}) if job.part in "cde" else {}))
            time.sleep(0.05)
    finally:
        for one in running:
            one.process.terminate()
        time.sleep(GRACE / 2 if running else 0)
        for one in running:
            _kill_what_is_left(one.process.pid)
            one.process.wait()


def _has_room(job: Job, running: Sequence[_Running], at_once: int) -> bool:
    if job.missing is not None:
        return True
    if not running:
        return True
    # what says whether there is a card comes before everything else
    blocked = job.alone or any(one.job.alone or one.job.kind == "machine" for one in running)
    return not blocked and len(running) < at_once


def _no_card(job: Job, known: Mapping[str, Mapping[str, Any]]) -> str | None:
    machine = known.get("machine")
    if job.part == "m" or job.arguments.get("device") != "cuda":
        return None
    return None if machine is not None and machine["status"] == OK else "no CUDA device"


def _too_late(job: Job, known: Mapping[str, Mapping[str, Any]], end: float) -> str | None:
    """Whether no job is started, or jobs like this one took longer than what is left."""
    sort = job.sort
    like = [
        row["seconds"]
        for name, row in known.items()
        if name.partition(",")[0] == sort and row["status"] == OK
    ]
    left = end - time.monotonic()
    if left >= max(LEAST, 0.9 * max(like, default=0.0)):
        return None
    return f"{CUT}: {max(left, 0):.0f} s" + (f", others took {max(like):.0f} s" if like else "")


def _start(job: Job, file: File, end: float, make: Command, more: Mapping[str, str]) -> _Running:
    now = time.monotonic()
    seconds = min(job.seconds, end - now)
    said = tempfile.TemporaryFile()  # noqa: SIM115 (closed when the process has ended)
    environment = {"OMP_NUM_THREADS": "1", "PYTHONUNBUFFERED": "1", **os.environ, **more}
    process = subprocess.Popen(
        make(job, file, seconds),
        stdin=subprocess.DEVNULL,
        stdout=said,
        stderr=subprocess.STDOUT,
        env=environment,
        start_new_session=True,
    )
    return _Running(job, process, said, now, now + seconds)


def _ended(one: _Running, file: File) -> bool:
    """Whether a process is over, and if so its row; one that is late is asked to end, then killed."""
    now = time.monotonic()
    code = one.process.poll()
    if code is None:
        if now > one.end + GRACE * (1 + one.asked_to_end):
            number = signal.SIGTERM if one.asked_to_end == 0 else signal.SIGKILL
            os.killpg(one.process.pid, number)
            one.asked_to_end += 1
        return False
    seconds = now - one.began
    late = now >= one.end - 0.5
    status = OK
    if code != 0:
        said = _said(one.said)
        ended = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        why = said.strip().splitlines()[-1][:300] if said.strip() else ended
        status = f"{CUT}: stopped after {seconds:.0f} s" if late else f"failed: {why}"
        file.log(f"--- {one.job.name}: {ended} after {seconds:.0f} s\n{said[-6000:]}\n")
    one.said.close()
    _kill_what_is_left(one.process.pid)
    file.ended(one.job, status, seconds)
    return True


def _said(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode("utf-8", "replace")


def _kill_what_is_left(group: int) -> None:
    """Children of a process that died."""
    try:
        os.killpg(group, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return
