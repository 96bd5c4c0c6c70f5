"""One run of the comparison: its cost, its curves, what decides it."""

from __future__ import annotations

import dataclasses
import math
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import arc
from arc.network import weights
from proxy_eval import comparison_run, methods
from proxy_eval.comparison_run import ComparisonUnit
from tasks import registry
from tasks.base import Source
from tasks.recipe import Recipe
from tests.conftest import TINY
from tests.proxy_eval.units import unit


def test_a_constant_run_costs_its_budget_and_says_all_there_is_to_say() -> None:
    row = unit().row()
    assert row["charged"][-1] == row["budget"] == 6 * (3 * 4 + 4)  # 4 batches to train on, 4 to validate
    assert row["forwards"] == row["backwards"] == row["steps"] == 24
    assert {len(row[curve]) for curve in ("lr", "train_loss", "val_loss", "val_metric", "charged")} == {6}
    assert row["last_epoch"] == row["last_within_epoch"] == 6
    assert row["best_epoch"] == 1 + int(np.argmin(row["val_loss"]))
    assert row["last_test_metric"] > row["untrained_test_metric"]
    assert not row["diverged"] and row["failure"] is None and not row["decision"]


def test_arc_looks_at_the_validation_that_everybody_pays_for() -> None:
    assert unit("arc").row()["charged"] == unit().row()["charged"]


def test_a_search_is_charged_and_ends_the_equal_cost_view_early() -> None:
    row = unit("autolrs_scaled", lr0=None, epochs=20).row()
    assert row["steps"] > 80
    assert row["charged"][-1] > row["budget"]
    within = row["last_within_epoch"]
    assert 0 < within < row["last_epoch"] == 20
    assert row["charged"][within - 1] <= row["budget"] < row["charged"][within]


def test_methods_start_from_the_same_model_and_data_order() -> None:
    first = [unit(name).row() for name in ("constant", "arc", "plateau")]
    assert first[0]["train_loss"][:3] == first[1]["train_loss"][:3] == first[2]["train_loss"][:3]
    assert first[0]["train_loss"] != unit(seed=1).row()["train_loss"]
    cosine = unit("cosine", lr0=1.0).row()
    assert cosine["untrained_test_loss"] == first[0]["untrained_test_loss"]


def test_arcs_decisions_are_kept() -> None:
    """The regular ones (a period of 3), what the distance asks for between them, and the LRs that follow."""
    searched = unit("arc_auto", lr0=None).row()
    assert searched["lr"][0] not in (0.03, 1e-3)
    for row in (unit("arc").row(), searched):
        assert {3, 6} <= set(row["decision_epoch"])
        for epoch, factor in zip(row["decision_epoch"], row["decision_factor"], strict=True):
            if epoch < len(row["lr"]):
                assert row["lr"][epoch] == pytest.approx(row["lr"][epoch - 1] * factor)


def test_copies_for_a_rollback_are_charged() -> None:
    assert unit("arc_rollback").row()["snapshots"] == 6
    assert unit("arc").row()["snapshots"] == 0


def test_a_lost_run_ends_early_and_counts_as_diverged() -> None:
    row = unit(lr0=1e38).row()
    assert len(row["val_loss"]) < 6
    assert math.isnan(row["last_test_loss"]) and row["diverged"]
    assert row["best_epoch"] == 0 and row["best_test_metric"] == row["untrained_test_metric"]


def test_what_a_method_raises_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(run: Any, steps: int) -> Any:
        raise ValueError("no LR lowers the loss")

    entry = methods.Entry(make=broken, title="broken")
    monkeypatch.setitem(methods.METHODS, "broken", entry)
    row = unit("broken").row()
    assert row["failure"] == "ValueError: no LR lowers the loss"
    assert row["last_test_metric"] == row["untrained_test_metric"]


def test_an_epoch_may_be_any_number_of_steps() -> None:
    row = unit("arc", epoch_steps=3, epochs=4).row()
    assert row["steps"] == 12 and row["epoch_steps"] == 3 and len(row["lr"]) == 4


def test_every_field_decides_the_run_but_names_and_places() -> None:
    one = unit()
    other: dict[str, Any] = {"source": Source(kind="local", path="x"), "options": {"period": 2}}
    other |= {"identity": 1, "task": TINY.replace("tiny_task", "other_task")}
    for field in dataclasses.fields(ComparisonUnit):
        value = getattr(one, field.name)
        new = other[field.name] if field.name in other else f"{value}x" if isinstance(value, str) else 9
        changed = dataclasses.replace(one, **{field.name: new})
        same = field.name in ("label", "source", "device", "out", "horizon")
        assert (changed.run_id == one.run_id) == same, field.name


def test_a_run_is_refused_where_its_controller_has_changed(tmp_path: Path) -> None:
    shutil.copytree(weights.paper(), tmp_path / "c")
    begun = unit("arc", options={"controller": str(tmp_path / "c")})
    weights.save(arc.Network(), tmp_path / "c", {}, "another")
    with pytest.raises(ValueError, match="the controller of arc has changed since the start"):
        begun.row()
    assert unit("arc", options={"controller": str(tmp_path / "c")}).run_id != begun.run_id


def test_the_shipped_controller_by_its_path_is_the_same_run() -> None:
    assert unit("arc", options={"controller": str(weights.PRETRAINED)}).run_id == unit("arc").run_id


def test_a_task_is_trained_by_its_recipe(monkeypatch: pytest.MonkeyPatch) -> None:
    plain = unit().row()
    recipe = Recipe(epoch_steps=6, weight_decay=0.5, clip=0.1)
    task = dataclasses.replace(registry.get(TINY), recipe=recipe)
    load = comparison_run.load
    monkeypatch.setattr(comparison_run, "load", lambda *key: (task, load(*key)[1]))
    row = unit().row()
    assert (row["epoch_steps"], row["steps"]) == (6, 36)
    assert row["train_loss"][0] != plain["train_loss"][0]
    assert unit(epoch_steps=3).row()["epoch_steps"] == 3
