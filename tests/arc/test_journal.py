"""The log of a run: what is written is read, replayed, resumed and shown."""

import json
import math
import shutil
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import arc
from arc.view import journal, logs
from arc.view.page import page
from arc.view.replay import replay
from arc.view.watch import watch
from tests.arc.conftest import Answering
from tests.arc.helpers import epoch, falling, optimizer

pytestmark = pytest.mark.filterwarnings("ignore::arc.decision.RecoveryWarning")


def _run(network: arc.Network, folder: Path, epochs: int = 9, **settings: Any) -> arc.Controller:
    controller = arc.Controller(optimizer(0.1), network=network, log_dir=folder, **settings)
    for e in range(epochs):
        epoch(controller, falling(e), 1.0 / (e + 1))
    return controller


def test_the_log_holds_settings_calls_and_decisions(network: arc.Network, tmp_path: Path) -> None:
    controller = _run(network, tmp_path, total_calls=9)
    log = journal.read(tmp_path)
    assert log.decisions == controller.decisions
    assert [call.epoch for call in log.calls] == list(range(1, 10))
    assert log.calls[0].train_loss == pytest.approx(sum(falling(0)) / 10)
    assert log.settings["total_calls"] == 9 and log.settings["undo"] is True


def test_a_log_with_the_old_name_of_the_total_is_read(network: arc.Network, tmp_path: Path) -> None:
    _run(network, tmp_path, total_calls=9)
    file = tmp_path / journal.FILE
    file.write_text(file.read_text().replace("total_calls", "total_epochs"))
    assert journal.read(tmp_path).settings["total_calls"] == 9


def test_a_replay_of_the_log_sees_what_the_controller_saw(network: arc.Network, tmp_path: Path) -> None:
    controller = _run(network, tmp_path)
    shipped = tmp_path / "controller"
    arc.weights.save(network, shipped, {}, "# card\n")
    again = replay(logs.calls(logs.read(tmp_path / journal.FILE)), path=shipped)
    assert len(again.decisions) == 3
    for one, other in zip(controller.decisions, again.decisions, strict=True):
        assert other.probabilities == pytest.approx(one.probabilities, abs=1e-4)


def test_long_epochs_are_thinned_evenly(network: arc.Network, tmp_path: Path) -> None:
    controller = arc.Controller(optimizer(0.1), network=network, log_dir=tmp_path)
    for _ in range(3):
        epoch(controller, [1 / (1 + i) for i in range(1000)], 1.0)
    rows = [json.loads(line) for line in (tmp_path / journal.FILE).read_text().splitlines()[1:]]
    assert [len(row["train_losses"]) for row in rows] == [125, 125, 125]


def test_a_resumed_run_goes_on_in_its_log(network: arc.Network, tmp_path: Path) -> None:
    whole = _run(network, tmp_path / "whole")
    first = _run(network, tmp_path / "parts", epochs=4)
    state = first.state_dict()
    for e in (4, 5):  # done after the checkpoint, lost with the process
        epoch(first, falling(e), 9.0)
    resumed = arc.Controller(first.optimizer, network=network, log_dir=tmp_path / "parts")
    first.optimizer.param_groups[0]["lr"] = journal.read(tmp_path / "parts").calls[3].lr
    resumed.load_state_dict(state)
    for e in range(4, 9):
        epoch(resumed, falling(e), 1.0 / (e + 1))
    assert journal.read(tmp_path / "parts").calls == journal.read(tmp_path / "whole").calls
    assert resumed.decisions == whole.decisions


def test_a_run_that_starts_again_replaces_the_log(network: arc.Network, tmp_path: Path) -> None:
    _run(network, tmp_path, epochs=5)
    _run(network, tmp_path, epochs=2)
    assert len(journal.read(tmp_path).calls) == 2


def test_an_unfinished_line_is_left_out(network: arc.Network, tmp_path: Path) -> None:
    _run(network, tmp_path, epochs=4)
    file = tmp_path / journal.FILE
    file.write_bytes(file.read_bytes()[:-20])
    assert len(journal.read(tmp_path).calls) == 3
    file.write_text("hello\n")
    with pytest.raises(ValueError, match="line 1 is not of a controller's log"):
        journal.read(tmp_path)


