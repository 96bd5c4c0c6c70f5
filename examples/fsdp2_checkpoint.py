"""FSDP2 and its checkpoints: torchrun --nproc-per-node 2 examples/fsdp2_checkpoint.py [CALLS [STOP]]

Started again in the same folder it goes on where it stopped, with the same decisions.
"""

import sys
from pathlib import Path

import torch
import torch.distributed as dist
import torch.distributed.checkpoint as dcp
from torch import nn
from torch.distributed.checkpoint.state_dict import get_state_dict, set_state_dict
from torch.distributed.fsdp import fully_shard

import arc

calls = int(sys.argv[1]) if len(sys.argv) > 1 else 12
stop = int(sys.argv[2]) if len(sys.argv) > 2 else calls
device = "cuda" if torch.cuda.is_available() else "cpu"
dist.init_process_group("nccl" if device == "cuda" else "gloo")
rank = dist.get_rank()
if device == "cuda":
    torch.cuda.set_device(rank % torch.cuda.device_count())

torch.manual_seed(0)
model = nn.Sequential(nn.Linear(16, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 4)).to(device)
for layer in model:
    if isinstance(layer, nn.Linear):
        fully_shard(layer)
fully_shard(model)
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-5)
controller = arc.Controller(optimizer, total_calls=calls)  # on every rank: sketches and losses are averaged
folder = Path("checkpoint")
own = folder / f"arc-{rank}.pt"  # of each rank: it has its own shards' sketches and copies
start = 0
if own.exists():
    weights, states = get_state_dict(model, optimizer)
    dcp.load({"model": weights, "optimizer": states}, checkpoint_id=str(folder))
    set_state_dict(model, optimizer, model_state_dict=weights, optim_state_dict=states)
    saved = torch.load(own, weights_only=True)
    start = saved["call"]
    controller.load_state_dict(saved["controller"])


def loss_of(generator: torch.Generator) -> torch.Tensor:
    inputs = torch.randn(64, 16, generator=generator).to(device)
    return nn.functional.mse_loss(model(inputs), inputs[:, :4] * inputs[:, 4:8])


for call in range(start, stop):
    generator = torch.Generator().manual_seed(10 * call + rank)
    for _ in range(20):
        loss = loss_of(generator)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        controller.record(loss)
    with torch.no_grad():
        val_loss = loss_of(torch.Generator().manual_seed(-1 - rank))
    decision = controller.step(val_loss=val_loss)  # one collective: every rank decides alike
    weights, states = get_state_dict(model, optimizer)
    writer = dcp.FileSystemWriter(folder, overwrite=True)
    dcp.save({"model": weights, "optimizer": states}, storage_writer=writer)
    torch.save({"call": call + 1, "controller": controller.state_dict()}, own)
    if rank == 0:
        print(decision or f"call {call + 1}", flush=True)
dist.destroy_process_group()
