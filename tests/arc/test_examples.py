"""Every example runs, is short, and reports decisions."""

import runpy
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "examples"
EXAMPLES = sorted(p for p in FOLDER.glob("*.py") if p.stem != "demo")  # make demo is longer


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
    printed = capsys.readouterr().out
    assert "epoch 3: LR " in printed and ", p=0." in printed
