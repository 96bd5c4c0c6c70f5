"""What is run, the most valuable first."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from itertools import zip_longest
from pathlib import Path
from typing import Any, Final

PARTS: Final = "abcde"
EMBEDDED: Final = "embedded"

METHODS: Final = (
    ("ARC recommended", "arc_anneal_rollback"),
    ("cosine", "cosine"),
    ("ARC one line", "arc_rollback"),
    ("published weights", "arc_published"),
    ("constant", "constant"),
)
"""Label, and name in the registry (proxy_eval/methods.py)."""
LRS: Final = {"cifar": (1e-3, 1e-2, 1e-4), "gpt": (1e-3, 1e-5, 1e-4, 1e-2)}
SIZES: Final = {"paper": (10, 100, 1000), "toy": (1,)}
"""Millions of parameters."""
GENERATED: Final = {"paper": ("svhn_vgg", "arithmetic_gpt", "shakespeare_gru"), "toy": ("arithmetic_gpt",)}
FOLDERS: Final = {"cifar": "cifar10", "gpt": "tiny_shakespeare"}
WEIGHTS: Final = "arc_original/arc.h5"
PLACES: Final = ("path", "weights", "out", "processes")
"""Arguments of a job that do not decide its results."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """The command line, as benchmarks/gpu/__main__.py explains it.

    Raises:
        ValueError: a value that cannot be used.
    """

    minutes: float
    out: Path
    parts: str
    data: str
    at_once: int
    device: str
    scale: str

    def __post_init__(self) -> None:
        if not self.minutes > 0:
            raise ValueError(f"got minutes={self.minutes:g}, need a number > 0")
        if not self.parts or set(self.parts) - set(PARTS):
            raise ValueError(f"got parts={self.parts}, need some of {PARTS}")
        if self.at_once < 1:
            raise ValueError(f"got at_once={self.at_once}, need an integer >= 1")
        if self.device not in ("cuda", "cpu") or self.scale not in SIZES:
            raise ValueError(
                f"got device={self.device} scale={self.scale}, need cuda or cpu, {' or '.join(SIZES)}"
            )


@dataclass(frozen=True, kw_only=True)
class Job:
    """One process.

    Attributes:
        name: in the table.
        part: a letter; m for what the machine is.
        kind: module in benchmarks/gpu whose ``run`` is called.
        arguments: of ``run``; JSON types.
        seconds: after which it is stopped.
        alone: whether nothing else may run beside it.
        missing: why it cannot be run at all.
    """

    name: str
    part: str
    kind: str
    arguments: dict[str, Any] = field(default_factory=dict)
    seconds: float
    alone: bool = False
    missing: str | None = None

    @property
    def decisive(self) -> dict[str, Any]:
        """What decides the results; where files lie does not, and whether they are real does."""
        kept = {k: v for k, v in self.arguments.items() if k not in PLACES}
        return {**kept, "kind": self.kind, "embedded": self.arguments.get("path", "") is None}

    @property
    def sort(self) -> str:
        """Jobs of one sort take about as long as each other."""
        return self.name.partition(",")[0]

    def as_dict(self) -> dict[str, Any]:
        """For the process."""
        return asdict(self)


def files() -> Path:
    """Where the data sets lie if nobody says otherwise."""
    return Path(os.environ.get("ARC_DATA") or "../shared/data")


def jobs(options: Options) -> list[Job]:
    """All jobs that the options ask for, in their order."""
    device, asked = options.device, options.parts
    found = [Job(name="machine", part="m", kind="machine", arguments={"device": device}, seconds=60)]
    if set("de") & set(asked):
        found += [_data(options, kind) for kind in LRS if ("d" if kind == "cifar" else "e") in asked]
    if "a" in asked:
        found.append(Job(name="checks", part="a", kind="checks", arguments={"device": device}, seconds=90))
    if "b" in asked:
        for millions in (0, *SIZES[options.scale]):
            name = f"step, {millions} M parameters" if millions else "record"
            values = {"device": device, "millions": millions}
            found.append(Job(name=name, part="b", kind="costs", arguments=values, seconds=75, alone=True))
    if "c" in asked:
        found += [_generator(options, task) for task in GENERATED[options.scale]]
    trainings = [
        list(_trainings(options, kind)) for kind, part in (("cifar", "d"), ("gpt", "e")) if part in asked
    ]
    return found + [job for pair in zip_longest(*trainings) for job in pair if job is not None]


def _generator(options: Options, task: str) -> Job:
    values = {"device": options.device, "task": task, "scale": options.scale, "processes": options.at_once}
    return Job(
        name=f"generator, {task}", part="c", kind="generator", arguments=values, seconds=120, alone=True
    )


def _data(options: Options, kind: str) -> Job:
    """Reads the data once, for all trainings."""
    return Job(
        name=f"data, {kind}",
        part="m",
        kind="data",
        arguments={"kind": kind, "scale": options.scale, "path": _path(options, kind)},
        seconds=90,
        missing=_no_data(options, kind),
    )


def _trainings(options: Options, kind: str) -> Iterator[Job]:
    """LR by LR, so that what is unfinished is a comparison at fewer LRs."""
    title, part = ("CIFAR-10 ResNet-9", "d") if kind == "cifar" else ("GPT", "e")
    weights = (Path(options.data) if options.data != EMBEDDED else files()) / WEIGHTS
    for lr in LRS[kind] if options.scale == "paper" else LRS[kind][:1]:
        for label, method in METHODS:
            missing = _no_data(options, kind)
            if method == "arc_published" and missing is None and not weights.is_file():
                missing = f"no file {weights}"
            yield Job(
                name=f"{title}, LR {lr:g}, {label}",
                part=part,
                kind="trainings",
                arguments={
                    "kind": kind,
                    "method": method,
                    "label": label,
                    "lr": lr,
                    "device": options.device,
                    "scale": options.scale,
                    "path": _path(options, kind),
                    "weights": str(weights),
                    "out": str(options.out / "unfinished"),
                },
                seconds=400,
                missing=missing,
            )


def _path(options: Options, kind: str) -> str | None:
    """The folder of the real files; None for embedded data."""
    return None if options.data == EMBEDDED else str(Path(options.data) / FOLDERS[kind])


def _no_data(options: Options, kind: str) -> str | None:
    path = _path(options, kind)
    if path is None or Path(path).is_dir():
        return None
    return f"no folder {path}: set ARC_DATA, or say data=DIRECTORY or data=embedded"
