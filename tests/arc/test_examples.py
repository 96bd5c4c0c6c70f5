"""Every example runs, is short, and reports decisions."""

import math
import re
import runpy
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

import arc
from tests.arc.helpers import run_module

FOLDER = Path(__file__).parents[2] / "examples"
OTHERS = {"demo", "pretrain_muon_adamw", "fsdp2_checkpoint"}  # make demo, and recipes of their own kind
OTHERS |= {"arc_plugin", "torchtitan_trainer"}  # test_plugins.py
EXAMPLES = sorted(p for p in FOLDER.glob("*.py") if p.stem not in OTHERS)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
@pytest.mark.filterwarnings("default")  # the frameworks' own
@pytest.mark.usefixtures("shipped")
def test_the_example_runs(
    example: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert len(example.read_text().splitlines()) < 40
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", [str(example), "6"])
    runpy.run_path(str(example), run_name="__main__")
    said = capsys.readouterr()
    first = re.search(
        r"(call|epoch) [23](  lr |: LR ).*, p=0\.", said.out + said.err
    )  # Lightning counts from 0
    assert first, "a decision is said once it is made"


def test_fsdp2_with_a_distributed_checkpoint_resumes_exactly(tmp_path: Path) -> None:
    run_module("fsdp2_worker", tmp_path, timeout=600)
    whole, parts = ((tmp_path / name / "0.txt").read_text() for name in ("whole", "parts"))
    assert whole == parts and len(whole.splitlines()) == 4 and "raise" in whole


class _Killed(BaseException):
    pass


@pytest.mark.usefixtures("shipped")
@pytest.mark.filterwarnings("ignore::arc.decision.RecoveryWarning")
def test_pretraining_with_muon_and_adamw_resumes_exactly(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One controller for both; a run that is killed between two checkpoints ends as an unbroken one."""

    def run(folder: str) -> dict[str, Any]:
        (tmp_path / folder).mkdir(exist_ok=True)
        monkeypatch.chdir(tmp_path / folder)
        monkeypatch.setattr(sys, "argv", ["recipe", "24", "3"])
        return runpy.run_path(str(FOLDER / "pretrain_muon_adamw.py"), run_name="__main__")

    whole = run("whole")
    said = capsys.readouterr()
    lines = said.out.splitlines()
    assert [line.split(":")[0] for line in lines] == [f"step {3 * i}" for i in range(1, 9)]
    assert said.err.startswith("step 9  lr ") and "\ncall " not in said.err
    step, calls = arc.Controller.step, 0

    def killed(controller: arc.Controller, *args: Any, **more: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == 5:
            raise _Killed
        return step(controller, *args, **more)

    with monkeypatch.context() as patch:
        patch.setattr(arc.Controller, "step", killed)
        with pytest.raises(_Killed):
            run("broken")
    again = run("broken")
    assert capsys.readouterr().out.splitlines() == lines
    assert whole["start"] == 0 and again["start"] == 12
    assert again["controller"].decisions == whole["controller"].decisions != []
    for one, other in zip(whole["model"].parameters(), again["model"].parameters(), strict=True):
        assert torch.equal(one, other)
    muon, adamw = again["controller"].optimizers
    moved = math.prod(decision.multiplier for decision in again["controller"].decisions)
    assert [one.param_groups[0]["lr"] for one in (muon, adamw)] == pytest.approx([1e-3 * moved] * 2)
