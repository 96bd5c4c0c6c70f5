"""The ranks of the distributed tests: ``python -m tests.arc.distributed_worker CONTROLLER FOLDER WORLD...``.

Forks the ranks of each world size; each writes FOLDER/<world>-<rank>.json, which the test compares.
"""

import json
import os
import sys
import traceback
import warnings
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from torch import nn

import arc
from arc.decision import RecoveryWarning
from arc.recovery import room
from tests.arc.helpers import epoch, falling, lr_of, optimizer


def _controller(path: str, **settings: Any) -> tuple[arc.Controller, torch.optim.Optimizer]:
    sgd = optimizer(0.1, 0.01)
    return arc.Controller.from_pretrained(path, sgd, **settings), sgd


def _averaged(rank: int, world: int, path: str) -> dict[str, Any]:
    """Each rank sees the losses plus an offset of its own; together they see the losses."""
    controller, sgd = _controller(path, period=2)
    calls = 0
    gather = dist.all_gather

    def counting(*args: Any, **kwargs: Any) -> Any:
        nonlocal calls
        calls += 1
        return gather(*args, **kwargs)

    dist.all_gather = counting
    offset = rank - (world - 1) / 2
    for e in range(6):
        losses = [torch.tensor(loss + offset) for loss in falling(e)]
        epoch(controller, losses, val_loss=1.0 / (e + 1) + offset if e % 2 else None)
    dist.all_gather = gather
    probabilities = [d.probabilities for d in controller.decisions]
    return {"lrs": [g["lr"] for g in sgd.param_groups], "probabilities": probabilities, "collectives": calls}


def _uneven(rank: int, world: int, path: str) -> float:
    """Other numbers of losses on every rank, and validation on the first one only."""
    controller, sgd = _controller(path, period=1)
    for e in range(4):
        losses = [1.0 / (e + 1 + i) for i in range(1000 + 20 * rank)]
        epoch(controller, losses, val_loss=1.0 if rank == 0 else None)
    return lr_of(sgd)


def _not_finite(rank: int, world: int, path: str) -> float:
    """One rank sees a NaN, which lowers nothing; most losses of all are NaN, and all of them lower."""
    controller, sgd = _controller(path, period=5, rollback=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RecoveryWarning)
        epoch(controller, [1.0, float("nan") if rank == world - 1 else 1.0])
        assert lr_of(sgd) == 0.1
        epoch(controller, [1.0 + rank] * rank + [float("nan")] * 9)
    return lr_of(sgd)


def _other_lr(rank: int, world: int, path: str) -> str:
    controller, sgd = _controller(path)
    sgd.param_groups[0]["lr"] *= 1 + rank
    try:
        epoch(controller, [1.0])
    except RuntimeError as error:
        return str(error)
    return "no error"


def _empty(rank: int, world: int, path: str) -> str:
    controller, _ = _controller(path)
    try:
        epoch(controller, [])
    except RuntimeError as error:
        return str(error)
    return "no error"


def _out_of_step(rank: int, world: int, path: str) -> str:
    """The last rank has skipped a call, and meets the others one call later."""
    controller, _ = _controller(path)
    if rank == world - 1:
        controller.load_state_dict(_skipped(controller.state_dict()))
    try:
        epoch(controller, [1.0])
    except RuntimeError as error:
        return str(error)
    return "no error"


def _sharded(rank: int, world: int, path: str) -> list[float]:
    """An optimizer whose state is spread over the ranks; the LR and the weights that it leads to."""
    from torch.distributed.optim import ZeroRedundancyOptimizer  # warns of torch's own jit when imported

    weights = [nn.Parameter(torch.ones(2)) for _ in range(world)]
    sgd = ZeroRedundancyOptimizer(weights, torch.optim.SGD, lr=0.1)
    epoch(arc.Controller.from_pretrained(path, sgd, period=5, rollback=False), [float("nan")])
    for weight in weights:
        weight.grad = torch.ones(2)
    sgd.step()
    return [lr_of(sgd), *(float(w[0]) for w in weights)]


def _skipped(state: dict[str, Any]) -> dict[str, Any]:
    state["decider"]["epoch"] = -1
    return state


def _initial_lr(rank: int, world: int, path: str) -> list[float]:
    """Every rank has data of its own: the best LR of one is not another's. Of two ranks; it takes seconds."""
    if world > 2:
        return []
    torch.manual_seed(0)
    model = nn.Linear(4, 1)
    sgd = torch.optim.SGD(model.parameters(), lr=1.0)
    x = 10.0**-rank * torch.randn(64, 4)
    y = x.sum(1, keepdim=True)

    def loss(net: Any, batch: Any) -> torch.Tensor:
        inputs, targets = batch
        error: torch.Tensor = (net(inputs) - targets).square().mean()
        return error

    def validate() -> float:
        with torch.no_grad():
            return float(loss(model, (x, y)))

    search = {"model": model, "loss_fn": loss, "train_batches": [(x, y)] * 20, "val_fn": validate}
    controller = arc.Controller.from_pretrained(path, sgd, lr0="auto", **search)
    assert controller.suggestion is not None
    return [lr_of(sgd), *controller.suggestion.curve]


