from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from arc.methods.autodrop import AutoDrop, angle, refresh_batch_norm
from arc.methods.run import get_lr
from tests.arc.methods.problems import NoisyQuadratic, classifier, lrs_of, parameters_of, resumed


def angles(lr: float, steps: int = 900) -> list[float]:
    """The angular velocity of gradient descent on the noisy quadratic, per step."""
    run = NoisyQuadratic(lr)
    last, displacement, seen = parameters_of(run), None, []
    for _ in range(steps):
        run.train(1)
        now = parameters_of(run)
        if displacement is not None:
            seen.append(angle(now - last, displacement))
        last, displacement = now, now - last
    return seen


def mean(values: list[float]) -> float:
    return sum(values) / len(values)


def test_angles_saturate_between_90_and_120_degrees_and_lower_with_the_lr() -> None:
    """Section 3, theorem 1: with alpha a <= 1 the limit of the cosine is in [-1/2, 0]."""
    levels = {lr: mean(angles(lr)[-500:]) for lr in (1.0, 0.6, 0.3, 0.1)}
    assert all(90 < level < 120 for level in levels.values())
    assert list(levels.values()) == sorted(levels.values(), reverse=True)
    for lr, level in levels.items():
        a = NoisyQuadratic(lr).curvature
        cosine = -lr / 2 * (a**3 / (2 - lr * a)).sum() / (a**2 / (2 - lr * a)).sum()
        assert level == pytest.approx(torch.arccos(cosine).rad2deg().item(), abs=2), lr


def test_angles_rise_to_saturation() -> None:
    seen = angles(0.1)
    assert mean(seen[:20]) < 60 < 89 < mean(seen[-500:])


@pytest.mark.parametrize("lr", [0.8, 0.3])
def test_drops_happen_and_lead_to_the_optimum(lr: float) -> None:
    """Section 3, figure 3: the angular velocity is averaged over 20 iterations, the LR halved."""
    run, constant = NoisyQuadratic(lr), NoisyQuadratic(lr)
    method = AutoDrop(drop_factor=0.5, smoothing=20, min_lr=1e-3)
    start = run.validate()
    lrs = lrs_of(run, method, 1200)
    constant.train(1200)
    assert len(method.state.drops) >= 9
    assert lrs == sorted(lrs, reverse=True)
    assert lrs[-1] == 1e-3
    assert run.validate() < constant.validate() / 10 < start / 1000


def rule(turns: list[float], **settings: object) -> tuple[list[float], AutoDrop]:
    """LRs of a path in the plane that turns by the given degrees, one step of length 1 an epoch."""
    method = AutoDrop(**{"drop_factor": 0.5, "delay": 2, **settings})
    x, heading, lr, lrs = torch.zeros(2, dtype=torch.float64), 0.0, 1.0, []
    method.begin(x)
    for turn in turns:
        heading += turn
        x = x + torch.tensor([math.cos(math.radians(heading)), math.sin(math.radians(heading))]).double()
        average, lr = method.observe(x, lr)
        x = x if average is None else average
        lrs.append(lr)
    return lrs, method


def test_the_listing_step_by_step() -> None:
    # epoch 3 is the first that may trigger; delay 2: the drop comes at the end of epoch 5
    lrs, method = rule([0, 10, 10, 50, 90])
    assert lrs == [1, 1, 1, 1, 0.5]
    assert method.state.drops == [5]
    assert method.state.threshold == 0.02
    # changes of 20, 30, 40 degrees: no trigger
    assert rule([0, 10, 30, 60, 100, 150])[0] == [1] * 6
    # a trigger while a drop is pending is ignored: it would be at epoch 4 again
    assert rule([0, 10, 10, 10, 10])[1].state.drops == [5]


def test_the_average_weighs_late_epochs_most() -> None:
    method = AutoDrop(delay=3)
    method.begin(torch.zeros(1))
    results = [method.observe(torch.tensor([float(x)]), 1.0) for x in (1, 2, 3, 10, 20, 30)]
    assert [r[0] is None for r in results] == [True] * 5 + [False]
    average = results[-1][0]
    assert average is not None
    assert average.item() == pytest.approx((1 * 10 + 2 * 20 + 3 * 30) * 2 / (3 * 4))
    assert results[-1][1] == pytest.approx(0.2)


