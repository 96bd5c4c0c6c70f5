"""Fine-tuning of a small transformer to other packages' source."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from torch import nn

from tasks.base import Source, Splits
from tasks.data import source_text
from tasks.nets.gpt import GPT
from tasks.nets.pretrained import load_pretrained, trained
from tasks.optimizers import USUAL_LRS, lr_ranges
from tasks.text._classification import TextClassification
from tasks.transformers import SMALL, OfTransformer

PRETRAINED_ON = ("asyncio", "importlib", "unittest", "ctypes")


@dataclass(frozen=True, kw_only=True)
class FinetuneSource(TextClassification, OfTransformer):
    """Tell whose source some words are, beginning with a transformer that tells other packages.

    That net is trained when it is first needed.

    Attributes:
        packages: directories of the standard library, one class each.
        pretraining: epochs on ``PRETRAINED_ON``; 0 begins at random.
        words: ids of words (see :func:`tasks.data.source_text.labelled`).
        rows: training rows; validation and test have a quarter as many each.
    """

    role = "zoo"
    together = True

    packages: tuple[str, ...]
    pretraining: int
    words: int
    rows: int

    def load(self, source: Source) -> Splits:
        """``text`` is int32 (rows, span or length), ``label`` int64 (rows,)."""
        source.require_embedded()
        sizes = {"rows": self.rows, "held_out": self.rows // 4, "length": self.length, "span": self.span}
        return source_text.labelled(self.packages, words=self.words, **sizes)

    def build(self) -> nn.Module:
        """The transformer with a fresh head."""
        sizes = {"positions": self.length, **self._sizes()}
        outputs = len(self.packages)
        net = GPT(pooled=True, vocabulary=self.words, outputs=outputs, causal=False, **sizes)
        if self.pretraining:
            numbers = (self.words, *sizes.values(), self.rows, self.span, self.pretraining)
            key = "-".join(map(str, (*PRETRAINED_ON, *numbers, torch.__version__)))
            fresh, net.head = net.head, nn.Sequential()
            load_pretrained(net, f"pretrained-source-{key}", 1, self._pretrained)
            net.head = fresh
        return net

    def _pretrained(self) -> nn.Module:
        first = replace(self, packages=PRETRAINED_ON, rows=2 * self.rows, pretraining=0)
        net = trained(first, self.pretraining)
        net.head = nn.Sequential()
        return net

    scales: ClassVar = {
        "mini": SMALL
        | {
            "packages": ("email", "http", "multiprocessing", "xml"),
            "pretraining": 15,
            "words": 400,
            "rows": 1280,
            "length": 20,
            "span": 120,
            "batch_size": 32,
            "lr_range": USUAL_LRS,
        },
        "paper": {
            "packages": ("email", "http", "multiprocessing", "xml"),
            "pretraining": 20,
            "words": 8192,
            "rows": 4096,
            "length": 128,
            "span": 256,
            "width": 256,
            "layers": 6,
            "heads": 4,
            "batch_size": 64,
            "lr_range": lr_ranges((1e-5, 1e-1)),
        },
    }
