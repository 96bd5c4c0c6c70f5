"""The task of the GPT trainings: the zoo's, as nanoGPT trains it on tiny Shakespeare."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from tasks.base import Splits
from tasks.data.text import encode, running_text, vocabulary, windows
from tasks.recipe import Recipe
from tasks.text.docstring_transformer import DocstringTransformer


@dataclass(frozen=True, kw_only=True)
class Shakespeare(DocstringTransformer):
    """Predict the next character: 10.7 M parameters, batches of 64 x 256, a call every 50 steps.

    ``paper`` is nanoGPT's size for characters; ``toy`` is for tests.
    """

    def _cut(self, texts: Sequence[str]) -> Splits:
        """Training rows are long, so that an example begins anywhere in the text."""
        whole = running_text(
            texts, size=self.vocabulary, length=self.length, span=self.length, rows=self.rows
        )
        ids = encode(texts[0], vocabulary(texts[0], self.vocabulary))
        return whole._replace(train={"text": windows(ids, self.span, self.rows)})

    scales: ClassVar = {
        "paper": DocstringTransformer.scales["paper"]
        | {
            "span": 2560,
            "recipe": Recipe(precision="autocast", epoch_steps=50, weight_decay=0.1, clip=1.0),
        },
        "toy": DocstringTransformer.scales["mini"]
        | {"rows": 64, "recipe": Recipe(precision="autocast", epoch_steps=2, weight_decay=0.1, clip=1.0)},
    }
