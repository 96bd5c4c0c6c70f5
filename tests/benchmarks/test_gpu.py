"""The GPU benchmark without a GPU: its plan, its processes, its table, each part at toy size on the CPU."""

import json
import math
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from benchmarks.gpu import checks, mps, plan, pool, results
from benchmarks.gpu import job as in_process
from benchmarks.gpu.__main__ import main, parsed
from benchmarks.gpu.plan import Job

ROOT = Path(__file__).parents[2]


def toy(tmp_path: Path, *more: str) -> list[Job]:
    asked = ["device=cpu", "scale=toy", "data=embedded", "at_once=1", f"out={tmp_path}", *more]
    return plan.jobs(parsed(asked))


def test_the_most_valuable_comes_first_and_trainings_take_turns(tmp_path: Path) -> None:
    jobs = plan.jobs(parsed(["data=embedded", f"out={tmp_path}"]))
    parts = "".join(job.part for job in jobs).lstrip("m")
    assert parts.startswith("abbbbcccdedede") and parts.endswith("eeeee")
    trainings = [job for job in jobs if job.kind == "trainings"]
    assert len(trainings) == 3 * 5 + 4 * 5 and len({job.name for job in jobs}) == len(jobs)
    assert [job.arguments["lr"] for job in trainings[:20:10]] == [1e-3, 1e-2]
    assert [job.kind for job in plan.jobs(parsed(["parts=c"]))] == ["machine", *["generator"] * 3]


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    jobs = plan.jobs(parsed([f"data={tmp_path}"]))
    missing = {job.missing for job in jobs if job.part in "de"}
    assert missing == {
        f"no folder {tmp_path / name}: set ARC_DATA, or say data=DIRECTORY or data=embedded"
        for name in ("cifar10", "tiny_shakespeare")
    }
    for name in ("cifar10", "tiny_shakespeare"):
        (tmp_path / name).mkdir()
    missing = {job.missing for job in plan.jobs(parsed([f"data={tmp_path}"]))}
    assert missing == {None, f"no file {tmp_path / plan.WEIGHTS}"}


@pytest.mark.parametrize(
    "argument",
    ["minute=8", "8", "minutes=0", "minutes=x", "parts=f", "device=tpu", "scale=mini", "at_once=0"],
)
def test_other_options_are_refused(argument: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([argument]) == 2
    assert argument.partition("=")[2] in capsys.readouterr().err


def code(program: str) -> pool.Command:
    """Every job runs this program, in which NAME stands for the job's."""
    return lambda job, file, seconds: [sys.executable, "-c", program.replace("NAME", job.name)]


def job(name: str, **more: Any) -> Job:
    return Job(**({"name": name, "part": "a", "kind": "k", "seconds": 30.0} | more))


def statuses(file: results.File) -> dict[str, str]:
    return {name: row["status"] for name, row in file.last().items()}


def test_a_crash_and_a_hang_cost_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pool, "GRACE", 0.3)
    program = """
import os, signal, time
if "NAME" == "crash": os.kill(os.getpid(), signal.SIGSEGV)
if "NAME" == "error": raise ValueError("what went wrong")
if "NAME" == "hang": signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(100)
"""
    file = results.File(tmp_path)
    jobs = [job("hang", seconds=0.5), job("crash"), job("error"), job("well"), job("last", alone=True)]
    began = time.monotonic()
    pool.run(jobs, file, at_once=2, end=began + 60, make=code(program))
    assert time.monotonic() - began < 20
    found = statuses(file)
    assert found.pop("hang").startswith("no time left: stopped after")
    assert found == {
        "crash": "failed: SIGSEGV",
        "error": "failed: ValueError: what went wrong",
        "well": "ok",
        "last": "ok",
    }
    assert "--- error: exit code 1" in (tmp_path / "log.txt").read_text()
    assert "| a | error | **failed: ValueError: what went wrong** |" in (tmp_path / "table.md").read_text()


def test_it_ends_in_time_and_starts_nothing_that_cannot_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pool, "LEAST", 0.0)
    monkeypatch.setattr(pool, "GRACE", 0.3)
    file = results.File(tmp_path)
    jobs = [job(f"slow, {i}") for i in range(3)] + [job("fast, 1", missing="no data")]
    began = time.monotonic()
    pool.run(jobs, file, at_once=1, end=began + 3, make=code("import time; time.sleep(1.6)"))
    assert time.monotonic() - began < 5
    found = statuses(file)
    assert found["slow, 0"] == "ok" and found["slow, 2"].startswith("no time left: ")
    assert "others took" in found["slow, 2"] and found["fast, 1"] == "no data"


def test_one_that_is_alone_has_the_machine_to_itself(tmp_path: Path) -> None:
    note = f"""
import time
begin = time.time(); time.sleep(0.3)
open(r"{tmp_path}/NAME", "w").write(f"{{begin}} {{time.time()}}")
"""
    jobs = [job("a"), job("b"), job("c", alone=True), job("d")]
    pool.run(jobs, results.File(tmp_path), at_once=4, end=time.monotonic() + 60, make=code(note))
    times = {name: [float(t) for t in (tmp_path / name).read_text().split()] for name in "abcd"}
    assert times["a"][1] > times["b"][0]  # side by side
    assert max(times["a"][1], times["b"][1]) <= times["c"][0] and times["c"][1] <= times["d"][0]


