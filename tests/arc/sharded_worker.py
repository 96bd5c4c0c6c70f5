"""The ranks of the test of sharded weights: ``python -m tests.arc.sharded_worker FOLDER``.

Forks two ranks, which train the same net sharded and whole; each writes FOLDER/<rank>.json.
"""

import copy
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard

import arc
from arc.history.sketch import Sketches
from arc.history.sums import Sums
from tests import reference
from tests.arc import forked

WORLD, CALLS, RESUMED = 2, 4, 2


def _net() -> nn.Sequential:
    """Shards of unequal length, an empty one (the last bias), and a first layer that stays replicated."""
    torch.manual_seed(0)
    layers = [nn.Linear(20, 64), nn.Linear(64, 101), nn.Linear(101, 101), nn.Linear(101, 1)]
    return nn.Sequential(*layers)


def _small_net() -> nn.Sequential:
    """Tensors that are their own sketches, of which the last bias and row leave a rank with nothing."""
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(20, 16), nn.Linear(16, 25), nn.Linear(25, 1))


def _sharded(model: nn.Sequential) -> nn.Sequential:
    """A copy whose layers are sharded but for the first, which stays replicated."""
    sharded = copy.deepcopy(model)
    mesh = init_device_mesh("cpu", (WORLD,))
    for layer in list(sharded)[1:]:
        fully_shard(layer, mesh=mesh)
    return sharded


def _over_ranks(sketches: Sketches) -> dict[str, Any]:
    row = torch.tensor(sketches.sums.packed(), dtype=torch.float64)
    rows = [torch.empty_like(row) for _ in range(WORLD)]
    dist.all_gather(rows, row)
    return asdict(Sums.mean([r.tolist() for r in rows]).movement())


def _seen(model: nn.Module) -> list[dict[str, Any]]:
    """What controllers of all ranks make of the movement: that of the whole weights, call by call."""
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9, foreach=False)
    controller = arc.Controller(optimizer, rollback=False, mode="advise")
    found = []
    for call in range(CALLS):
        losses = forked.train(model, optimizer, call)
        for loss in losses:
            controller.record(loss)
        controller.step()
        found.append(asdict(controller._decider.course.calls[-1].moved))
    return found


def _values(model: nn.Module) -> list[Any]:
    return [p.detach().numpy().copy() for p in model.parameters()]


def _rank(rank: int, folder: Path) -> None:
    dist.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=WORLD)
    whole = _net()
    sharded = _sharded(whole)
    small = _small_net()
    found: dict[str, Any] = {"seen sharded": _seen(_sharded(small)), "seen whole": _seen(small)}
    states = [_values(whole)]
    for name, model in (("whole", whole), ("sharded", sharded)):
        optimizer = torch.optim.Adam(model.parameters(), lr=0.01, foreach=False)
        sketches, calls = Sketches([optimizer]), []
        for call in range(CALLS):
            if call == RESUMED:
                state = sketches.state_dict()
                sketches = Sketches([optimizer])
                sketches.load_state_dict(state)
            forked.train(model, optimizer, call)
            sketches.movement(sketches.take())
            calls.append(_over_ranks(sketches))
            if model is whole:
                states.append(_values(model))
        found[name] = calls
        found[f"{name} places"] = len(sketches.state_dict()["places"])
        if rank == 1:
            other = Sketches([optimizer])
            other.load_state_dict({**state, "rank": 0})  # another rank's: only what is replicated goes on
            found[f"{name} known"] = int(torch.isfinite(other.take()[1]).sum())
    found["exact"] = [reference.movement(states[: call + 2]) for call in range(CALLS)]
    (folder / f"{rank}.json").write_text(json.dumps(found))
    dist.barrier()
    dist.destroy_process_group()


if __name__ == "__main__":
    forked.run(WORLD, lambda rank: _rank(rank, Path(sys.argv[1])))
