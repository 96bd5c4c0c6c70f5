from __future__ import annotations

import math
from collections.abc import Callable

import pytest
from torch.optim import lr_scheduler as torch_schedulers

from arc.methods.method import Method
from arc.methods.schedule import Constant, Schedule
from tests.arc.methods.problems import classifier, lrs_of, resumed

SCHEDULES: dict[str, Callable[[], Method]] = {
    "constant": Constant,
    "cosine": lambda: Schedule(scheduler=lambda o, steps, _: torch_schedulers.CosineAnnealingLR(o, steps)),
    "one cycle": lambda: Schedule(
        scheduler=lambda o, steps, _: torch_schedulers.OneCycleLR(o, max_lr=0.1, total_steps=steps)
    ),
    "exponential": lambda: Schedule(
        scheduler=lambda o, *_: torch_schedulers.ExponentialLR(o, 0.9), per_epoch=True
    ),
    "warm-up and cosine": lambda: Schedule(
        scheduler=lambda o, steps, _: torch_schedulers.SequentialLR(
            o,
            [
                torch_schedulers.LinearLR(o, 0.1, total_iters=8),
                torch_schedulers.CosineAnnealingLR(o, steps - 8),
            ],
            [8],
        )
    ),
    "plateau": lambda: Schedule(
        scheduler=lambda o, *_: torch_schedulers.ReduceLROnPlateau(o, patience=0, threshold=0.5),
        per_epoch=True,
        watches=True,
    ),
}


@pytest.mark.parametrize("name", list(SCHEDULES))
def test_resuming_gives_the_same_run(name: str) -> None:
    resumed(SCHEDULES[name], 40, stop=2, start=lambda: classifier("momentum", groups=True))


def test_schedules_act_per_step_or_per_epoch_and_not_after_the_end() -> None:
    cosine = lrs_of(classifier(lr=0.1), SCHEDULES["cosine"](), 40)
    assert cosine[-1] == pytest.approx(0.05 * (1 + math.cos(math.pi * 39 / 40)))
    exponential = lrs_of(classifier(lr=0.1), SCHEDULES["exponential"](), 40)
    assert exponential == pytest.approx([0.09, 0.081, 0.0729, 0.06561, 0.06561])


def test_plateau_sees_the_validation_loss_and_survives_nan() -> None:
    run = classifier(lr=0.1)
    run.val_fn = lambda: math.nan
    lrs = lrs_of(run, SCHEDULES["plateau"](), 40)
    assert lrs == pytest.approx([0.01, 0.001, 1e-4, 1e-5, 1e-5])
    assert run.cost.forwards == 40 + 4


@pytest.mark.parametrize("steps", [1, 7, 8, 20])
def test_drive_yields_at_epoch_ends_and_at_the_end(steps: int) -> None:
    run = classifier()
    counts = [len(losses) for losses in Constant().drive(run, steps)]
    assert sum(counts) == run.step_count == steps
    assert counts[:-1] == [8] * (len(counts) - 1)


def test_drive_refuses_another_length_and_another_methods_state() -> None:
    with pytest.raises(ValueError, match="got steps=0, need an integer >= 1"):
        next(Constant().drive(classifier(), 0))
    run, method = classifier(), Constant()
    next(method.drive(run, 16))
    with pytest.raises(ValueError, match="got steps=24, but this method began a run of 16 steps"):
        next(method.drive(run, 24))
    with pytest.raises(ValueError, match="got the state of 'Constant'"):
        SCHEDULES["cosine"]().load_state_dict({**method.state_dict(), "scheduler": {}})


def test_a_scheduler_that_watches_the_loss_is_stepped_per_epoch() -> None:
    with pytest.raises(ValueError, match="got watches=True, need per_epoch=True with it"):
        Schedule(scheduler=lambda o, *_: torch_schedulers.ReduceLROnPlateau(o), watches=True)


def test_a_method_may_begin_in_the_middle_of_a_run() -> None:
    run = classifier()
    run.train(3)
    counts = [len(losses) for losses in Constant().drive(run, 10)]
    assert counts == [5, 5]
    assert run.step_count == 13
