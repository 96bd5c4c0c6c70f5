"""Sweeps and samples read as observations."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import fields
from typing import Any

import numpy as np
import pandas as pd

from arc.actions import Action
from arc.history.blocks import blocks
from arc.history.course import Call, Course
from arc.history.movement import Movement
from arc.history.observation import LENGTH, NAMES, observe
from data_gen import schema, store
from data_gen.samples import SAMPLE
from data_gen.sweep.runs import ANNEAL
from tasks.errors import InputError
from training import targets
from training.observations import FARTHEST, RISEN, Observations


class _Rows:
    """Collects what becomes :class:`Observations`."""

    def __init__(self) -> None:
        self.columns: dict[str, list[Any]] = {field.name: [] for field in fields(Observations)}

    def add(self, course: Course, total: float | None, **values: Any) -> None:
        seen = observe(course, None if total is None else course.count / total)
        given: dict[str, Any] = {"soft": [math.nan] * 3, "label": -1, "losses": [math.nan] * 3} | values
        given["distance"] = min(max(given["distance"], -FARTHEST), FARTHEST)
        for name, value in (given | {"windows": seen.window, "numbers": seen.numbers}).items():
            self.columns[name].append(value)

    def all(self) -> Observations:
        kinds = {"label": np.int64, "parameters": np.int64, "steps": np.int64, "tasks": str, "runs": str}
        shapes = {"windows": (-1, LENGTH, 4), "numbers": (-1, len(NAMES)), "soft": (-1, 3), "losses": (-1, 3)}
        return Observations(
            **{
                name: np.array(values, dtype=kinds.get(name, np.float32)).reshape(shapes.get(name, (-1,)))
                for name, values in self.columns.items()
            }
        )


def from_sweeps(sweeps: str, best: pd.DataFrame) -> Observations:
    """Every call of every run, but for those of the final anneal, in which the LR falls by plan."""
    known = best.set_index("run_id")
    rows = _Rows()
    for path in store.parts(sweeps):
        for run in store.read(path, schema.SWEEP).to_pylist():
            if run["run_id"] not in known.index:
                continue
            of_setting = known.loc[run["run_id"]]
            annealed = round(ANNEAL * run["calls"]) if run["kind"] == "constant" else 0
            course = Course()
            for call in _calls_of_sweep(run):
                course.add(call)
                if course.count > run["calls"] - annealed:
                    break
                rows.add(
                    course,
                    run["calls"],
                    distance=math.log10(call.lr / _target(course, of_setting)),
                    tasks=run["task"],
                    runs=f"{run['run_id']}-{run['kind']}-{run['number']}",
                    parameters=run["parameters"],
                    steps=run["epoch_steps"],
                )
    return rows.all()


def _target(course: Course, of_setting: Any) -> float:
    """The best LR for what is left: once the net overfits, that of the lowest end, else of the lowest loss.

    Early in a training nothing tells that it will overfit, and an LR that trains fast is no fault.
    """
    val = course.val
    risen = val.count > 0 and val.last - val.lowest > RISEN * (of_setting["untrained"] - val.lowest)
    return float(of_setting["best_lr"] if risen else of_setting["best_kept_lr"])


def _calls_of_sweep(run: dict[str, Any]) -> Iterator[Call]:
    count = len(run["step"])
    points = len(run["train_mean"]) // count if count else 0
    for i, moved in enumerate(_movements(run)):
        part = slice(i * points, (i + 1) * points)
        yield Call(
            lr=run["lr"][i],
            steps=run["epoch_steps"],
            means=run["train_mean"][part],
            spreads=run["train_spread"][part],
            val_loss=run["val_loss"][i],
            moved=moved,
        )


def from_samples(samples: str, best: pd.DataFrame) -> Observations:
    """The end of every trunk, with its label, and its distance where the setting was swept."""
    rows = _Rows()
    for path in store.parts(samples):
        table = store.read(path, SAMPLE).sort_by([("run_id", "ascending"), ("cycle", "ascending")])
        frame = table.to_pandas()
        losses = frame[[f"{a.label}_loss" for a in Action]].to_numpy(np.float64)
        values = {action.label: int(action) for action in Action}
        chosen = frame["chosen"].map(values).fillna(-1).to_numpy().astype(np.int64)
        soft = targets.soft(
            losses, chosen, frame["repeated_loss"].to_numpy(np.float64), frame["run_id"].to_numpy(str)
        )
        course = Course()
        for i, row in enumerate(frame.itertuples(index=False)):
            if i == 0 or row.run_id != frame["run_id"][i - 1]:
                course = Course()
            for call in _calls_of_sample(row):
                course.add(call)
            near = _nearest(best, row)
            rows.add(
                course,
                int(row.period * row.cycles) if row.cycles > 0 else None,
                distance=math.nan if near is None else math.log10(row.lr / _target(course, near)),
                soft=soft[i].tolist(),
                label=values[row.label],
                losses=losses[i],
                tasks=row.task,
                runs=row.run_id,
                parameters=0 if pd.isna(row.parameters) else row.parameters,
                steps=row.epoch_steps,
            )
    return rows.all()


def _calls_of_sample(row: Any) -> list[Call]:
    steps = int(row.epoch_steps)
    moved = _movements(row._asdict()) if row.step is not None and len(row.step) else [None] * row.period
    found = []
    for i, val in enumerate(row.val_loss.tolist()):
        mean, spread = blocks(row.train_loss[i * steps : (i + 1) * steps])
        move = moved[i] if i < len(moved) else None
        found.append(Call(lr=row.lr, steps=steps, means=mean, spreads=spread, val_loss=val, moved=move))
    return found


def _movements(row: dict[str, Any]) -> list[Movement]:
    def quantiles(name: str, i: int) -> tuple[float, float, float, float, float]:
        a, b, c, d, e = (float(v) for v in row[name][5 * i : 5 * i + 5])
        return a, b, c, d, e

    return [
        Movement(
            step=float(row["step"][i]),
            norm=float(row["norm"][i]),
            start=float(row["start_norm"]),
            distance=float(row["distance"][i]),
            cosine=float(row["cosine"][i]),
            cosine2=float(row["cosine2"][i]),
            tensor_cosine=quantiles("tensor_cosine", i),
            tensor_step=quantiles("tensor_step", i),
        )
        for i in range(len(row["step"]))
    ]


def _nearest(best: pd.DataFrame, row: Any) -> Any:
    """The swept setting that is most like a trial's: same task, variant and optimizer; or None."""
    same = best[
        (best["task"] == row.task) & (best["variant"] == row.variant) & (best["optimizer"] == row.optimizer)
    ]
    if same.empty:
        return None
    apart = abs(np.log2(same["epoch_steps"] / row.epoch_steps))
    if not pd.isna(row.batch_size):
        apart = apart + abs(np.log2(same["batch_size"] / row.batch_size))
    return same.loc[apart.idxmin()]


def load(sweeps: str | None, samples: str | None, best: pd.DataFrame) -> Observations:
    """All observations of sweeps and samples; either may be None.

    Raises:
        InputError: there are none.
    """
    parts = [] if sweeps is None else [from_sweeps(sweeps, best)]
    parts += [] if samples is None else [from_samples(samples, best)]
    if not parts or not sum(map(len, parts)):
        raise InputError(f"no observations in sweeps={sweeps} and samples={samples}; generate some first")
    return Observations.joined(parts)