def test_thresholds_and_lrs_stop_at_their_bounds() -> None:
    method = AutoDrop(delay=1, drop_factor=0.1, min_lr=0.05)
    method.begin(torch.zeros(1))
    lr, lrs = 1.0, []
    x = 0.0
    for _ in range(12):
        x += 1
        average, lr = method.observe(torch.tensor([x]), lr)
        x = x if average is None else average.item()
        lrs.append(lr)
    assert lrs[-1] == 0.05
    assert method.state.threshold == 1.0
    method.begin(torch.zeros(1))
    assert AutoDrop(min_lr=0.1).min_lr == 0.1
    low = AutoDrop(delay=1, min_lr=0.1)
    low.begin(torch.zeros(1))
    assert [low.observe(torch.tensor([float(i)]), 0.01)[1] for i in range(1, 6)] == [0.01] * 5  # never raised


def test_batch_norm_is_refreshed_after_averaging() -> None:
    run = classifier()
    method = AutoDrop(delay=2, threshold=1e3, max_threshold=1e3)
    *_, _ = method.drive(run, 8 * 5)
    assert method.state.drops == [5]
    norm = run.model[1]
    with torch.no_grad():
        inputs = torch.cat([batch[0] for batch in run.sample(8, seed=1)])
        seen = run.model[0](inputs)
    assert torch.allclose(norm.running_mean, seen.mean(0), atol=1e-4)
    assert norm.momentum == 0.1
    assert get_lr(run.optimizer) == pytest.approx(0.02)


def test_the_average_is_copied_into_the_parameters() -> None:
    """Parameters that shared memory with the rule's last vector would never seem to move again."""
    run, method = classifier(), AutoDrop(delay=1, threshold=1e3, max_threshold=1e3)
    drive = method.drive(run, 8 * 6)
    for _ in range(4):
        next(drive)
    assert method.state.drops == [4]
    average = parameters_of(run)
    assert torch.equal(method.state.last, average)
    next(drive)
    assert torch.allclose(method.state.displacement, parameters_of(run) - average)
    assert method.state.displacement.norm() > 0


def test_without_batch_norm_nothing_is_run() -> None:
    run = NoisyQuadratic(0.1)
    refresh_batch_norm(run)
    assert run.cost.forwards == 0


def test_the_angle() -> None:
    x, y = torch.tensor([1.0, 0.0]), torch.tensor([0.0, 2.0])
    assert angle(x, y) == pytest.approx(90)
    assert angle(x, 5 * x) == pytest.approx(0, abs=1e-3)
    assert angle(x, -x) == pytest.approx(180, abs=1e-3)
    assert angle(x, 0 * x) == pytest.approx(90)


def test_groups_keep_their_ratio_and_copies_are_charged() -> None:
    run = classifier(groups=True)
    list(AutoDrop(delay=1, threshold=1e3, max_threshold=1e3).drive(run, 8 * 8))
    first, second = (group["lr"] for group in run.optimizer.param_groups)
    assert first < 0.1
    assert second == pytest.approx(first / 10)
    size = nn.utils.parameters_to_vector(run.model.parameters()).numel() * 4
    assert run.cost.snapshot_bytes == size * 9


@pytest.mark.parametrize("stop", [1, 3, 4, 6])
def test_resuming_gives_the_same_run(stop: int) -> None:
    resumed(lambda: AutoDrop(delay=2, threshold=1e3, max_threshold=1e3), 8 * 9, stop=stop)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"drop_factor": 1.0}, "got drop_factor=1.0, need a number between 0 and 1"),
        ({"delay": 0}, "got delay=0, need an integer >= 1"),
        ({"threshold": 2.0}, "got threshold=2.0, need 0 < threshold <= max_threshold"),
        ({"min_lr": 0.0}, "got min_lr=0.0"),
        ({"smoothing": 0}, "got smoothing=0"),
    ],
)
def test_bad_settings_are_refused(settings: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        AutoDrop(**settings)
