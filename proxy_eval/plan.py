"""From what was asked for to the runs of the comparison, in the order in which they are worth most."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from data_gen.unit import load
from proxy_eval import methods, suite
from proxy_eval.comparison_run import ComparisonUnit
from tasks import registry
from tasks.base import Source, source_of
from tasks.errors import InputError
from tasks.work import folders

ORACLE = "oracle"
"""Label of the runs on the selection seeds, which choose the oracle's LR0."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A method of the comparison under its label, with its options."""

    name: str
    label: str
    options: dict[str, Any]
    epochs: int | None = None

    @property
    def identity(self) -> Any:
        """What decides its runs beyond name and options."""
        return methods.identity(self.name, self.options)


@dataclass(frozen=True, kw_only=True)
class Place:
    """A task of the comparison with all that its runs need."""

    entry: suite.Entry
    source: Source
    fingerprint: str
    settings: str
    lr0s: tuple[float, ...]


def asked(selection: Any, *, weights: str, controller: str | None) -> list[Asked]:
    """Methods from ``all``, a name, or a list of names and mappings ``{name, label, epochs, ...options}``."""
    items = list(methods.METHODS) if selection == "all" else selection
    found = [_asked(item, weights, controller) for item in (items if isinstance(items, list) else [items])]
    labels = [a.label for a in found]
    for label in labels:
        if labels.count(label) > 1 or label == ORACLE:
            raise InputError(f"two methods are called {label!r}: give one of them another label")
    return found


def oracle(item: Any) -> Asked:
    """The oracle's method, from a name or ``{name, ...options}``; InputError for one without LR0."""
    values = item if isinstance(item, dict) else {"name": item}
    found = _asked({**values, "label": ORACLE}, "", None)
    if not methods.get(found.name).needs_lr0:
        raise InputError(f"got oracle={found.name}, need a method whose LR0 is to be chosen, such as cosine")
    return found


def _asked(item: Any, weights: str, controller: str | None) -> Asked:
    values: dict[str, Any] = dict(item) if isinstance(item, dict) else {"name": item}
    name = values.pop("name", None)
    if not isinstance(name, str):
        raise InputError(f"got method {item!r}, need a name, or {{name: ..., label: ..., option: ...}}")
    try:
        entry = methods.get(name)
    except methods.MethodError as error:
        raise InputError(str(error)) from None
    label, epochs = values.pop("label", None), values.pop("epochs", None)
    if entry.decided_by is not None:
        if "weights" in entry.options:
            values.setdefault("weights", weights)
        elif controller is not None:
            values.setdefault("controller", controller)
        elif "controller" in values:
            label = label or f"{name}:{folders.name(values['controller'])}"
    return Asked(name=name, label=label or name, options=values, epochs=epochs)


def places(
    entries: Sequence[suite.Entry],
    *,
    lr0: Any,
    decades: Sequence[float],
    scale: str,
    data: str,
    data_dir: Any,
) -> list[Place]:
    """The tasks, loaded once for their fingerprints, with their LR0s in the order of running."""
    found = []
    for entry in entries:
        source = source_of(data, data_dir, entry.name)
        lr0s = entry.grid(list(decades)) if lr0 == "grid" else [float(lr) for lr in lr0]
        _, splits = load(entry.name, scale, source, "cpu")
        found.append(
            Place(
                entry=entry,
                source=source,
                fingerprint=splits.fingerprint(),
                settings=settings_of(entry.name, scale),
                lr0s=tuple(lr0s),
            )
        )
    return found


def settings_of(task: str, scale: str) -> str:
    """A hash of a task's numbers."""
    encoded = json.dumps(asdict(registry.get(task, scale)), sort_keys=True, default=str).encode()
    return hashlib.sha256(encoded).hexdigest()[:16]


@dataclass(frozen=True, kw_only=True)
class Plan:
    """Everything that was asked for, resolved."""

    methods: tuple[Asked, ...]
    places: tuple[Place, ...]
    seeds: tuple[int, ...]
    selection_seeds: tuple[int, ...]
    oracle: Asked
    horizon: float
    epoch_steps: int | None
    base_seed: int
    scale: str
    device: str
    out: str

    def units(self) -> Iterator[ComparisonUnit]:
        """Seed by seed, so that an unfinished comparison is one of fewer seeds; the oracle's choice comes
        first, since nothing can be normalised without it."""
        for seed in self.selection_seeds:
            yield from self._rounds([self.oracle], seed)
        for seed in self.seeds:
            yield from self._rounds(self.methods, seed)

    def _rounds(self, chosen: Sequence[Asked], seed: int) -> Iterator[ComparisonUnit]:
        """LR0 by LR0 from the middle of the grid, task by task, method by method."""
        for i in range(max(len(p.lr0s) for p in self.places)):
            for place in self.places:
                for method in chosen:
                    if methods.get(method.name).needs_lr0:
                        if i < len(place.lr0s):
                            yield self._unit(method, place, place.lr0s[i], seed)
                    elif i == 0:
                        yield self._unit(method, place, None, seed)

    def _unit(self, method: Asked, place: Place, lr0: float | None, seed: int) -> ComparisonUnit:
        entry = place.entry
        options = dict(method.options)
        if method.name == "arc_random":
            options["seed"] = seed
        return ComparisonUnit(
            label=method.label,
            method=method.name,
            options=options,
            identity=method.identity,
            task=entry.name,
            scale=self.scale,
            source=place.source,
            fingerprint=place.fingerprint,
            settings=place.settings,
            optimizer=entry.optimizer,
            lr0=lr0,
            start_lr=suite.DEFAULT_LR[entry.optimizer],
            seed=seed,
            base_seed=self.base_seed,
            horizon=self.horizon,
            epochs=max(1, round(self.horizon * (method.epochs or entry.epochs))),
            epoch_steps=self.epoch_steps,
            device=self.device,
            out=self.out,
        )
