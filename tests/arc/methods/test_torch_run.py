from __future__ import annotations

import math
import random
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import mse_loss
from torch.utils.data import DataLoader, TensorDataset

from arc.methods.run import Closure, Cost, get_lr, set_lr
from arc.methods.torch_run import TorchRun
from arc.optimizers.learning_rates import load_state
from tests.arc.methods.problems import OPTIMIZERS, classifier, parameters_of


@pytest.mark.parametrize("optimizer", list(OPTIMIZERS))
@pytest.mark.parametrize("position", [0, 3, 8, 13])
def test_a_snapshot_continues_bit_for_bit(optimizer: str, position: int) -> None:
    run = classifier(optimizer)
    if position:
        run.train(position)
    snapshot = run.snapshot()
    expected = [run.train(9), parameters_of(run), torch.rand(1), np.random.rand(), random.random()]  # noqa: NPY002
    for _ in range(2):  # a snapshot stays valid
        run.restore(snapshot)
        assert run.step_count == position
        assert run.train(9) == expected[0]
        assert torch.equal(parameters_of(run), expected[1])
        assert [torch.rand(1), np.random.rand(), random.random()] == expected[2:]  # noqa: NPY002


def test_a_loader_with_its_own_generator_is_restored() -> None:
    inputs = torch.arange(12.0).reshape(12, 1)
    loader = DataLoader(
        TensorDataset(inputs), batch_size=3, shuffle=True, generator=torch.Generator().manual_seed(1)
    )
    seen: list[list[float]] = []

    def loss_fn(model: nn.Module, batch: list[Tensor]) -> Tensor:
        seen.append(batch[0].flatten().tolist())
        return mse_loss(model(batch[0]), batch[0])

    model = nn.Linear(1, 1)
    run = TorchRun(model, torch.optim.SGD(model.parameters(), lr=1e-4), loss_fn, loader)
    run.train(5)
    snapshot = run.snapshot()
    run.train(6)
    expected = seen[5:]
    run.sample(7, seed=1)
    run.restore(snapshot)
    seen.clear()
    run.train(6)
    assert seen == expected


def test_a_snapshot_loads_with_weights_only(tmp_path: Any) -> None:
    run = classifier("adam")
    run.train(5)
    torch.save(run.snapshot(), tmp_path / "run.pt")
    expected = run.train(4)
    other = classifier("adam", seed=5)
    other.restore(torch.load(tmp_path / "run.pt", weights_only=True))
    assert other.train(4) == expected


def test_measuring_leaves_no_trace_and_is_repeatable() -> None:
    run, twin = classifier(), classifier()
    twin.train(3)
    expected = twin.train(6)
    torch.manual_seed(0)
    run = classifier()
    run.train(3)
    batches = run.sample(20, seed=1)
    first = run.loss(batches)
    run.validate()
    assert run.model.training
    assert run.loss(batches) == first
    assert run.train(6) == expected
    assert len(batches) == 20


def test_statistics_are_updated_only_on_request() -> None:
    run = classifier()
    before = run.model[1].running_mean.clone()
    run.loss(run.sample(2, seed=1))
    assert torch.equal(run.model[1].running_mean, before)
    run.loss(run.sample(2, seed=1), update_statistics=True)
    assert not torch.equal(run.model[1].running_mean, before)


def test_every_use_is_counted() -> None:
    run = classifier()
    run.train(3)
    run.loss(run.sample(5, seed=1))
    run.validate()
    run.snapshot()
    size = sum(v.numel() * v.element_size() for v in run.model.state_dict().values())
    cost = run.cost.as_dict()
    assert cost.pop("seconds") > 0
    assert cost == {"forwards": 9, "backwards": 3, "steps": 3, "snapshots": 1, "snapshot_bytes": size}
    assert run.cost.passes == 15


