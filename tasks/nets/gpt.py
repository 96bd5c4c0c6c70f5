"""Transformers whose networks can step together: over tokens, and over the patches of an image."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from tasks.nets.transformer import Block, Transformer


class GPT(Transformer):
    """A :class:`Transformer` that looks its positions up, as a stack of networks needs it.

    Args:
        pooled: answer with the mean of the tokens' logits, (batch, outputs), instead of all of them.
        options: of :class:`Transformer`.
    """

    def __init__(self, *, pooled: bool = False, **options: int | bool) -> None:
        super().__init__(**options)  # type: ignore[arg-type]  # its own signature checks them
        self.pooled = pooled

    def forward(self, ids: Tensor) -> Tensor:
        """Logits of every token, or their mean."""
        places = torch.arange(ids.shape[1], device=ids.device).unsqueeze(0)
        logits: Tensor = self.head(self.blocks(self.tokens(ids) + self.positions(places)))
        return logits.mean(1) if self.pooled else logits


class VisionTransformer(nn.Module):
    """Square patches as tokens, pre-norm transformer blocks, the mean over patches, a linear head.

    Maps images (batch, channels, size, size) to logits (batch, outputs).

    Args:
        channels: of the images.
        size: height and width of the images in pixels.
        patch: height and width of a patch; it divides ``size`` (ValueError otherwise).
        width: of the residual stream.
        layers: blocks.
        heads: of each block; they divide ``width``.
        outputs: logits.

    Source: Dosovitskiy et al., 2021; the mean in the place of a class token is that of Beyer et al., 2022.
    """

    def __init__(
        self, *, channels: int, size: int, patch: int, width: int, layers: int, heads: int, outputs: int
    ) -> None:
        super().__init__()
        if size % patch:
            raise ValueError(f"got size={size} and patch={patch}, need patches that divide the image")
        self.patch = patch
        self.read = nn.Linear(channels * patch**2, width)
        self.positions = nn.Embedding((size // patch) ** 2, width)
        self.blocks = nn.Sequential(*(Block(width, heads, False, 0.0) for _ in range(layers)))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, outputs)
        nn.init.normal_(self.positions.weight, std=0.02)

    def forward(self, images: Tensor) -> Tensor:
        """Logits of the classes."""
        p = self.patch
        patches = images.unfold(2, p, p).unfold(3, p, p).permute(0, 2, 3, 1, 4, 5).flatten(3).flatten(1, 2)
        places = torch.arange(patches.shape[1], device=images.device).unsqueeze(0)
        states = self.blocks(self.read(patches) + self.positions(places))
        logits: Tensor = self.head(self.norm(states).mean(1))
        return logits
