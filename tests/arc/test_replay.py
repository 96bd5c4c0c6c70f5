"""Saved logs of every kind are cut into the calls that a live controller would have had."""

import json
from pathlib import Path
from typing import Any

import pytest

import arc
from arc.view import logs
from arc.view.replay import replay, table
from tests.arc.helpers import epoch, falling, optimizer


def _steps() -> list[dict[str, Any]]:
    """Six epochs of ten steps, as a plain log: one row a step, validation on the epoch's last."""
    rows = []
    for e in range(6):
        for i, loss in enumerate(falling(e)):
            rows.append({"epoch": e, "step": 10 * e + i, "train_loss": loss, "lr": 0.1})
        rows[-1]["val_loss"] = 1.0 / (e + 1)
    return rows


def _csv(rows: list[dict[str, Any]]) -> str:
    names = list(dict.fromkeys(k for row in rows for k in row))
    return "\n".join([",".join(names), *(",".join(str(row.get(n, "")) for n in names) for row in rows)])


def _expected(network: arc.Network) -> list[arc.Decision]:
    controller = arc.Controller(optimizer(0.1), network=network, period=2, mode="advise")
    for e in range(6):
        epoch(controller, falling(e), 1.0 / (e + 1))
    return controller.decisions


def _write_csv(folder: Path) -> Path:
    (folder / "run.csv").write_text(_csv(_steps()))
    return folder / "run.csv"


def _write_jsonl(folder: Path) -> Path:
    (folder / "run.jsonl").write_text("\n".join(json.dumps(row) for row in _steps()) + "\n")
    return folder / "run.jsonl"


def _write_lightning(folder: Path) -> Path:
    """CSVLogger writes losses, LRs and validation into rows of their own, and epoch means as well."""
    rows: list[dict[str, Any]] = []
    for row in _steps():
        rows.append({"epoch": row["epoch"], "lr-SGD": row["lr"], "step": row["step"]})
        rows.append({"epoch": row["epoch"], "step": row["step"], "train_loss_step": row["train_loss"]})
        if "val_loss" in row:
            rows.append({"epoch": row["epoch"], "step": row["step"], "val_loss": row["val_loss"]})
            rows.append({"epoch": row["epoch"], "step": row["step"], "train_loss_epoch": 7.0})
    (folder / "metrics.csv").write_text(_csv(rows))
    return folder


def _write_hugging_face(folder: Path) -> Path:
    history: list[dict[str, Any]] = []
    for row in _steps():
        moment = {"epoch": (row["step"] + 1) / 10, "step": row["step"] + 1}
        history.append({"loss": row["train_loss"], "learning_rate": row["lr"], "grad_norm": 1.0, **moment})
        if "val_loss" in row:
            history.append({"eval_loss": row["val_loss"], "eval_runtime": 0.1, **moment})
    history.append({"train_loss": 0.5, "train_runtime": 1.0, "epoch": 6.0, "step": 60})
    (folder / "trainer_state.json").write_text(json.dumps({"global_step": 60, "log_history": history}))
    return folder


def _write_tensorboard(folder: Path) -> Path:
    from torch.utils.tensorboard import SummaryWriter

    with SummaryWriter(folder) as writer:  # type: ignore[no-untyped-call]
        for row in _steps():
            for name in ("train/loss", "val/loss", "lr"):
                key = {"train/loss": "train_loss", "val/loss": "val_loss"}.get(name, name)
                if key in row:
                    writer.add_scalar(name, row[key], row["step"])  # type: ignore[no-untyped-call]
    return folder


@pytest.mark.filterwarnings("default")  # tensorboard's own
@pytest.mark.parametrize(
    "write", [_write_csv, _write_jsonl, _write_lightning, _write_hugging_face, _write_tensorboard]
)
def test_a_log_brings_the_decisions_of_the_run(
    write: Any, tmp_path: Path, network: arc.Network, shipped: Path
) -> None:
    calls = logs.calls(logs.read(write(tmp_path)))
    assert [len(call.train_loss) for call in calls] == [10] * 6
    decisions = replay(calls, period=2).decisions
    for ours, expected in zip(decisions, _expected(network), strict=True):
        assert ours.probabilities == pytest.approx(expected.probabilities, abs=1e-5)
        assert ours.lr_after == pytest.approx(expected.lr_after)
    assert len(table(decisions).splitlines()) == 4


def test_without_validation_epochs_end_calls() -> None:
    rows = [{k: v for k, v in row.items() if k != "val_loss"} for row in _steps()]
    assert [len(call.train_loss) for call in logs.calls(rows)] == [10] * 6
    fractions = [{**row, "epoch": (row["step"] + 1) / 10} for row in rows]
    assert [len(call.train_loss) for call in logs.calls(fractions)] == [10] * 6


def test_without_epochs_every_row_is_a_call() -> None:
    assert len(logs.calls([{"loss": 1.0}, {"loss": 0.5}])) == 2


def test_names_can_be_given() -> None:
    (call,) = logs.calls([{"a": 1.0, "b": 2.0, "c": 0.1}], train_loss="a", val_loss="b", lr="c")
    assert call == logs.Interval(train_loss=(1.0,), val_loss=2.0, lr=0.1)


@pytest.mark.parametrize(
    "name, content, message",
    [
        ("run.csv", "", "empty"),
        ("run.jsonl", "{broken", "cannot read"),
        ("run.json", "[1, 2]", "one JSON object a line"),
        ("run.csv", "time,speed\n1,2\n", "no training loss among time, speed"),
        ("run.csv", "train_loss\nabc\n", "no training loss among nothing"),
    ],
)
def test_what_is_no_log_is_told(tmp_path: Path, name: str, content: str, message: str) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(logs.LogError, match=message):
        logs.calls(logs.read(tmp_path / name))


def test_missing_files_and_names_are_told(tmp_path: Path) -> None:
    with pytest.raises(logs.LogError, match="no file"):
        logs.read(tmp_path / "none.csv")
    with pytest.raises(logs.LogError, match="found 0 logs"):
        logs.read(tmp_path)
    with pytest.raises(logs.LogError, match="no 'x' in the log, it has loss"):
        logs.calls([{"loss": 1.0}], val_loss="x")


@pytest.mark.usefixtures("shipped")
def test_a_schedule_that_ends_at_zero_is_replayed() -> None:
    calls = logs.calls([{"loss": 1.0 / (i + 1), "lr": 0.1 * (6 - i)} for i in range(7)])
    assert calls[-1].lr == 0.0
    assert [d.epoch for d in replay(calls).decisions] == [3, 6]
    with pytest.raises(logs.LogError, match="0 in every call"):
        replay(calls[-1:])


@pytest.mark.usefixtures("shipped")
def test_an_lr_is_needed() -> None:
    calls = logs.calls([{"loss": 1.0}] * 6)
    with pytest.raises(logs.LogError, match=r"--lr 0\.001"):
        replay(calls)
    assert len(replay(calls, lr=0.1).decisions) == 2
    with pytest.raises(logs.LogError, match="no training loss before"):
        replay([])


def test_reasons_are_wrapped_within_a_terminal(network: arc.Network) -> None:
    decisions = _expected(network)
    lines = table(decisions, width=80).splitlines()
    assert max(map(len, lines)) <= 80 and len(lines) > 4
    words = " ".join(line[lines[0].index("reason") :] for line in lines[1:])
    assert words == " ".join(decision.reason for decision in decisions)
