"""Recurrent networks over token ids."""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn
from torch.nn import functional

_CELLS = {"gru": nn.GRU, "lstm": nn.LSTM}


class LanguageModel(nn.Module):
    """Embedding, one recurrent layer, dropout, and a linear layer that predicts the next token.

    Maps ids (batch, length) to logits (batch, length, vocabulary).
    """

    def __init__(
        self,
        cell: Literal["gru", "lstm"],
        *,
        vocabulary: int,
        embedding: int,
        hidden: int,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, embedding)
        self.recurrent = _CELLS[cell](embedding, hidden, batch_first=True)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(hidden, vocabulary)

    def forward(self, ids: Tensor) -> Tensor:
        """Logits of the token after each one."""
        states, _ = self.recurrent(self.embedding(ids))
        logits: Tensor = self.head(self.dropout(states))
        return logits


def next_token_losses(model: nn.Module, text: Tensor) -> Tensor:
    """Cross-entropy of each row's next tokens, in nats per token: (batch,) from ids (batch, length + 1)."""
    logits: Tensor = model(text[:, :-1])
    return functional.cross_entropy(logits.transpose(1, 2), text[:, 1:], reduction="none").mean(1)


class Classifier(nn.Module):
    """Embedding, dropout, one LSTM, and one logit from its last state.

    Maps ids (batch, length) to logits (batch,). Texts are padded in front, so that the last state
    has just seen a text's end.
    """

    def __init__(self, *, vocabulary: int, embedding: int, hidden: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, embedding)
        self.dropout = nn.Dropout(dropout)
        self.recurrent = nn.LSTM(embedding, hidden, batch_first=True)
        self.head = nn.Linear(hidden, 1)

    def forward(self, ids: Tensor) -> Tensor:
        """The logit of the positive class."""
        _, (last, _) = self.recurrent(self.dropout(self.embedding(ids)))
        logits: Tensor = self.head(last[0]).squeeze(-1)
        return logits
