"""A Hugging Face model on a stream without end: sequences of tokens, each drawn when it is needed."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from typing import ClassVar

import torch
from torch import Tensor, nn
from transformers import GPT2Config, GPT2LMHeadModel

from tasks.base import Batch, Meter, Predictions, Source, Stream, Task
from tasks.metrics.mean import Mean
from tasks.seeding import derive

TOKENS = 5


class Sequences(Stream):
    """Each token follows from the two before it, nine times out of ten; seed and position decide a batch."""

    pass_steps = 16

    def __init__(self, batch_size: int, length: int) -> None:
        self.batch_size, self.length = batch_size, length

    def train_batches(self, seed: int, position: int) -> Iterator[Batch]:
        return (self._batch("train", seed, number) for number in count(position))

    def batches(self, split: str) -> Iterator[Batch]:
        return (self._batch(split, number) for number in range(4))

    def fingerprint(self) -> str:
        return f"sequences-1-{self.length}"

    def _batch(self, *key: object) -> Batch:
        generator = torch.Generator().manual_seed(derive(*key))
        tokens = torch.randint(TOKENS, (self.batch_size, self.length), generator=generator)
        kept = torch.rand(tokens.shape, generator=generator) < 0.9
        for i in range(2, self.length):
            follows = (tokens[:, i - 1] + tokens[:, i - 2]) % TOKENS
            tokens[:, i] = torch.where(kept[:, i], follows, tokens[:, i])
        return {"tokens": tokens}


@dataclass(frozen=True, kw_only=True)
class GPTStream(Task):
    """Which token comes next?"""

    scales: ClassVar = {
        "mini": {"batch_size": 16, "lr_range": {"adamw": (1e-5, 1.0)}, "length": 16, "width": 32}
    }
    length: int
    width: int

    def load(self, source: Source) -> Sequences:
        return Sequences(self.batch_size, self.length)

    def build(self) -> nn.Module:
        ends = {"bos_token_id": None, "eos_token_id": None}
        small = {"n_positions": self.length, "n_embd": self.width, "n_layer": 1, "n_head": 2}
        return GPT2LMHeadModel(GPT2Config(vocab_size=TOKENS, use_cache=False, **small, **ends))

    def forward(self, model: nn.Module, batch: Batch) -> tuple[Tensor, Predictions]:
        logits = model(input_ids=batch["tokens"]).logits[:, 1:-1]
        return nn.functional.cross_entropy(logits.flatten(0, 1), batch["tokens"][:, 2:].flatten()), logits

    def meter(self) -> Meter:
        """Of all tokens, without ever holding the logits of more than a batch."""
        return Mean(lambda logits, batch: logits.argmax(-1) == batch["tokens"][:, 2:])
