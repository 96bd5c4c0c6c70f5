"""The ranks of the test of meshes: ``python -m tests.arc.mesh_worker FOLDER``.

Forks four ranks. A net that every rank has whole, the same sharded over a mesh of two times two (HSDP), and
over it with tensor parallelism inside (2-D): the same data on all ranks, so the same training. Each rank
writes FOLDER/<rank>.json.
"""

import json
import sys
import warnings
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
import torch.distributed.checkpoint as dcp
from torch import nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor.parallel import ColwiseParallel, RowwiseParallel, parallelize_module

import arc
from arc.decision import RecoveryWarning
from arc.integrations.checkpoint import RankState
from arc.tensors import local
from tests.arc import forked

WORLD, CALLS = 4, 4


def _net() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(20, 64), nn.ReLU(), nn.Linear(64, 30), nn.LayerNorm(30), nn.Linear(30, 1))


def _whole() -> nn.Module:
    return _net()


def _hybrid() -> nn.Module:
    """Shards over one dimension of the mesh, replicas over the other."""
    net = _net()
    mesh = init_device_mesh("cpu", (2, 2), mesh_dim_names=("replicate", "shard"))
    for layer in net:
        fully_shard(layer, mesh=mesh)
    return fully_shard(net, mesh=mesh)


def _tensor_parallel() -> nn.Module:
    """Two layers by columns and rows; the others are replicated, and are no DTensors."""
    mesh = init_device_mesh("cpu", (2, 2), mesh_dim_names=("data", "tensor"))
    plan = {"0": ColwiseParallel(), "2": RowwiseParallel()}
    return parallelize_module(_net(), mesh["tensor"], plan)


def _both() -> nn.Module:
    """Shards of shards."""
    mesh = init_device_mesh("cpu", (2, 2), mesh_dim_names=("data", "tensor"))
    plan = {"0": ColwiseParallel(), "2": RowwiseParallel()}
    net = parallelize_module(_net(), mesh["tensor"], plan)
    for layer in net:
        fully_shard(layer, mesh=mesh["data"])
    return fully_shard(net, mesh=mesh["data"])


def _shards(net: nn.Module) -> list[Any]:
    return [local(p).tolist() for p in net.parameters()]


def _found(make: Any, folder: Path) -> dict[str, Any]:
    """What a controller sees, and where a run goes on after a restore and after a checkpoint."""
    net = make()
    adam = torch.optim.AdamW(net.parameters(), lr=1e-2, foreach=False)
    controller = arc.Controller(adam, period=50, verbose=False)  # nothing moves but what goes back
    initial = _shards(net)
    moved = []
    for call in range(CALLS):
        for loss in forked.train(net, adam, call):
            controller.record(loss)
        controller.step()
        moved.append(asdict(controller._decider.course.calls[-1].moved))
    good = _shards(net)
    place = folder / make.__name__
    dcp.save({"net": net.state_dict(), "controller": RankState(controller)}, checkpoint_id=place)
    with torch.no_grad():
        for p in net.parameters():
            local(p).fill_(float("nan"))
    for _ in range(3):
        controller.record(float("nan"))
    decision = controller.step()
    assert decision is not None
    back = _shards(net) == initial  # so early a run begins again
    other = arc.Controller(adam, period=50, verbose=False)
    dcp.load({"net": net.state_dict(), "controller": RankState(other)}, checkpoint_id=place)
    copies = other._decider.recovery.copies
    assert copies is not None
    copies.restore("good")
    resumed = [other._decider.epoch, sorted(copies.names), _shards(net) == good]
    after = forked.train(net, adam, CALLS)
    return {"moved": moved, "restored": decision.restored, "back": back, "resumed": resumed, "after": after}


def _rank(rank: int, folder: Path) -> None:
    warnings.simplefilter("ignore", RecoveryWarning)
    dist.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=WORLD)
    found = {make.__name__[1:]: _found(make, folder) for make in (_whole, _hybrid, _tensor_parallel, _both)}
    (folder / f"{rank}.json").write_text(json.dumps(found))
    dist.barrier()
    dist.destroy_process_group()


if __name__ == "__main__":
    forked.run(WORLD, lambda rank: _rank(rank, Path(sys.argv[1])))
