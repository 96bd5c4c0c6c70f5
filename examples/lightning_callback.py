"""Lightning: python examples/lightning_callback.py [EPOCHS]"""

import sys

import lightning.pytorch as pl
import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from arc.integrations.lightning import ARCCallback


class Digits(pl.LightningModule):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))

    def training_step(self, batch, _):
        return nn.functional.cross_entropy(self.net(batch[0]), batch[1])

    def validation_step(self, batch, _):
        self.log("val_loss", nn.functional.cross_entropy(self.net(batch[0]), batch[1]))

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=1e-4)


pl.seed_everything(0, verbose=False)
images, labels = (torch.as_tensor(a) for a in load_digits(return_X_y=True))
data = TensorDataset(images.float() / 16, labels)
train, val = (torch.utils.data.Subset(data, r) for r in (range(1400), range(1400, len(data))))
epochs = int(sys.argv[1]) if len(sys.argv) > 1 else 30
trainer = pl.Trainer(
    max_epochs=epochs, accelerator="cpu", callbacks=[ARCCallback()], logger=False, enable_checkpointing=False
)
trainer.fit(Digits(), DataLoader(train, batch_size=64, shuffle=True), DataLoader(val, batch_size=64))
