"""What every task shares whose net is a transformer, be it over words or over the patches of an image."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from tasks.base import Task


@dataclass(frozen=True, kw_only=True)
class OfTransformer(Task):
    """A task whose net has the numbers of a transformer.

    Attributes:
        width: of its residual stream.
        layers: its blocks.
        heads: of each.
    """

    width: int
    layers: int
    heads: int

    def _sizes(self) -> dict[str, int]:
        """Those numbers, as the nets take them."""
        return {"width": self.width, "layers": self.layers, "heads": self.heads}


SMALL: Final = {"width": 32, "layers": 2, "heads": 2}
"""Those of most nets of mini scale."""
