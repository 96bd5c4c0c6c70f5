"""A linear regression for Lightning, and its DDP run: ``python -m ... CONTROLLER FOLDER``."""

import json
import os
import sys
from pathlib import Path
from typing import Any

import lightning.pytorch as pl
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from arc.integrations.lightning import ARCCallback

QUIET: dict[str, Any] = {
    "accelerator": "cpu",
    "logger": False,
    "enable_progress_bar": False,
    "enable_model_summary": False,
    "enable_checkpointing": False,
}


class Regression(pl.LightningModule):
    """Learns the sum of four numbers."""

    def __init__(self, *, manual: bool = False, schedule: bool = False) -> None:
        super().__init__()
        self.automatic_optimization = not manual
        self._schedule = schedule
        with torch.random.fork_rng():
            torch.manual_seed(0)
            self.net = nn.Linear(4, 1)

    def _loss(self, batch: tuple[Tensor]) -> Tensor:
        return (self.net(batch[0]) - batch[0].sum(1, keepdim=True)).square().mean()

    def training_step(self, batch: tuple[Tensor], _: int) -> Tensor | None:
        loss = self._loss(batch)
        if self.automatic_optimization:
            return loss
        optimizer: Any = self.optimizers()
        optimizer.zero_grad()
        self.manual_backward(loss)
        optimizer.step()
        self.log("train_loss", loss)
        return None

    def validation_step(self, batch: tuple[Tensor], _: int) -> None:
        self.log("val_loss", self._loss(batch), sync_dist=True)

    def configure_optimizers(self) -> Any:
        optimizer = torch.optim.SGD(self.parameters(), lr=0.01)
        if not self._schedule:
            return optimizer
        return [optimizer], [torch.optim.lr_scheduler.LambdaLR(optimizer, lambda e: 0.5**e)]


def loader() -> DataLoader[Any]:
    """64 rows in batches of 16."""
    rows = torch.randn(64, 4, generator=torch.Generator().manual_seed(0))
    return DataLoader(TensorDataset(rows), batch_size=16)


def main() -> None:
    controller, folder = sys.argv[1], Path(sys.argv[2])
    callback = ARCCallback(controller, period=1)
    trainer = pl.Trainer(
        max_epochs=4, strategy="ddp_fork", devices=2, callbacks=[callback, Report(folder)], **QUIET
    )
    trainer.fit(Regression(), loader(), loader())


class Report(pl.Callback):
    """Writes what each rank did."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        callback = next(c for c in trainer.callbacks if isinstance(c, ARCCallback))
        decisions = [d.as_dict() for d in callback.controller.decisions]
        lr = trainer.optimizers[0].param_groups[0]["lr"]
        (self._folder / f"{trainer.global_rank}.json").write_text(
            json.dumps({"lr": lr, "decisions": decisions})
        )


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    main()
