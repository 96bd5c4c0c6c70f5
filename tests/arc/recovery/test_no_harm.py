"""A way back does no harm: to parameters that come later, to other runs, to what the user set."""

import math
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import arc
from tests.arc.conftest import Answering
from tests.arc.helpers import epoch, falling
from tests.arc.rolling import one_step, rolling


def test_a_group_added_later_is_restored_along(answering: Answering) -> None:
    model = nn.ModuleList([nn.Linear(2, 2)])
    controller = rolling(answering(arc.Action.KEEP), model)
    for call in range(12):
        epoch(controller, falling(call))
    model.append(nn.Linear(2, 2))
    controller.optimizer.add_param_group({"params": [*model[1].parameters()]})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        epoch(controller, [math.nan] * 10)  # all losses are lost: this has to be restored
        epoch(controller, falling(12))
    assert all(p.isfinite().all() for p in model.parameters())


@pytest.mark.filterwarnings("ignore:Lazy modules")
def test_a_lazy_layer_may_be_there_from_the_start(answering: Answering) -> None:
    model = nn.LazyLinear(2)
    controller = rolling(answering(arc.Action.KEEP), model)
    model(torch.ones(1, 3))
    for call in range(3):
        one_step(controller, model)
        epoch(controller, falling(call))


def test_rollback_may_be_switched_on_at_a_resume(answering: Answering) -> None:
    model, network = nn.Linear(2, 1), answering(arc.Action.KEEP)
    first = rolling(network, model, rollback=False)
    for call in range(12):
        epoch(first, falling(call))
    second = rolling(network, model)
    second.load_state_dict(first.state_dict())
    for call in range(12, 18):
        epoch(second, falling(call))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        epoch(second, [math.nan] * 10)


def test_copies_may_move_from_memory_to_files(answering: Answering, tmp_path: Path) -> None:
    model, network = nn.Linear(2, 1), answering(arc.Action.KEEP)
    first = rolling(network, model)
    for call in range(12):
        epoch(first, falling(call))
    second = rolling(network, model, rollback=tmp_path)
    second.load_state_dict(first.state_dict())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        epoch(second, [math.nan] * 10)


def test_two_runs_that_share_a_folder_keep_their_own_weights(answering: Answering, tmp_path: Path) -> None:
    network = answering(arc.Action.KEEP)
    models = [nn.Linear(2, 1), nn.Linear(2, 1)]
    kept = models[0].weight.clone()
    runs = [rolling(network, model, rollback=tmp_path) for model in models]
    for call in range(12):
        for controller in runs:
            epoch(controller, falling(call))
    nn.init.constant_(models[0].weight, math.nan)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        epoch(runs[0], [math.nan] * 10)
    assert torch.equal(models[0].weight, kept)


def test_a_restore_keeps_the_weight_decay_that_the_user_set(answering: Answering) -> None:
    model = nn.Linear(2, 1)
    controller = rolling(answering(arc.Action.KEEP), model)
    for call in range(12):
        epoch(controller, falling(call))
    controller.optimizer.param_groups[0]["weight_decay"] = 0.5
    nn.init.constant_(model.weight, math.nan)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        epoch(controller, [math.nan] * 10)
    assert model.weight.isfinite().all()
    assert controller.optimizer.param_groups[0]["weight_decay"] == 0.5


def test_a_decision_says_whose_it_is_and_what_it_restored(answering: Answering) -> None:
    model = nn.Linear(2, 1)
    controller: Any = rolling(answering(arc.Action.KEEP), model, period=1)
    for call in range(12):
        epoch(controller, falling(call))
    last: Any = controller.decisions[-1]
    assert (last.source, last.restored) == ("network", None)
    nn.init.constant_(model.weight, math.nan)
    with pytest.warns(UserWarning):
        decision: Any = epoch(controller, [math.nan] * 10)
    assert (decision.source, decision.restored) == ("guard", 12)


def test_the_user_is_told_of_a_restore_and_other_state_comes_back_along(answering: Answering) -> None:
    model, ema, told = nn.Linear(2, 1), nn.Linear(2, 1), []
    controller = rolling(
        answering(arc.Action.KEEP), model, extra_state=[ema], on_restore=lambda *_: told.append(1)
    )
    for call in range(12):
        epoch(controller, falling(call))
    kept = ema.weight.clone()
    for net in (model, ema):
        nn.init.constant_(net.weight, math.nan)
    with pytest.warns(UserWarning):
        epoch(controller, [math.nan] * 10)
    assert told == [1]
    assert torch.equal(ema.weight, kept)


def test_protection_is_the_default_and_needs_no_model(answering: Answering) -> None:
    weight = nn.Parameter(torch.ones(2))
    controller = arc.Controller(torch.optim.SGD([weight], lr=0.1), network=answering(arc.Action.KEEP))
    assert controller.settings.rollback == "auto"
    for call in range(12):
        epoch(controller, falling(call))
    nn.init.constant_(weight, math.nan)
    with pytest.warns(UserWarning):
        epoch(controller, [math.nan] * 10)
    assert weight.tolist() == [1.0, 1.0]


def test_a_restore_writes_into_the_same_memory(answering: Answering) -> None:
    model = nn.Linear(2, 1)
    controller = rolling(answering(arc.Action.KEEP), model)
    for call in range(12):
        one_step(controller, model)
        epoch(controller, falling(call))
    momentum = [s["momentum_buffer"] for s in controller.optimizer.state.values()]
    nn.init.constant_(model.weight, math.nan)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        epoch(controller, [math.nan] * 10)
    assert model.weight.isfinite().all()
    again = [s["momentum_buffer"] for s in controller.optimizer.state.values()]
    assert [m.data_ptr() for m in again] == [m.data_ptr() for m in momentum]
