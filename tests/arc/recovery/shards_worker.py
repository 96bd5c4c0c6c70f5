"""Two ranks of a sharded run: ``python -m tests.arc.recovery.shards_worker FOLDER RANK``."""

import json
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import nn
from torch.distributed.device_mesh import init_device_mesh

from arc.recovery.copies import Copies
from arc.recovery.room import nbytes
from arc.tensors import local

WORLD = 2


def _shards(net: nn.Module) -> list[Any]:
    return [local(p).tolist() for p in net.parameters()]


def main(folder: Path, rank: int) -> dict[str, Any]:
    """Train, copy, train on, restore: twice the same way on."""
    store = dist.FileStore(str(folder / "store"), WORLD)
    dist.init_process_group("gloo", store=store, rank=rank, world_size=WORLD, timeout=timedelta(seconds=60))
    from torch.distributed.fsdp import fully_shard

    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 1))
    fully_shard(net, mesh=init_device_mesh("cpu", (WORLD,)))
    adam = torch.optim.AdamW(net.parameters(), lr=0.1)

    def step(seed: int) -> None:
        x = torch.randn(8, 4, generator=torch.Generator().manual_seed(10 * seed + rank))
        net.zero_grad()
        net(x).square().mean().backward()
        adam.step()

    copies = Copies(adam, net)
    copies.take("initial")
    step(1)
    copies.take("good", call=1)
    good, size = _shards(net), nbytes(adam)
    went = []
    for _ in range(2):
        step(2)
        step(3)
        went.append(_shards(net))
        copies.restore("initial")  # the optimizer's state is dropped, and made anew as shards
        copies.restore("good")
    state = copies.state_dict()
    copies.load_state_dict({**state, "rank": 1 - rank})
    of_another = copies.names
    copies.load_state_dict(state)
    dist.barrier()
    dist.destroy_process_group()
    return {
        "same": went[0] == went[1],
        "moved": went[0] != good,
        "back": _shards(net) == good,
        "good": good,
        "bytes": size,
        "of_another": of_another,
        "names": sorted(copies.names),
    }


if __name__ == "__main__":
    found = main(Path(sys.argv[1]), int(sys.argv[2]))
    (Path(sys.argv[1]) / f"{sys.argv[2]}.json").write_text(json.dumps(found))
