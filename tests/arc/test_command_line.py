"""``python -m arc``: replay, info, try."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from arc.__main__ import main
from arc.view import try_out

pytestmark = pytest.mark.usefixtures("shipped")


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_replay_prints_a_table_and_draws(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [{"loss": 1.0 / (i + 1), "val_loss": 1.0 / (i + 1), "lr": 0.1} for i in range(9)]
    Path("run.jsonl").write_text("\n".join(map(json.dumps, rows)))
    assert main(["replay", "run.jsonl"]) == 0
    out = capsys.readouterr().out
    assert "9 calls, 3 decisions" in out and "validation loss falling over 3 epochs" in out
    assert Path("replay.png").stat().st_size > 1000


def test_info_prints_the_card_and_what_it_costs(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["info"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("# A seeded network")
    (sizes,) = (line for line in out.splitlines() if line.startswith("| parameters"))
    assert [part.strip() for part in sizes.split("|")[2:5]] == ["1 M", "10 M", "100 M"]
    assert "host memory for two copies" in out and "benchmarks.rescue" in out


def test_try_trains_twice_from_every_lr(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["try", "--epochs", "4", "--figure", "picture.png"]) == 0
    out = capsys.readouterr().out
    rows = [line.split() for line in out.splitlines() if "e-0" in line or "e+0" in line]
    assert [row[0] for row in rows] == ["1e-05", "1e-04", "1e-03", "1e-02", "1e-01", "1e+00"]
    assert "epochs/s" not in out  # no bar in a pipe
    assert Path("picture.png").stat().st_size > 1000


def test_try_of_one_lr_says_every_decision(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["try", "--lr", "1e-5", "--epochs", "4", "--figure", "picture.png"]) == 0
    assert "action" in capsys.readouterr().out


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["replay", "none.csv"], "no file none.csv"),
        (["info", "nowhere"], "no config.json in nowhere"),
        (["try", "--epochs", "0"], "got --epochs 0"),
        (["try", "--lr", "-1", "--epochs", "1"], "learning rate: -1"),
        (["replay", "run.csv", "--period", "0"], "got period=0"),
        (["replay", "run.csv", "--policy", "best"], "got policy='best'"),
    ],
)
def test_what_cannot_be_done_is_one_line(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("run.csv").write_text("train_loss,val_loss,lr\n1.0,1.0,0.1\n")
    assert main(arguments) == 2
    error = capsys.readouterr().err
    assert message in error and error.startswith("error: ") and error.count("\n") == 1


def test_try_takes_one_thread_and_gives_the_others_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a busy machine the second thread of a tiny net cost six times the CPU time of the first."""
    seen, train = [], try_out.run

    def watched(**told: Any) -> try_out.Outcome:
        seen.append(torch.get_num_threads())
        return train(**told)

    monkeypatch.setattr(try_out, "run", watched)
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        assert main(["try", "--lr", "0.01", "--epochs", "1", "--figure", "picture.png"]) == 0
        assert seen == [1, 1] and torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)