def test_a_closure_sees_the_same_draws_and_trials_leave_no_trace() -> None:
    run, twin = classifier(), classifier()

    def trying(closure: Closure) -> float:
        loss = closure.backward()
        assert closure.loss() == pytest.approx(loss, rel=1e-6)
        assert closure.loss() == closure.loss()
        run.optimizer.step()
        return loss

    torch.manual_seed(3)
    expected = twin.train(10)
    torch.manual_seed(3)
    assert run.train(10, trying) == pytest.approx(expected, rel=1e-6)
    assert torch.equal(run.model[1].running_mean, twin.model[1].running_mean)
    assert (run.cost.forwards, run.cost.backwards, run.cost.steps) == (40, 10, 10)


def test_training_modes_survive_validation() -> None:
    run = classifier()
    run.model[1].eval()  # a frozen BatchNorm
    run.validate()
    assert run.model.training and run.model[3].training and not run.model[1].training


def test_tensor_lrs_stay_the_same_tensors() -> None:
    model = nn.Linear(1, 1)
    lr = torch.tensor(0.1)
    optimizer = torch.optim.Adam(model.parameters(), lr=lr, capturable=False)
    set_lr(optimizer, 0.2)
    assert optimizer.param_groups[0]["lr"] is lr
    saved = optimizer.state_dict()
    saved = {**saved, "param_groups": [{**saved["param_groups"][0], "lr": torch.tensor(0.3)}]}
    load_state(optimizer, saved)
    assert optimizer.param_groups[0]["lr"] is lr
    assert get_lr(optimizer) == pytest.approx(0.3)


def test_a_snapshot_has_all_of_the_model_not_what_the_optimizer_trains_alone() -> None:
    """An average of the weights that an overridden update keeps as a frozen parameter goes back, too."""
    run = classifier("sgd")
    run.model.average = nn.Parameter(torch.zeros(2), requires_grad=False)
    snapshot = run.snapshot()
    run.model.average.data += 1
    run.restore(snapshot)
    assert run.model.average.tolist() == [0, 0]


@pytest.mark.parametrize("lr", [0.0, -1.0, math.nan, math.inf])
def test_an_impossible_lr_is_refused(lr: float) -> None:
    with pytest.raises(ValueError, match=f"got lr={lr}, need a positive, finite LR"):
        set_lr(classifier().optimizer, lr)


def test_bad_batches_are_refused_with_the_remedy() -> None:
    model = nn.Linear(1, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

    class Endless:
        def __iter__(self) -> Any:
            while True:
                yield torch.ones(1, 1)

    def make(batches: Any, **kwargs: Any) -> TorchRun:
        return TorchRun(model, optimizer, lambda m, b: m(b).sum(), batches, **kwargs)

    with pytest.raises(TypeError, match="can be read only once"):
        make(iter([1]))
    with pytest.raises(TypeError, match="has no length, pass steps_per_epoch="):
        make(Endless())
    assert len(make(Endless(), steps_per_epoch=3).train(7)) == 7
    with pytest.raises(ValueError, match="ended after 1 batches, expected 2"):
        make([torch.ones(1, 1)], steps_per_epoch=2).train(2)
    with pytest.raises(ValueError, match="empty"):
        make([]).sample(1, seed=1)
    with pytest.raises(ValueError, match="pass val_fn="):
        make([1]).validate()


def test_costs_subtract() -> None:
    assert Cost(forwards=3, steps=2) - Cost(forwards=1) == Cost(forwards=2, steps=2)


def test_the_update_may_be_overridden() -> None:
    class Clipped(TorchRun):
        def update(self, batch: Any) -> Tensor:
            self.optimizer.zero_grad()
            loss = self.loss_fn(self.model, batch)
            loss.backward()
            nn.utils.clip_grad_norm_(self.model.parameters(), 1e-3)
            self.optimizer.step()
            return loss

    base = classifier("sgd", lr=1.0)
    run = Clipped(base.model, base.optimizer, base.loss_fn, base.train_batches)
    before = parameters_of(run)
    run.train(4)
    assert 0 < (parameters_of(run) - before).norm() <= 4e-3 + 1e-6
