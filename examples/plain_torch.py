"""A plain torch loop: python examples/plain_torch.py [EPOCHS]"""

import sys

import torch
from sklearn.datasets import load_digits
from torch import nn

import arc

epochs = int(sys.argv[1]) if len(sys.argv) > 1 else 30
torch.manual_seed(0)
images, labels = (torch.as_tensor(a) for a in load_digits(return_X_y=True))
images = images.float() / 16
train, val = slice(0, 1400), slice(1400, None)
model = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))
optimizer = torch.optim.Adam(model.parameters(), lr=1e-4)
controller = arc.Controller(optimizer, total_calls=epochs, verbose=True)

for _ in range(epochs):
    for rows in torch.randperm(1400).split(64):
        loss = nn.functional.cross_entropy(model(images[train][rows]), labels[train][rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        controller.record(loss)
    with torch.no_grad():
        val_loss = nn.functional.cross_entropy(model(images[val]), labels[val])
    controller.step(val_loss=val_loss)
