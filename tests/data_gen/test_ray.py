"""``executor=ray``: the rows of local processes, the same books, nothing left running."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.data_gen.test_generate import ROOT, SMALL, contents, run_units


def test_a_local_ray_makes_the_same_rows_and_books_failures(tmp_path):
    pytest.importorskip("ray", reason="ray has no wheel for this Python; pip install 'arc-lr[ray]'")
    run_units(tmp_path / "calm", "runs=3")
    arguments = [str(tmp_path / "mark"), *SMALL, "runs=3", f"out=file://{tmp_path}/ray"]
    command = [sys.executable, "-W", "error", "-m", "tests.data_gen.on_ray", *arguments]
    environment = os.environ | {"PYTHONPATH": str(ROOT), "ARC_TEST": str(tmp_path)}
    environment.pop("RAY_ADDRESS", None)
    ended = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    found = json.loads(ended.stdout.splitlines()[-1])  # Ray has said things before
    assert contents(tmp_path / "ray") == contents(tmp_path / "calm")
    assert "3 trials, 6 rows written" in ended.stderr
    assert (found["code"], found["done"], found["left"]) == (0, 2, 0)
    assert "RuntimeError: a loss that nobody expected" in found["failures"].pop("raises")
    assert found["failures"] == {"hangs": "it took longer than its time-out (tries: 2)"}
    assert [pid for pid in processes() if f"ARC_TEST={tmp_path}" in environ(pid)] == []


def processes() -> list[Path]:
    return [p for p in Path("/proc").iterdir() if p.name.isdigit()]


def environ(process: Path) -> list[str]:
    """A process's environment; empty where it is gone or another user's."""
    try:
        return (process / "environ").read_text(errors="replace").split("\0")
    except OSError:
        return []
