"""BERT for token classification, as ``transformers`` builds it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from tasks.base import TaskError

REVISIONS = {"google-bert/bert-base-uncased": "86b5e0934494bd15c9632b12f734a8a67f723594"}
"""The commits that are loaded; the newest one of what is not listed."""


class TokenTagger(nn.Module):
    """BERT and a linear layer over each token's last state.

    Maps ids (batch, length), padded with 0, to logits (batch, length, labels).

    Args:
        labels: classes of a token.
        vocabulary: token ids.
        hidden: width; an attention head is 64 wide, as in every published BERT, or as wide as all.
        layers: transformer blocks.
        positions: longest sequence.
        pretrained: name on the hub, or directory, of weights with these sizes; None starts at random.
    """

    def __init__(
        self,
        *,
        labels: int,
        vocabulary: int,
        hidden: int,
        layers: int,
        positions: int,
        pretrained: str | None = None,
    ) -> None:
        super().__init__()
        from transformers import BertConfig, BertForTokenClassification

        config = BertConfig(
            vocab_size=vocabulary,
            hidden_size=hidden,
            num_hidden_layers=layers,
            num_attention_heads=max(1, hidden // 64),
            intermediate_size=4 * hidden,
            max_position_embeddings=positions,
        )
        config.num_labels = labels
        self.bert = BertForTokenClassification(config)
        # On the meta device there is nothing to load into.
        if pretrained is not None and self.bert.device.type != "meta":
            self.bert.bert.load_state_dict(_encoder(pretrained, config).state_dict())

    def forward(self, ids: Tensor) -> Tensor:
        """Logits of every token's label."""
        logits: Tensor = self.bert(input_ids=ids, attention_mask=(ids != 0).long()).logits
        return logits


def _encoder(pretrained: str, config: Any) -> nn.Module:
    from transformers import BertModel

    try:
        model: nn.Module = BertModel.from_pretrained(
            pretrained, revision=REVISIONS.get(pretrained, "main"), config=config, add_pooling_layer=False
        )
    except OSError as error:
        raise _unavailable(pretrained, error) from error
    return model.to(torch.float32)


def word_pieces(pretrained: str) -> tuple[Callable[[str], Sequence[int]], tuple[int, int]]:
    """A function from a word to its token ids, and the ids of ``[CLS]`` and ``[SEP]``."""
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(pretrained, revision=REVISIONS.get(pretrained, "main"))
    except (OSError, ValueError) as error:
        raise _unavailable(pretrained, error) from error
    ends = tokenizer.cls_token_id, tokenizer.sep_token_id
    return lambda word: tokenizer.encode(word, add_special_tokens=False), ends


def _unavailable(pretrained: str, error: Exception) -> TaskError:
    reason = str(error).splitlines()[0]
    return TaskError(
        f"cannot load the pretrained {pretrained!r} ({reason}); download it once "
        f"(huggingface-cli download {pretrained}), or give the task pretrained=None for random weights"
    )
