"""The commands of docs/add_a_task.md: each of its tasks is alive, as they say it."""

from __future__ import annotations

import re
import runpy
import shlex
import sys
from pathlib import Path

import pandas as pd
import pytest

from tasks.report.stage import ReportConfig, report
from tasks.work import cli

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/add_a_task.md").read_text()
COMMANDS = [block.strip() for block in re.findall(r"```bash\n(.*?)```", PAGE, re.DOTALL)]


def run(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    python, *words = shlex.split(command)
    assert python == "python"
    if words[:2] == ["-m", "tasks.report"]:
        monkeypatch.setattr(sys, "argv", ["tasks.report", *words[2:]])
        assert cli.main("tasks.report", ReportConfig, report, words[2:]) == 0
    else:
        monkeypatch.setattr(sys, "argv", words)
        runpy.run_path(words[0], run_name="__main__")


def test_there_are_three() -> None:
    shown = re.findall(r"<!-- (examples/tasks/\w+\.py): python docs/examples.py -->", PAGE)
    assert len(COMMANDS) == 3 == len(shown)
    assert all(file in command for file, command in zip(shown, COMMANDS, strict=True))


@pytest.mark.parametrize("commands", COMMANDS, ids=["tensors", "files", "stream"])
def test_a_task_of_the_page_is_alive(commands: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    for command in commands.splitlines():
        run(command, monkeypatch)
    (written,) = (tmp_path / "runs").glob("*_report/report.parquet")
    (verdict,) = pd.read_parquet(written).to_dict("records")
    assert verdict["alive"], list(verdict["failed"])
