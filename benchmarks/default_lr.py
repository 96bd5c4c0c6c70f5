"""Is the optimizer's default LR a good start? A small character GPT under AdamW.

``python -m benchmarks.default_lr [SEED ...]``: 600 steps, 20 calls of 30, on Python's own manual. For each
seed the validation loss at the end with a constant LR, with cosine and with ``arc.Controller(optimizer,
total_calls=20)``.
"""

from __future__ import annotations

import argparse
import math
import warnings
from pydoc_data.topics import topics
from typing import Final

import torch
from torch import Tensor, nn

import arc
from arc.decision import RecoveryWarning

STEPS, CALLS, BATCH, CONTEXT, WIDTH = 600, 20, 16, 64, 64
ARMS: Final = (("constant", 1e-3), ("cosine", 1e-3), ("ARC", 1e-3), ("ARC", 1e-5), ("ARC", 1e-2))


class GPT(nn.Module):
    """Two blocks of width 64."""

    def __init__(self, letters: int) -> None:
        super().__init__()
        self.tokens = nn.Embedding(letters, WIDTH)
        self.places = nn.Parameter(0.02 * torch.randn(CONTEXT, WIDTH))
        block = nn.TransformerEncoderLayer(WIDTH, 4, 4 * WIDTH, 0.0, "gelu", True, True)
        self.blocks = nn.TransformerEncoder(block, 2, enable_nested_tensor=False)
        self.head = nn.Linear(WIDTH, letters)
        self.mask = nn.Transformer.generate_square_subsequent_mask(CONTEXT)

    def forward(self, ids: Tensor) -> Tensor:
        """Logits of every next character, (batch, context, letters)."""
        found: Tensor = self.head(self.blocks(self.tokens(ids) + self.places, mask=self.mask, is_causal=True))
        return found


def windows() -> tuple[Tensor, Tensor, int]:
    """Windows to train on and to validate with, and the number of different characters."""
    text = "\n".join(topics[key] for key in sorted(topics))
    alphabet = sorted(set(text))
    rows = torch.tensor([alphabet.index(letter) for letter in text]).unfold(0, CONTEXT + 1, 8)
    rows = rows[torch.randperm(len(rows), generator=torch.Generator().manual_seed(0))]
    return rows[200:], rows[:200], len(alphabet)


def run(method: str, lr: float, seed: int) -> float:
    """The validation loss at the end of one training."""
    torch.manual_seed(seed)
    train, val, letters = windows()
    model = GPT(letters)

    def loss_of(rows: Tensor) -> Tensor:
        return nn.functional.cross_entropy(model(rows[:, :-1]).flatten(0, 1), rows[:, 1:].flatten())

    optimizer = torch.optim.AdamW(model.parameters(), lr=lr)
    controller = arc.Controller(optimizer, total_calls=CALLS, verbose=False) if method == "ARC" else None
    val_loss = math.nan
    for step in range(STEPS):
        if method == "cosine":
            optimizer.param_groups[0]["lr"] = lr * 0.5 * (1 + math.cos(math.pi * step / STEPS))
        loss = loss_of(train[torch.randint(len(train), (BATCH,))])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if controller is not None:
            controller.record(loss)
        if (step + 1) % (STEPS // CALLS) == 0:
            with torch.no_grad():
                val_loss = float(loss_of(val))
            if controller is not None:
                controller.step(val_loss=val_loss)
    return val_loss


def main(seeds: list[int]) -> None:
    """A line per arm and seed."""
    warnings.simplefilter("ignore", RecoveryWarning)
    for seed in seeds:
        for method, lr in ARMS:
            print(f"seed {seed}  {method:<8} from {lr:g}: {run(method, lr, seed):.3f}", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("seeds", nargs="*", type=int, default=[0, 1, 2])
    main(parser.parse_args().seeds)
