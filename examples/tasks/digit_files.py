"""A DataLoader over files: handwritten digits, a PNG each, in a folder for each class.

python examples/tasks/digit_files.py FOLDER writes them.
"""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset

from tasks.base import Batch, Meter, Predictions, Source, Task, TaskError
from tasks.loaders import Loaders
from tasks.metrics.mean import Mean


class Files(Dataset):
    """Image and class of every file below ``folder``, read when it is asked for."""

    def __init__(self, folder: Path) -> None:
        self.paths = sorted(folder.glob("*/*.png"))
        if not self.paths:
            raise TaskError(f"no PNG in folders of {folder}; python {__file__} FOLDER writes some")

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, row: int) -> tuple[Tensor, int]:
        with Image.open(self.paths[row]) as image:
            pixels = torch.from_numpy(np.array(image, dtype=np.float32) / 255)
        return pixels, int(self.paths[row].parent.name)


@dataclass(frozen=True, kw_only=True)
class DigitFiles(Task):
    """Which digit is it?"""

    scales: ClassVar = {
        "mini": {"batch_size": 16, "lr_range": {"adam": (1e-5, 1.0), "own": (1e-4, 10.0)}, "workers": 0}
    }
    workers: int

    def load(self, source: Source) -> Loaders:
        if source.path is None:
            raise TaskError("the digits lie in a folder: data=local data_dir=FOLDER")
        train, val, test = (
            DataLoader(
                Files(Path(source.path) / split), self.batch_size, shuffle=True, num_workers=self.workers
            )
            for split in ("train", "val", "test")
        )
        return Loaders(train, val, test, names=("image", "digit"))

    def build(self) -> nn.Module:
        return nn.Sequential(nn.Flatten(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))

    def forward(self, model: nn.Module, batch: Batch) -> tuple[Tensor, Predictions]:
        logits = model(batch["image"])
        return nn.functional.cross_entropy(logits, batch["digit"]), logits

    def meter(self) -> Meter:
        return Mean(lambda logits, batch: logits.argmax(1) == batch["digit"])

    def optimizer(self, model: nn.Module, lr: float) -> torch.optim.Optimizer:
        """SGD, with a tenth of the LR for the last layer: ``optimizers=[own]``."""
        *below, last = model
        groups = [
            {"params": nn.Sequential(*below).parameters()},
            {"params": last.parameters(), "lr": lr / 10},
        ]
        return torch.optim.SGD(groups, lr=lr, momentum=0.9)


def write(folder: Path) -> None:
    """Write the digits that scikit-learn brings, with noise: 8 x 8 pixels each."""
    from sklearn.datasets import load_digits

    images, labels = load_digits(return_X_y=True)
    noise = np.random.default_rng(0).normal(0, 50, images.shape)
    pixels = np.clip(255 / 16 * images + noise, 0, 255).astype(np.uint8).reshape(-1, 8, 8)
    for i, (image, label) in enumerate(zip(pixels[:640], labels, strict=False)):
        split = "train" if i < 320 else "val" if i < 480 else "test"
        place = folder / split / str(label) / f"{i}.png"
        place.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(place)


if __name__ == "__main__":
    write(Path(sys.argv[1]))
