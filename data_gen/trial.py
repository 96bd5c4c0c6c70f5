"""One trial run: checkpoint, three branches, the next trunk, ten times over.

Source: ARC (Dong et al., 2021), section 3.2. Ours: what happens where a training diverges.

- A branch stops at the epoch in which its training or validation loss is not finite; its last
  validation loss is NaN, and it is never chosen for the next trunk while another one is finite.
- All three branches diverged: the row is the run's last one (its label is LOWER).
- The trunk diverged: the row has no branches and is the run's last one. It is no sample, but its
  NaN is the repeated loss by which the row before it is corrected.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from arc.actions import Action
from arc.history.movement import Movement, numbers
from data_gen import branches
from data_gen.branches import Trajectory
from data_gen.labels import ranking
from data_gen.movement import Tracker
from data_gen.trial_settings import Trial
from tasks import registry
from tasks.base import Data, Task
from tasks.loop import TaskRun
from tasks.seeding import derive
from tasks.together import Together

REPEATS = 2
"""More times that the branches of a row are trained which is drawn for repetition."""


@dataclass
class Progress:
    """Where a trial stands between two cycles.

    Attributes:
        state: everything that decides the cycles to come, as plain types and tensors; None before the first
            cycle and after the last.
    """

    state: dict[str, Any] | None = None


def rows(
    trial: Trial,
    task: Task,
    data: Data,
    fingerprint: str,
    device: str = "cpu",
    progress: Progress | None = None,
    make: Callable[..., TaskRun] = TaskRun,
) -> Iterator[dict[str, Any]]:
    """Run a trial; yields one row of :data:`data_gen.schema.TRIAL` per cycle.

    ``progress`` is kept up to date; one that has a state already is where the trial goes on, to the rows
    that it would have had without the break. ``make`` makes the run.
    """
    progress = progress or Progress()
    optimizer, lr, period, recipe = trial.draw(task)
    name = registry.short_name(trial.task)
    run_key = (trial.seed, name, trial.index)

    def fresh() -> TaskRun:
        seed = derive(*run_key, "init")
        return make(task, data, optimizer=optimizer, lr=lr, seed=seed, device=device, recipe=recipe)

    run = fresh()
    together = trial.branches == "together" and run.recipe.precision == "float32"
    group = Together([fresh() for _ in Action]) if together else None
    tracker = Tracker(run)

    def branched(start: branches.Start) -> dict[Action, Trajectory]:
        if group is None:
            return branches.sequential(run, start, period, tracker)
        return branches.together(group, start, period, tracker)

    constant = {
        "run_id": trial.run_id(task, fingerprint),
        "scale": trial.scale,
        "variant": trial.variant,
        "data": trial.source.kind,
        "seed": trial.seed,
        "lr0": lr,
        "period": period,
        "cycles": trial.cycles,
        **describe(run, name, optimizer),
    }
    first = 0
    if progress.state is not None:
        first, lr = progress.state["cycle"], progress.state["lr"]
        run.restore(progress.state["run"])
        tracker.load_state_dict(progress.state["tracker"])
    for cycle in range(first, trial.cycles):
        began = time.perf_counter()
        run.set_lr(lr)
        run.reseed(*run_key, cycle, "trunk")
        trunk = branches.train(run, period, tracker, metric=True)
        found = {action: Trajectory() for action in Action}
        repeated: dict[Action, list[float]] = {action: [] for action in Action}
        ends: list[float] = []
        chosen = None
        if math.isfinite(trunk.val_loss[-1]):
            checkpoint = run.snapshot()
            found = branched(_starter(checkpoint, lr, (*run_key, cycle)))
            draw = np.random.default_rng(derive(*run_key, cycle, "repeats"))
            for i in range(REPEATS * int(draw.uniform() < trial.repeats)):
                for action, branch in branched(_starter(checkpoint, lr, (*run_key, cycle, i))).items():
                    repeated[action].append(branch.val_loss[-1])
            if draw.uniform() < trial.rollouts and cycle + 1 < trial.cycles:
                for factor in branches.FACTORS:
                    run.restore(checkpoint)
                    run.set_lr(lr * factor)
                    run.reseed(*run_key, cycle, "rollout")
                    ends.append(branches.finish(run, (trial.cycles - cycle - 1) * period))
            run.restore(checkpoint)
            if cycle + 1 < trial.cycles:
                choice = np.random.default_rng(derive(*run_key, cycle, "choice"))
                chosen = _choose([found[a].val_loss[-1] for a in Action], choice)
        trunk_lr = lr
        progress.state = None
        if chosen is not None:
            lr *= chosen.multiplier
            state = {"run": checkpoint, "tracker": tracker.state_dict()}
            progress.state = state | {"cycle": cycle + 1, "lr": lr}
        yield constant | {
            "cycle": cycle,
            "lr": trunk_lr,
            "train_loss": trunk.train_loss,
            "val_loss": trunk.val_loss,
            "val_metric": trunk.val_metric,
            **{f"{a.label}_val_loss": branch.val_loss for a, branch in found.items()},
            **{f"{a.label}_train_loss": branch.train_mean for a, branch in found.items()},
            **{f"{a.label}_repeats": losses for a, losses in repeated.items()},
            "rollout_val_loss": ends,
            "chosen": chosen.label if chosen is not None else None,
            "start_norm": tracker.start,
            **_moved("", trunk.moved),
            **{k: v for a, branch in found.items() for k, v in _moved(f"{a.label}_", branch.moved).items()},
            "tensor_cosine": _sixteen(q for m in trunk.moved for q in m.tensor_cosine),
            "tensor_step": _sixteen(q for m in trunk.moved for q in m.tensor_step),
            **({f"move_{k}": v for k, v in numbers(trunk.moved)._asdict().items()} if trunk.moved else {}),
            "seconds": time.perf_counter() - began,
        }
        if chosen is None:
            return


def describe(run: TaskRun, task: str, optimizer: str) -> dict[str, Any]:
    """What a row says of the training itself, in the columns of :data:`data_gen.schema.TRIAL`."""
    trained = [p for p in run.model.parameters() if p.requires_grad]
    return {
        "task": task,
        "optimizer": optimizer,
        "epoch_steps": run.steps_per_epoch,
        "pass_steps": run.pass_steps,
        "batch_size": run.batch_size,
        "weight_decay": float(run.optimizer.param_groups[0].get("weight_decay", 0.0)),
        "clip": run.recipe.clip,
        "warmup": run.recipe.warmup,
        "precision": run.recipe.precision,
        "parameters": sum(p.numel() for p in trained),
        "tensors": len(trained),
    }


def _moved(prefix: str, calls: list[Movement]) -> dict[str, list[float]]:
    names = ("step", "norm", "distance", "cosine", "cosine2")
    return {f"{prefix}{name}": [getattr(call, name) for call in calls] for name in names}


def _sixteen(values: Iterable[float]) -> list[np.float16]:
    with np.errstate(over="ignore"):
        return list(np.fromiter(values, np.float16))


def _starter(checkpoint: dict[str, Any], lr: float, key: tuple[object, ...]) -> branches.Start:
    def start(run: TaskRun, action: Action) -> None:
        run.restore(checkpoint)
        run.set_lr(lr * action.multiplier)
        run.reseed(*key, action.label)

    return start


def _choose(final_losses: list[float], rng: np.random.Generator) -> Action | None:
    """One of the two better branches at random, diverged ones left out; None if all diverged."""
    raise_loss, keep_loss, lower_loss = final_losses
    better = ranking(raise_loss, keep_loss, lower_loss)[:2]
    finite = [action for action in better if math.isfinite(final_losses[action])]
    return finite[rng.integers(len(finite))] if finite else None
