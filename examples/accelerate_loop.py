"""Accelerate: prepare everything but the controller. python examples/accelerate_loop.py [EPOCHS]"""

import sys

import torch
from accelerate import Accelerator
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import arc

accelerator = Accelerator(gradient_accumulation_steps=2, cpu=True)
torch.manual_seed(0)
images, labels = (torch.as_tensor(a) for a in load_digits(return_X_y=True))
loader = DataLoader(TensorDataset(images.float() / 16, labels), batch_size=32, shuffle=True)
model = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))
optimizer = torch.optim.Adam(model.parameters(), lr=1e-4)
model, optimizer, loader = accelerator.prepare(model, optimizer, loader)
epochs = int(sys.argv[1]) if len(sys.argv) > 1 else 30
controller = arc.Controller(optimizer, total_calls=epochs)

for _ in range(epochs):
    for inputs, targets in loader:
        with accelerator.accumulate(model):
            loss = nn.functional.cross_entropy(model(inputs), targets)
            accelerator.backward(loss)
            optimizer.step()
            optimizer.zero_grad()
            if accelerator.sync_gradients and not optimizer.step_was_skipped:
                controller.record(loss)
    decision = controller.step()  # averages the losses over all processes
    if decision:
        accelerator.print(f"epoch {decision.epoch}: LR {decision.lr_after[0]:.2e}, {decision.reason}")