def test_the_page_needs_nothing_from_elsewhere(network: arc.Network, tmp_path: Path) -> None:
    controller = _run(network, tmp_path, total_calls=20)
    log = journal.read(tmp_path)
    shown = page("<my run>", log, refresh=3)
    assert (
        "http:" not in shown and "https:" not in shown and "<script" not in shown and "@import" not in shown
    )
    assert "&lt;my run&gt;" in shown and 'http-equiv="refresh"' in shown and "9 of 20" in shown
    assert all(decision.reason in shown for decision in controller.decisions)
    assert shown.count('class="mark ') == 2 * len(controller.decisions)  # wide and narrow


@pytest.mark.parametrize("loss", [math.nan, math.inf, 0.0, -1.0, 1e300])
def test_odd_losses_are_drawn_around(network: arc.Network, tmp_path: Path, loss: float) -> None:
    controller = _run(network, tmp_path, epochs=3)
    for value in (loss, loss, 0.1):
        epoch(controller, [value])
    assert page("odd", journal.read(tmp_path)).count("<svg") == 4


def test_watch_follows_until_the_last_call(network: arc.Network, tmp_path: Path) -> None:
    said: list[str] = []
    _run(network, tmp_path / "source", epochs=6, total_calls=6)
    lines = (tmp_path / "source" / journal.FILE).read_text().splitlines(keepends=True)
    run = tmp_path / "run"

    def a_moment_later(_: float) -> None:
        """The run begins, then makes its calls, some at a time."""
        run.mkdir(exist_ok=True)
        done = len((run / journal.FILE).read_text().splitlines()) if (run / journal.FILE).exists() else 0
        (run / journal.FILE).write_text("".join(lines[: done + 3]))
        if done > 3:
            assert 'http-equiv="refresh"' in (run / "arc.html").read_text()

    watch(run, say=said.append, pause=a_moment_later)
    assert said[0].startswith("waiting for") and sum("page: " in line for line in said) == 1
    assert [int(line.split()[0]) for line in said if line.strip()[0].isdigit()] == [1, 2, 3, 4, 5, 6]
    assert 'http-equiv="refresh"' not in (run / "arc.html").read_text()
    shutil.rmtree(run)
    with pytest.raises(ValueError, match="log_dir"):
        watch(run, say=said.append, follow=False)


def test_watch_says_why_and_names_rewinds(answering: Answering, tmp_path: Path) -> None:
    model = nn.Linear(2, 1)
    sgd = torch.optim.SGD(model.parameters(), lr=0.1)
    network = answering(arc.Action.KEEP)
    controller = arc.Controller(sgd, network=network, period=1, rollback=True, log_dir=tmp_path)
    nn.init.constant_(model.weight, math.nan)
    epoch(controller, falling(0))
    epoch(controller, falling(1))
    said: list[str] = []
    watch(tmp_path, say=said.append, follow=False)
    first, second = controller.decisions
    assert said[1].endswith(f"rewind to the initial state x0.1 to 1.00e-02: {first.reason}")
    assert said[2].endswith(f"keep to 1.00e-02: {second.reason}")
    shown = (tmp_path / "arc.html").read_text()
    assert '<td class="action lower">rewind</td>' in shown
    said.clear()
    watch(tmp_path, say=said.append, follow=False, width=80)
    lines = [line for text in said[1:3] for line in text.splitlines()]
    assert len(lines) > 4 and max(map(len, lines)) <= 80
    assert first.reason in " ".join(line.strip() for line in lines)
    assert "rewind" in [text.get_text() for text in controller.plot().axes[0].get_legend().get_texts()]  # type: ignore[union-attr]


