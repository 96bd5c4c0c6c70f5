"""Adversarial training on house numbers with VGG19 (the paper's task 3)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from tasks.base import Batch, Predictions
from tasks.data.images import standardised
from tasks.vision._house_numbers import MINI, PAPER
from tasks.vision.svhn_vgg import SvhnVGG


@dataclass(frozen=True, kw_only=True)
class SvhnAdversarial(SvhnVGG):
    """Name the middle digit of a house number, also where the image was changed to mislead.

    The metric is the accuracy on the changed images.

    Attributes:
        epsilon: size of the change in standardised units (the range of a channel is 2).
    """

    role = "zoo"
    together = True
    metric_name = "adversarial_accuracy"

    epsilon: float

    def forward(self, model: nn.Module, batch: Batch) -> tuple[Tensor, Predictions]:
        """Mean of clean and adversarial cross-entropy; the predictions are the scores of the changed images.

        The change is the fast gradient sign method's (Goodfellow et al., 2015, section 4), one step
        against the model as it stands. It needs a gradient in evaluation too, but only the images'.
        """
        labels = batch["label"]
        images = standardised(batch["image"])
        with torch.enable_grad():
            images.requires_grad_()
            scores: Tensor = model(images)
            loss = F.cross_entropy(scores, labels)
            (gradient,) = torch.autograd.grad(loss, images, retain_graph=True)
        changed = (images.detach() + self.epsilon * gradient.sign()).clamp(-1, 1)
        misled: Tensor = model(changed)
        return 0.5 * F.cross_entropy(scores, labels) + 0.5 * F.cross_entropy(misled, labels), misled

    scales: ClassVar = {
        "mini": MINI | {"stages": (1, 1, 1), "width": 8, "epsilon": 0.02, "batch_size": 50},
        "paper": PAPER | {"stages": (2, 2, 4, 4, 4), "width": 64, "epsilon": 0.04},
    }
