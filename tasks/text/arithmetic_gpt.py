"""Language modelling of arithmetic with a causal transformer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from torch import nn

from tasks.base import Source, Splits
from tasks.data.arithmetic import CHARACTERS, arithmetic
from tasks.nets.gpt import GPT
from tasks.optimizers import USUAL_LRS, lr_ranges
from tasks.text._next_token import NextToken
from tasks.transformers import SMALL, OfTransformer


@dataclass(frozen=True, kw_only=True)
class ArithmeticGPT(NextToken, OfTransformer):
    """Predict the next character of statements such as ``7+15=22``.

    Attributes:
        rows: training rows; validation and test have half as many each.
        span: characters of a training row, of which an epoch sees ``length + 1`` at a random place.
        largest: operands are below it.
    """

    role = "zoo"
    together = True
    metric_name = "nats_per_character"

    rows: int
    span: int
    largest: int

    def load(self, source: Source) -> Splits:
        """``text`` is int32 (rows, span or length + 1)."""
        source.require_embedded()
        return arithmetic(
            rows=self.rows,
            held_out=self.rows // 2,
            length=self.length,
            span=self.span,
            largest=self.largest,
        )

    def build(self) -> nn.Module:
        """The causal transformer."""
        return GPT(
            vocabulary=len(CHARACTERS),
            positions=self.length,
            outputs=len(CHARACTERS),
            causal=True,
            **self._sizes(),
        )

    scales: ClassVar = {
        "mini": SMALL
        | {
            "rows": 512,
            "length": 24,
            "span": 96,
            "largest": 20,
            "batch_size": 32,
            "lr_range": USUAL_LRS,
        },
        "paper": {
            "rows": 65536,
            "length": 256,
            "span": 257,
            "largest": 1000,
            "width": 384,
            "layers": 6,
            "heads": 6,
            "batch_size": 64,
            "lr_range": lr_ranges((1e-5, 1e-1)),
        },
    }
