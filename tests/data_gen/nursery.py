"""Starts generators in milliseconds, for tests that kill many of them.

Run by test_failures.py as a process of its own: it has torch imported and no threads, so that
generators and their workers can be forked from it. Everything else is as a user has it.
"""

import contextlib
import functools
import json
import multiprocessing as mp
import os
import random
import signal
import sys
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from types import SimpleNamespace

from data_gen import generate, reading, schema
from data_gen.generate import GenerateConfig
from tasks import registry
from tasks.work import cli, processes


def fork_workers() -> None:
    """Let workers be forked instead of spawned, with only their own end of their own pipe."""
    ours: list[Connection] = []

    def pipe() -> tuple[Connection, Connection]:
        pair = mp.Pipe()
        ours.append(pair[0])
        return pair

    os.register_at_fork(after_in_child=lambda: [end.close() for end in ours])
    processes.mp = SimpleNamespace(Pipe=pipe, get_context=lambda _: mp.get_context("fork"))


def start(*overrides: str, errors: Path | None = None) -> int:
    """A generator in a process of its own; its id."""
    pid = os.fork()
    if pid:
        return pid
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.dup2(os.open(errors or os.devnull, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), 2)
    os._exit(cli.main("data_gen", GenerateConfig, generate.generate, overrides))


def children(pid: int) -> list[int]:
    """The workers of a generator."""
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def send(what: signal.Signals, pids: list[int]) -> None:
    """A signal; a process that is gone already is none the worse."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, what)


def code(pid: int) -> int:
    """The exit code of a generator, once it ends."""
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def parts(out: Path) -> dict[str, int]:
    """The parts that are there, whole, with the time of their making."""
    for _, table in reading.stream([str(p) for p in out.rglob("part-*")], schema.TRIAL):
        assert not isinstance(table, Exception), table
    return {str(p): p.stat().st_mtime_ns for p in out.rglob("part-*")}


def kills(out: Path, *overrides: str) -> dict[str, object]:
    """Twenty kills of a worker, of the parent, of both, at most one trial apart; then a calm call."""
    rng = random.Random(0)
    victims = ["worker", "parent", "both"] * 6 + ["worker", "both"]
    rng.shuffle(victims)
    parent, killed, made = 0, [], {}
    for victim in victims:
        parent = parent or start(f"out={out}", *overrides)
        goal = len(made) + rng.randrange(2)
        while len(list(out.rglob("part-*"))) < goal or not children(parent):
            time.sleep(0.01)
        time.sleep(rng.uniform(0, 0.05))
        family = [*children(parent), parent]
        dead = {"worker": family[:1], "parent": [parent], "both": family}[victim]
        send(signal.SIGKILL, dead)
        send(signal.SIGSTOP, family)  # on a busy machine the work would be over before we have looked
        if parent in dead:
            code(parent)
            parent = 0
        killed.append(victim)
        now = parts(out)
        assert all(now[path] == when for path, when in made.items()), "a finished trial was made again"
        made = now
        send(signal.SIGCONT, family)
    if parent:
        send(signal.SIGKILL, [parent])
        code(parent)
    last = code(start(f"out={out}", *overrides))
    now = parts(out)
    assert all(now[path] == when for path, when in made.items()), "a finished trial was made again"
    return {"killed": killed, "before": len(made), "code": last}


def two_at_once(out: Path, *overrides: str) -> dict[str, object]:
    """Two generators with the same request; their exit codes, and what they said."""
    said = [out.with_suffix(f".{i}") for i in range(2)]
    pids = [start(f"out={out}", *overrides, errors=errors) for errors in said]
    return {"codes": [code(pid) for pid in pids], "said": [errors.read_text() for errors in said]}


def interrupt(what: signal.Signals, out: Path, *overrides: str) -> dict[str, object]:
    """A signal in the middle to all processes of a generator, as Slurm sends it.

    Exit code, seconds and last words, then the exit code of the same call.
    """
    errors = out.with_suffix(".err")
    pid = start(f"out={out}", *overrides, errors=errors)
    while not list(out.rglob("part-*")):
        time.sleep(0.01)
    began = time.monotonic()
    send(what, [*children(pid), pid])
    first = code(pid)
    seconds = time.monotonic() - began
    said = errors.read_text().splitlines()
    there = len(parts(out))
    return {
        "code": first,
        "seconds": seconds,
        "said": said,
        "there": there,
        "again": code(start(f"out={out}", *overrides)),
    }


def full(out: Path, *overrides: str) -> dict[str, object]:
    """A disk on which no file can grow beyond a few kilobytes; then one on which files can."""
    import resource

    errors = out.with_suffix(".err")
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, resource.RLIM_INFINITY))
    first = code(start(f"out={out}", *overrides, errors=errors))
    left = [str(p) for p in out.rglob("*") if p.is_file()]
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    said = errors.read_text().splitlines()
    return {"code": first, "said": said, "left": left, "again": code(start(f"out={out}", *overrides))}


SCENES: dict[str, Callable[..., dict[str, object]]] = {
    "kills": kills,
    "two_at_once": two_at_once,
    "interrupt SIGINT": functools.partial(interrupt, signal.SIGINT),
    "interrupt SIGTERM": functools.partial(interrupt, signal.SIGTERM),
    "full": full,
}

if __name__ == "__main__":
    fork_workers()
    scene, place, *asked = sys.argv[1:]
    for pair in asked:  # what the children need is imported before they are forked
        if pair.startswith("task="):
            registry.get(pair.removeprefix("task="), "mini")
    print(json.dumps(SCENES[scene](Path(place), *asked)))