def test_without_a_card_nothing_that_needs_one_is_started(tmp_path: Path) -> None:
    file = results.File(tmp_path)
    needs = {"arguments": {"device": "cuda"}}
    jobs = [job("machine", part="m", kind="machine"), job("checks", **needs), job("other")]
    program = "if 'NAME' == 'machine': raise SystemExit('no card')"
    shared: list[int] = []

    def share() -> dict[str, str]:
        shared.append(1)
        return {}

    pool.run(jobs, file, at_once=2, end=time.monotonic() + 60, before_shared=share, make=code(program))
    assert statuses(file) == {"machine": "failed: no card", "checks": "no CUDA device", "other": "ok"}
    assert not shared


def test_the_table_has_the_last_run_of_each_job(tmp_path: Path) -> None:
    file = results.File(tmp_path)
    tell = in_process.teller(file, "b", "step")
    tell("step", "7 | ms", value=math.nan, more=[1, math.inf])
    file.add({"part": "b", "job": "step", "status": "failed: x", "seconds": 1.0})
    file.add({"part": "m", "job": "machine", "status": "ok", "seconds": 1.0})
    step = job("step", part="b", arguments={"device": "cpu", "path": "/a"})
    assert not file.is_done(step)
    tell("step", "8 ms")
    file.ended(step, "ok", 2.4)
    with file.path.open("a") as lines:
        lines.write('{"part": "c", "jo')  # a kill
    elsewhere, embedded, card = (
        replace(step, arguments={"device": device, "path": path})
        for device, path in (("cpu", "/b"), ("cpu", None), ("cuda", "/a"))
    )
    assert [file.is_done(one) for one in (step, elsewhere, embedded, card)] == [True, True, False, False]
    assert results.table(file.rows()).splitlines()[2:] == [
        "|  | machine | ok | 1 |",
        "| b | step | 8 ms | 2 |",
    ]
    assert json.loads(file.path.read_text().splitlines()[0])["values"] == {"value": None, "more": [1, None]}
    tell("step", "after a cut line")
    assert file.rows()[-1]["said"] == "after a cut line"


def test_a_job_whose_time_is_over_stops_itself(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def forever(*_: object) -> None:
        try:
            while True:
                time.sleep(0.01)
        except Exception:  # as code that takes every failure for its own
            raise AssertionError from None

    monkeypatch.setattr(in_process, "run", forever)
    asked = {"job": job("x").as_dict(), "out": str(tmp_path), "seconds": 0.2}
    monkeypatch.setattr(sys, "argv", ["job", json.dumps(asked)])
    assert in_process.main() == 1


def test_without_its_program_there_is_no_server(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mps.shutil, "which", lambda _: None)
    with mps.Server(wanted=True) as server:
        assert server.start() == {} and "take turns" in server.said


def test_a_server_that_does_not_work_is_stopped_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    control = tmp_path / "control"
    control.write_text(f'#!/bin/sh\nif [ -z "$1" ]; then cat > "{tmp_path}/quit"; fi\n')
    control.chmod(0o755)
    monkeypatch.setattr(mps.shutil, "which", lambda _: str(control))
    monkeypatch.setattr(mps, "PROBE", "raise SystemExit(1)")
    with mps.Server(wanted=True) as server:
        assert server.start() == {} and "did not start" in server.said
    assert (tmp_path / "quit").read_text() == "quit\n"
    monkeypatch.setattr(mps, "PROBE", "")
    with mps.Server(wanted=True) as server:
        found = server.start()
        assert set(found) == {"CUDA_MPS_PIPE_DIRECTORY", "CUDA_MPS_LOG_DIRECTORY"} and server.said == "MPS"
        folder = Path(found["CUDA_MPS_PIPE_DIRECTORY"])
        assert folder.is_dir()
    assert not folder.exists()


def test_checks_are_called_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    def well(device: str) -> None:
        assert device == "cpu"

    def ill(device: str) -> None:
        raise AssertionError("0.2 ms")

    monkeypatch.setattr(checks.cuda_checks, "ANYWHERE", (ill, well))
    told: list[tuple[str, str]] = []
    with pytest.raises(RuntimeError, match="1 checks failed: ill"):
        checks.run(lambda what, said, **_: told.append((what, said)), "cpu")
    assert told == [("ill", "**failed**: AssertionError: 0.2 ms"), ("well", "passed")]


@pytest.mark.parametrize("part", "mbcde")
def test_each_part_on_the_cpu(part: str, tmp_path: Path) -> None:
    jobs = [job for job in toy(tmp_path) if job.part == part and job.missing is None]
    told: list[tuple[str, str, dict[str, Any]]] = []
    for one in {job.arguments.get("method", job.name): job for job in jobs}.values():
        before = len(told)
        in_process.run(
            one.kind, one.arguments, lambda what, said, **values: told.append((what, said, values))
        )
        assert len(told) > before and all(what and said for what, said, _ in told)
    json.dumps(told)
    if part in "de":
        assert {values["method"] for _, _, values in told} >= {"cosine", "constant", "arc_anneal_rollback"}
        assert all(len(values["val_loss"]) == 4 and values["failure"] is None for _, _, values in told)


def test_no_card_is_said_by_the_command(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "benchmarks.gpu", "parts=a", "minutes=2", f"out={tmp_path}"]
    hidden = {"CUDA_VISIBLE_DEVICES": "", "PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT)}
    ran = subprocess.run(command, cwd=ROOT, env=hidden, capture_output=True, text=True, timeout=120)
    assert ran.returncode == 1 and ran.stderr == ""
    assert "| a | checks | **no CUDA device** | 0 |" in ran.stdout
    assert "|  | machine | no CUDA device, torch" in ran.stdout
    assert (tmp_path / "table.md").read_text() == ran.stdout