def test_everything_shows_what_the_weights_say_of_the_lr(tmp_path: Path) -> None:
    """Cosine and estimated distance: in the log, in watch, on the page, in the figure, for TensorBoard."""
    writer = _Writer()
    weight = nn.Parameter(torch.ones(2000))
    sgd = torch.optim.SGD([weight], lr=0.01)
    controller = arc.Controller(sgd, log_dir=tmp_path, writer=writer, rollback=False)
    for e in range(3):
        for i in range(10):
            with torch.no_grad():
                weight.add_(1e-3)
            controller.record(1.0 / (1 + 10 * e + i))
        controller.step(val_loss=1.0 / (1 + e))
    calls = journal.read(tmp_path).calls
    assert calls[0].cosine is None and calls[2].cosine == pytest.approx(1, abs=1e-3)
    assert all(call.distance is not None for call in calls)
    said: list[str] = []
    watch(tmp_path, say=said.append, follow=False)
    assert f"  1.00 {calls[2].distance:+5.1f}" in said[3]
    shown = (tmp_path / "arc.html").read_text()
    assert shown.count("<svg") == 8 and "LR above (+) or below (-) the best" in shown
    assert [axes.get_ylabel().split()[0] for axes in controller.plot().axes[2:]] == ["LR", "cosine"]
    assert {"arc/cosine", "arc/distance"} <= {name for name, _, _ in writer.scalars}


@pytest.mark.parametrize(
    "losses, scale", [([2.0, 1.0, 0.1], "log"), ([2.0, 1.0, 0.3], "linear"), ([2.0, 0.1, -1.0], "linear")]
)
def test_losses_over_decades_are_drawn_on_a_logarithmic_axis(
    network: arc.Network, losses: list[float], scale: str
) -> None:
    controller = arc.Controller(optimizer(0.1), network=network)
    for loss in [*losses, math.nan, math.inf]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            epoch(controller, [loss], 1.0)
    assert controller.plot().axes[1].get_yscale() == scale


def test_on_a_phone_a_reason_is_as_wide_as_the_page(network: arc.Network, tmp_path: Path) -> None:
    """Nothing beside it, and no least width that would cut it at 400 px."""
    controller = _run(network, tmp_path)
    shown = page("run", journal.read(tmp_path))
    phone = shown.split("@media (max-width: 640px)")[1].split("</style>")[0]
    assert "grid-column: 1 / -1; min-width: 0" in phone
    assert shown.count('<td class="reason">') == len(controller.decisions)


class _Writer:
    def __init__(self) -> None:
        self.scalars: list[tuple[str, float, int]] = []
        self.texts: list[tuple[str, str, int]] = []

    def add_scalar(self, name: str, value: float, step: int) -> None:
        self.scalars.append((name, value, step))

    def add_text(self, name: str, text: str, step: int) -> None:
        self.texts.append((name, text, step))


def test_a_writer_gets_scalars_and_reasons(network: arc.Network) -> None:
    writer = _Writer()
    controller = arc.Controller(optimizer(0.1), network=network, writer=writer)
    for e in range(3):
        epoch(controller, falling(e), 1.0 / (e + 1))
    assert ("arc/val_loss", 0.5, 2) in writer.scalars and ("arc/lr", 0.1, 1) in writer.scalars
    assert [text.split(": ", 1)[1] for _, text, _ in writer.texts] == [controller.decisions[0].reason]
    with pytest.raises(TypeError, match="SummaryWriter"):
        arc.Controller(optimizer(0.1), network=network, writer="runs")


@pytest.mark.filterwarnings("default")  # protobuf's own
def test_tensorboard_reads_scalars_and_hyperparameters(network: arc.Network, tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from torch.utils.tensorboard import SummaryWriter

    writer = SummaryWriter(str(tmp_path))
    controller = arc.Controller(optimizer(0.1), network=network, writer=writer, total_calls=30)
    for e in range(3):
        epoch(controller, falling(e), 1.0 / (e + 1))
    writer.close()
    found = EventAccumulator(str(tmp_path))
    found.Reload()
    assert [event.value for event in found.Scalars("arc/lr")] == pytest.approx([0.1] * 3)
    assert len(found.Scalars("arc/p_raise")) == 1
    hyperparameters = found.SummaryMetadata("_hparams_/session_start_info").plugin_data.content
    assert b"total_calls" in hyperparameters and b"undo" in hyperparameters
