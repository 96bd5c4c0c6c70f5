"""Mistakes in a task file end a command with one line, which has the remedy, and exit code 2."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from data_gen import generate
from data_gen.generate import GenerateConfig
from tasks import registry
from tasks.errors import TaskError
from tasks.report.stage import ReportConfig, report
from tasks.work import cli
from tests.conftest import TINY

WORKING = Path(TINY).read_text()
CLASS, LOAD, METRIC = "class TinyTask(Task):", "return Splits(split(), split(), split())", "def metric(self"
TORCH = "import torch\n"
HEAD = """from torch.utils.data import DataLoader
from tasks.base import Stream
from tasks.loaders import Loaders
FOUR, SIXTEEN = (DataLoader(list(range(32)), size) for size in (4, 16))
"""
STEP = f"def step(self, run, batch):\n        pass\n\n    {METRIC}"
SILENT = "type('Silent', (Stream,), dict.fromkeys(Stream.__abstractmethods__))()"

CASES = {
    "syntax": (TORCH, "import torch as\n", r"my_task.py:10: invalid syntax"),
    "neighbour": (TORCH, f"import nets\n{TORCH}", "cannot import nets, its neighbour: a task is one file"),
    "package": (TORCH, f"import unheard_of\n{TORCH}", "no module unheard_of: install the package"),
    "numbers": ('"batch_size"', '"batch"', "the numbers of scale=mini are not the fields of TinyTask"),
    "at import": ("together = True", "together = Truth", r"my_task.py:\d+: NameError: name 'Truth'"),
    "two tasks": (CLASS, f"class Other(Task):\n    pass\n\n{CLASS}", "exactly one Task, found 2"),
    "no metric": (METRIC, "def measure(self", r"lacks metric\(\) \(or meter\(\)"),
    "no load": ("def load(self", "def read(self", r"TinyTask in .*my_task.py lacks load\(\)"),
    "own step": (METRIC, STEP, "has together=True, which knows the plain step"),
    "loaders as splits": (LOAD, "return Splits(FOUR, split(), split())", "gave a DataLoader for train"),
    "a loader": (LOAD, "return FOUR", r"load\(\) of TinyTask gave a DataLoader, need tasks.base.Splits"),
    "in a split": (LOAD, "return Splits({'x': FOUR}, split(), split())", r"a DataLoader for train\['x'\]"),
    "an empty split": (LOAD, "return Splits(split(), {}, split())", "gave an empty dict for val"),
    "lengths": (LOAD, "return Splits(split() | {'z': torch.ones(3)}, {}, {})", "'z': 3}, need one row"),
    "batch size": (LOAD, "return Loaders(FOUR, FOUR, FOUR)", "has batch_size=4, TinyTask has 16"),
    "no meter": (LOAD, "return Loaders(SIXTEEN, FOUR, FOUR)", "it needs meter"),
    "no pass": (LOAD, f"return {SILENT}", "Silent needs pass_steps"),
}


def broken(folder: Path, before: str, after: str) -> Path:
    assert before in WORKING
    (folder / "nets.py").write_text("")
    path = folder / "my_task.py"
    path.write_text(HEAD + WORKING.replace(before, after, 1))
    return path


@pytest.mark.parametrize(("before", "after", "message"), CASES.values(), ids=CASES)
@pytest.mark.parametrize("stage", ["data_gen", "tasks.report"])
def test_one_line_and_code_2(
    stage: str, before: str, after: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = broken(tmp_path, before, after)
    stages: dict[str, tuple[Any, ...]] = {
        "data_gen": (GenerateConfig, generate.generate, f"task={path}", "optimizers=[adam]"),
        "tasks.report": (ReportConfig, report, f"tasks={path}"),
    }
    schema, run, *arguments = stages[stage]
    assert cli.main(stage, schema, run, [*arguments, f"out={tmp_path}/out"]) == 2
    shown = capsys.readouterr().err
    assert len(shown.splitlines()) == 1 and shown.startswith(f"{stage}: ")
    assert re.search(message, shown), shown


def test_a_mended_file_is_read_again(tmp_path: Path) -> None:
    path = broken(tmp_path, "import torch\n", "import torch as\n")
    with pytest.raises(TaskError):
        registry.get(str(path))
    path.write_text(WORKING)
    assert registry.get(str(path)).batch_size == 16
