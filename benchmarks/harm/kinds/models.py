"""Nets with something special: tied weights, attention, norms with buffers, recurrence, a skip at zero."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks.harm.problems import INPUTS, adam, classification, regression, sgd
from benchmarks.harm.training import Batch, Training, kind


class Tied(nn.Module):
    """Predicts the next token; one matrix embeds and reads."""

    def __init__(self, tokens: int = 16, width: int = 16) -> None:
        super().__init__()
        self.embed = nn.Embedding(tokens, width)
        self.between = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, width), nn.GELU())
        self.read = nn.Linear(width, tokens, bias=False)
        self.read.weight = self.embed.weight

    def forward(self, tokens: Tensor) -> Tensor:
        """Logits of the next token."""
        out: Tensor = self.read(self.between(self.embed(tokens)))
        return out


def _tokens(model: nn.Module, optimizer: torch.optim.Optimizer) -> Training:
    """Pairs of a chain of sixteen tokens."""
    training = classification(model=nn.Linear(INPUTS, 4), optimizer=optimizer)
    chain = (2.0 * torch.randn(16, 16)).softmax(1)
    now = torch.randint(16, (4096,))
    following = torch.multinomial(chain[now], 1).flatten()
    generator = torch.Generator().manual_seed(int(torch.randint(2**31, ())))

    def batches(call: int) -> list[Batch]:
        rows = torch.randint(3584, (16, 32), generator=generator)
        return [(now[r], following[r]) for r in rows]

    def final() -> float:
        with torch.no_grad():
            return float(F.cross_entropy(model(now[3584:]), following[3584:]))

    training.model, training.batches, training.final = model, batches, final
    training.loss = lambda b, call: F.cross_entropy(model(b[0]), b[1])
    return training


@kind
def tied_weights() -> Training:
    """A language model whose embedding is its output layer."""
    model = Tied()
    return _tokens(model, adam(model, 2e-3))


@kind
def rare_tokens() -> Training:
    """A large embedding of which few rows are ever touched, dense Adam."""
    model = Tied(tokens=256)
    return _tokens(model, adam(model, 2e-3))


@kind
def batch_norm() -> Training:
    """Running statistics beside the parameters."""
    model = nn.Sequential(
        nn.Linear(INPUTS, 32),
        nn.BatchNorm1d(32),
        nn.ReLU(),
        nn.Linear(32, 32),
        nn.BatchNorm1d(32),
        nn.ReLU(),
        nn.Linear(32, 4),
    )
    return classification(model, sgd(model, 0.02))


class Gated(nn.Module):
    """Residual branches behind gates that start at zero."""

    def __init__(self) -> None:
        super().__init__()
        self.into, self.out = nn.Linear(INPUTS, 32), nn.Linear(32, 1)
        self.branches = nn.ModuleList(nn.Sequential(nn.ReLU(), nn.Linear(32, 32)) for _ in range(3))
        self.gates = nn.Parameter(torch.zeros(3))

    def forward(self, x: Tensor) -> Tensor:
        """One number a row."""
        h = self.into(x)
        for gate, branch in zip(self.gates, self.branches[: len(self.gates)], strict=True):
            h = h + gate * branch(h)
        out: Tensor = self.out(h)
        return out


@kind
def zero_gates() -> Training:
    """Branches that receive no gradient in the first step."""
    model = Gated()
    return regression(model, adam(model, 2e-3), noise=0.3)


@kind
def unused_branch() -> Training:
    """Half of the net is never used: it receives no gradient."""
    model = Gated()
    model.branches.extend(nn.Sequential(nn.ReLU(), nn.Linear(32, 32)) for _ in range(3))
    return regression(model, adam(model, 2e-3), noise=0.3)


class Recurrent(nn.Module):
    """A GRU over eight numbers, one at a time."""

    def __init__(self) -> None:
        super().__init__()
        self.gru, self.read = nn.GRU(1, 16, batch_first=True), nn.Linear(16, 1)

    def forward(self, x: Tensor) -> Tensor:
        """One number a row."""
        out: Tensor = self.read(self.gru(x[..., None])[0][:, -1])
        return out


@kind
def recurrent() -> Training:
    """A recurrent net."""
    model = Recurrent()
    return regression(model, adam(model, 3e-3), noise=0.3, steps=8, calls=20)
