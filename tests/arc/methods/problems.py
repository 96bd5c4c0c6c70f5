"""Small trainings and runs that the tests of the methods share."""

from __future__ import annotations

import io
import math
from collections.abc import Callable
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader, TensorDataset

from arc.methods.method import Method
from arc.methods.run import Cost, get_lr
from arc.methods.torch_run import TorchRun

OPTIMIZERS = {
    "sgd": lambda params, lr: torch.optim.SGD(params, lr=lr),
    "momentum": lambda params, lr: torch.optim.SGD(params, lr=lr, momentum=0.9),
    "adam": lambda params, lr: torch.optim.Adam(params, lr=lr),
}


def blobs(count: int, seed: int) -> tuple[Tensor, Tensor]:
    """Three noisy classes in eight dimensions."""
    generator = torch.Generator().manual_seed(seed)
    centres = torch.randn(3, 8, generator=torch.Generator().manual_seed(0))
    labels = torch.randint(3, (count,), generator=generator)
    return centres[labels] + torch.randn(count, 8, generator=generator), labels


def classifier(
    optimizer: str = "sgd", lr: float = 0.1, *, seed: int = 0, batch_size: int = 16, groups: bool = False
) -> TorchRun:
    """A net with BatchNorm and dropout on 128 examples, 8 steps an epoch, shuffled."""
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Linear(8, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.1), nn.Linear(16, 3))
    params: Any = model.parameters()
    if groups:
        params = [
            {"params": model[0].parameters(), "lr": lr},
            {"params": [*model[1].parameters(), *model[4].parameters()], "lr": lr / 10},
        ]
    inputs, labels = blobs(128, seed=1)
    loader = DataLoader(TensorDataset(inputs, labels), batch_size=batch_size, shuffle=True)
    val_inputs, val_labels = blobs(64, seed=2)

    def loss_fn(model: nn.Module, batch: list[Tensor]) -> Tensor:
        return cross_entropy(model(batch[0]), batch[1])

    def val_fn() -> float:
        model.eval()
        return cross_entropy(model(val_inputs), val_labels).item()

    return TorchRun(model, OPTIMIZERS[optimizer](params, lr), loss_fn, loader, val_fn)


def parameters_of(run: Any) -> Tensor:
    return nn.utils.parameters_to_vector(run.model.parameters()).detach().clone()


M = TypeVar("M", bound=Method)


def resumed(
    make: Callable[[], M], steps: int, *, stop: int = 1, start: Callable[[], TorchRun] = classifier
) -> tuple[M, M, TorchRun]:
    """A method that went through, the same that was saved after ``stop`` steps of its drive and went on as
    the first did, and the latter's run."""
    run, method = start(), make()
    drive = method.drive(run, steps)
    for _ in range(stop):
        next(drive)
    file = io.BytesIO()
    torch.save([method.state_dict(), run.snapshot()], file)
    rest = list(drive)
    file.seek(0)
    saved, checkpoint = torch.load(file, weights_only=True)
    other, again = start(), make()
    other.restore(checkpoint)
    again.load_state_dict(saved)
    assert list(again.drive(other, steps)) == rest
    assert torch.equal(parameters_of(other), parameters_of(run))
    assert get_lr(other.optimizer) == get_lr(run.optimizer)
    return method, again, other


class NoisyQuadratic:
    """``0.5 (x - c)^T A (x - c)`` with ``c ~ N(0, Sigma)``: AutoDrop's section 3, one step an epoch."""

    def __init__(
        self, lr: float, *, size: int = 50, noise: float = 1.0, seed: int = 0, epoch: int = 1
    ) -> None:
        self.curvature = torch.linspace(0.1, 1.0, size)
        self.noise = noise
        self.generator = torch.Generator().manual_seed(seed)
        self.model = nn.Module()
        self.model.x = nn.Parameter(torch.full((size,), 10.0))
        self.optimizer = torch.optim.SGD(self.model.parameters(), lr=lr)
        self.cost = Cost()
        self.step_count = 0
        self.steps_per_epoch = epoch

    def train(self, steps: int, step: Any = None) -> list[float]:
        losses = []
        for _ in range(steps):
            centre = self.noise * torch.randn(self.curvature.shape, generator=self.generator)
            gap = self.model.x.detach() - centre
            losses.append(0.5 * float((self.curvature * gap**2).sum()))
            self.model.x.grad = self.curvature * gap
            self.optimizer.step()
        self.step_count += steps
        self.cost.add(steps=steps)
        return losses

    def validate(self) -> float:
        return 0.5 * float((self.curvature * self.model.x.detach() ** 2).sum())


def lrs_of(run: Any, method: Any, steps: int) -> list[float]:
    """The LR at each yield; every one must be positive and finite."""
    lrs = []
    for losses in method.drive(run, steps):
        assert losses
        lrs.append(get_lr(run.optimizer))
        assert 0 < lrs[-1] < math.inf
    return lrs
