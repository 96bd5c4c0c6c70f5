"""Character-level text generation with a GRU (the paper's task 10)."""

from __future__ import annotations

import hashlib
import platform
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor, nn

from tasks.base import Batch, Predictions, Source, Splits
from tasks.data import running
from tasks.nets.recurrent import LanguageModel
from tasks.optimizers import USUAL_LRS, lr_ranges
from tasks.recipe import Recipe
from tasks.text._next_token import RunningText

SHAKESPEARE = "https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/input.txt"


@dataclass(frozen=True, kw_only=True)
class ShakespeareGRU(RunningText):
    """Predict the next character.

    The paper-scale network is that of TensorFlow's text generation tutorial, which the paper's
    framework copies: embedding 256, GRU 1024, sequences of 100 characters, batches of 64.

    Attributes:
        embedding: width of the character embedding.
        hidden: width of the GRU.
    """

    role = "zoo"
    together = True
    metric_name = "bits_per_character"

    embedding: int
    hidden: int

    def load(self, source: Source) -> Splits:
        """Windows of running text; ``text`` is int32 (rows, span + 1 or length + 1)."""
        if source.kind != "embedded":
            return self._cut(running.load(source, SHAKESPEARE))
        return self._embedded(f"topics-py{platform.python_version()}", 2, reference)

    def build(self) -> nn.Module:
        """The GRU language model."""
        return LanguageModel("gru", vocabulary=self.vocabulary, embedding=self.embedding, hidden=self.hidden)

    def metric(self, predictions: Predictions, split: Batch) -> float:
        """Mean bits per character."""
        assert isinstance(predictions, Tensor)
        return predictions.mean().item() / 0.6931471805599453

    scales: ClassVar = {
        "mini": {
            "vocabulary": 48,
            "length": 20,
            "span": 200,
            "rows": 384,
            "embedding": 12,
            "hidden": 64,
            "batch_size": 32,
            "lr_range": USUAL_LRS,
        },
        "medium": {
            "vocabulary": 96,
            "length": 64,
            "span": 640,
            "rows": 1200,
            "embedding": 64,
            "hidden": 256,
            "batch_size": 32,
            "lr_range": USUAL_LRS,
            "recipe": Recipe(epoch_steps=100, weight_decay=0.0, clip=1.0),
        },
        "paper": {
            "vocabulary": 67,
            "length": 100,
            "span": 100,
            "rows": None,
            "embedding": 256,
            "hidden": 1024,
            "batch_size": 64,
            "lr_range": lr_ranges((1e-5, 1e-3)),
        },
    }


def reference() -> tuple[str, str, str]:
    """The language reference that CPython ships in ``pydoc_data.topics``: training, validation and test text.

    They are of different topics, 70, 15 and 15 % of them. Topics repeat each other's paragraphs, so each
    paragraph is kept once, in the first topic by name that has it. A topic's split depends on its name only.
    """
    from pydoc_data.topics import topics

    seen: set[str] = set()
    parts: tuple[list[str], list[str], list[str]] = ([], [], [])
    for name, text in sorted(topics.items()):
        place = hashlib.sha256(name.encode()).digest()[0] / 256
        part = parts[0 if place < 0.7 else 1 if place < 0.85 else 2]
        for paragraph in text.split("\n\n"):
            if paragraph.strip() and paragraph not in seen:
                seen.add(paragraph)
                part.append(paragraph)
    train, val, test = ("\n\n".join(part) for part in parts)
    return train, val, test