def _no_room(rank: int, world: int, path: str) -> list[Any]:
    """The last rank's host has no memory for copies: nobody goes back alone."""
    free = room.free_memory
    if rank == world - 1:
        room.free_memory = lambda: 100
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        controller, sgd = _controller(path, period=1)
        for e in range(3):
            epoch(controller, falling(e))
        decision = epoch(controller, [float("nan")] * 10)
    room.free_memory = free
    assert decision is not None
    told = [str(w.message) for w in caught if "another rank keeps no state" in str(w.message)]
    assert len(told) == (rank < world - 1)
    return [decision.restored, lr_of(sgd)]


def _one_is_gone(rank: int, world: int, path: str) -> Any:
    """The last rank has lost its initial state: nobody goes back there alone, but all to the good one."""
    controller, _ = _controller(path, period=2)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RecoveryWarning)
        epoch(controller, falling(0))
        copies = controller._run.recovery.copies
        assert copies is not None and set(copies.names) == {"initial", "good"}
        if rank == world - 1:
            copies.drop("initial")
        decision = epoch(controller, [float("nan")] * 10)
    assert decision is not None
    return decision.restored


def _no_losses(rank: int, world: int, path: str) -> list[Any]:
    """Stages of a pipeline: parameters of their own, and the last stage alone has losses."""
    torch.manual_seed(rank)
    weights = [nn.Parameter(torch.randn(3 + rank)) for _ in range(1 + rank)]
    sgd = torch.optim.SGD(weights, lr=0.1)
    controller = arc.Controller.from_pretrained(path, sgd, period=1)
    good: list[list[float]] = []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RecoveryWarning)
        for e in range(4):
            for weight in weights:
                weight.data.mul_(0.9)
            good = [weight.tolist() for weight in weights]
            epoch(controller, falling(e) if rank == world - 1 else [], val_loss=None)
        for weight in weights:
            weight.data.fill_(float("nan") if rank == world - 1 else 7.0)  # it breaks in the last stage
        decision = epoch(controller, [float("nan")] * 10 if rank == world - 1 else [])
    assert decision is not None
    assert [weight.tolist() for weight in weights] == good, "each stage has its own weights back"
    return [decision.restored, lr_of(sgd), [d.probabilities for d in controller.decisions]]


def _groups(rank: int, world: int, path: str) -> float:
    """Half of the ranks train one model, half another one, at another LR."""
    halves = [list(range(world // 2)), list(range(world // 2, world))]
    groups = [dist.new_group(half) for half in halves]
    mine = next(i for i, half in enumerate(halves) if rank in half)
    sgd = optimizer(0.1 * (1 + mine))
    controller = arc.Controller.from_pretrained(path, sgd, period=2, process_group=groups[mine])
    for e in range(4):
        losses = [loss + rank for loss in falling(e)]
        epoch(controller, losses if mine else losses[::-1])
    return lr_of(sgd)


def _absent(rank: int, world: int, path: str) -> str:
    """The last rank never comes: the others end in the time-out. Must be the last scenario."""
    controller, _ = _controller(path)
    if rank == world - 1:
        return "absent"
    try:
        epoch(controller, [1.0])
    except RuntimeError as error:
        return str(error)
    return "no error"


def _rank(rank: int, world: int, path: str, folder: Path) -> None:
    store = folder / f"store-{world}"
    dist.init_process_group(
        "gloo",
        init_method=f"file://{store}",
        rank=rank,
        world_size=world,
        timeout=timedelta(seconds=60),
    )
    scenarios = (
        _averaged,
        _uneven,
        _not_finite,
        _other_lr,
        _empty,
        _out_of_step,
        _sharded,
        _initial_lr,
        _no_room,
        _one_is_gone,
        _no_losses,
        _groups,
    )
    found = {scenario.__name__[1:]: scenario(rank, world, path) for scenario in scenarios}
    dist.barrier()
    group: Any = dist.group.WORLD
    group._get_backend(torch.device("cpu"))._set_default_timeout(timedelta(seconds=1))
    found["absent"] = _absent(rank, world, path)
    (folder / f"{world}-{rank}.json").write_text(json.dumps(found))


def main() -> None:
    path, folder, worlds = sys.argv[1], Path(sys.argv[2]), map(int, sys.argv[3:])
    torch.set_num_threads(1)
    children = []
    for world in worlds:
        for rank in range(world):
            child = os.fork()  # torch is imported once for all ranks
            if not child:
                try:
                    _rank(rank, world, path, folder)
                    os._exit(0)
                except BaseException:
                    traceback.print_exc()
                    os._exit(1)
            children.append(child)
    failed = sum(os.waitpid(child, 0)[1] != 0 for child in children)
    sys.exit(failed)


if __name__ == "__main__":
    main()
