"""The recipes for axolotl and torchtitan, whose own commands need an accelerator.

axolotl's plug-in manager is the real one, where it is installed: ``pip install --no-deps axolotl addict``
(its other requirements exclude the ones of these tests). torchtitan's trainer cannot be imported without
triton: a stand-in makes its calls, in the order of torchtitan 0.3.0.
"""

import runpy
import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR

import arc
from tests.arc.conftest import Answering

FOLDER = Path(__file__).parents[2] / "examples"


@pytest.mark.usefixtures("shipped")
@pytest.mark.filterwarnings("default")  # the frameworks' own
def test_axolotls_manager_hands_the_callback_to_its_trainer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = pytest.importorskip("axolotl.integrations.base")
    from tests.arc.integrations.test_transformers import train

    monkeypatch.syspath_prepend(FOLDER)
    manager = base.PluginManager.get_instance()
    monkeypatch.setattr(manager, "plugins", {})
    manager.register("arc_plugin.ARCPlugin")
    (callback,) = manager.add_callbacks_post_trainer(cfg=None, trainer=None)
    train(tmp_path, callback)
    assert [decision.epoch for decision in callback.controller.decisions] == [3]


class Titan:
    """The part of torchtitan's ``Trainer`` that the recipe builds on: two micro-batches a step."""

    @dataclass(kw_only=True, slots=True)
    class Config:
        training: Any
        lr_scheduler: Any

    def __init__(self, config: Any) -> None:
        self.config, self.step = config, 0
        torch.manual_seed(0)
        self.net = nn.Linear(4, 1)
        self.optimizers = [
            torch.optim.SGD([p], lr=lr) for p, lr in zip(self.net.parameters(), (0.01, 0.1), strict=True)
        ]
        ramp = config.lr_scheduler.warmup_steps
        self.lr_schedulers = [LambdaLR(o, lambda step: min(1, (step + 1) / ramp)) for o in self.optimizers]

    def forward_backward_step(self, *, inputs: Tensor) -> Tensor:
        loss: Tensor = (self.net(inputs) - 1).square().sum() / 16
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    def train_step(self, data_iterator: Any) -> None:
        for optimizer in self.optimizers:
            optimizer.zero_grad()
        for _ in range(2):
            self.forward_backward_step(inputs=next(data_iterator))
        for part in (*self.optimizers, *self.lr_schedulers):
            part.step()

    def train(self, steps: int) -> None:
        generator = torch.Generator().manual_seed(self.step)
        batches = iter(lambda: torch.randn(8, 4, generator=generator), None)
        for _ in range(steps):
            self.step += 1
            self.train_step(batches)

    def resume(self, other: Any) -> None:
        """As from a checkpoint: the optimizers' LRs come back, of the schedulers the step alone."""
        self.step = other.step
        for mine, old in zip(self.optimizers, other.optimizers, strict=True):
            mine.load_state_dict(old.state_dict())
        for scheduler in self.lr_schedulers:
            scheduler.last_epoch = self.step


@pytest.fixture
def recipe(monkeypatch: pytest.MonkeyPatch, answering: Answering) -> Any:
    module = ModuleType("torchtitan.trainer")
    module.Trainer = Titan  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "torchtitan", ModuleType("torchtitan"))
    monkeypatch.setitem(sys.modules, "torchtitan.trainer", module)
    network, made = answering(arc.Action.RAISE), arc.Controller
    monkeypatch.setattr(
        arc, "Controller", lambda *args, **more: made(*args, network=network, verbose=False, **more)
    )
    return runpy.run_path(str(FOLDER / "torchtitan_trainer.py"))["ARCTrainer"]


def _config(recipe: Any, steps: int, warmup: int = 2) -> Any:
    training, ramp = SimpleNamespace(steps=steps), SimpleNamespace(warmup_steps=warmup)
    return recipe.Config(training=training, lr_scheduler=ramp, every=4)


def _lrs(trainer: Any) -> list[float]:
    return [optimizer.param_groups[0]["lr"] for optimizer in trainer.optimizers]


def test_torchtitans_optimizers_move_together_and_its_schedulers_with_them(recipe: Any) -> None:
    trainer = recipe(_config(recipe, steps=400))
    trainer.train(13)
    (decision,) = trainer.controller.decisions
    assert decision.epoch == 3 and decision.action is arc.Action.RAISE
    assert _lrs(trainer) == pytest.approx([0.01 * decision.multiplier, 0.1 * decision.multiplier])
    assert trainer.controller.settings.total_calls == 100 and trainer.controller.settings.warmup == 2


def test_a_step_of_torchtitan_is_the_sum_of_its_micro_batches(
    recipe: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer = recipe(_config(recipe, steps=400))
    trainer.train(1)
    recorded: list[Tensor] = []
    monkeypatch.setattr(trainer.controller, "record", recorded.append)
    trainer.train(1)
    assert recorded == [sum(trainer.losses)] and len(trainer.losses) == 2


def test_a_resumed_torchtitan_goes_on_at_its_lr(recipe: Any) -> None:
    first = recipe(_config(recipe, steps=400))
    first.train(13)
    second = recipe(_config(recipe, steps=400))
    second.resume(first)
    second.train(1)
    assert _lrs(second) == pytest.approx(_lrs(first)) and _lrs(second)[0] > 0.01
    assert second.controller.settings.total_calls == 96
