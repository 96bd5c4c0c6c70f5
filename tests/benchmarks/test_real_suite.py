"""The table of the real suite: scores by hand."""

import math
from typing import Any

import pandas as pd
import pytest

from benchmarks.real_suite import NONE, scored, summary, tables
from proxy_eval.plan import ORACLE


def run(method: str, lr0: float, accuracy: float, seed: int = 0, **changed: Any) -> dict[str, Any]:
    """A run that ends with this accuracy; 0.1 is untrained."""
    return {
        "label": method, "method": method, "task": "t", "lr0": lr0, "seed": seed, "metric": "accuracy",
        "higher_is_better": True, "last_test_metric": accuracy, "last_test_loss": 1 - accuracy,
        "untrained_test_metric": 0.1, "untrained_test_loss": 0.9, "failure": None, "diverged": False,
        "cpu_seconds": 10.0, "peak_memory": 1e8,
    } | changed  # fmt: skip


RUNS = pd.DataFrame(
    [
        run("warmup_cosine", 0.01, 0.5),
        run("warmup_cosine", 0.01, 0.7, seed=1),
        run("warmup_cosine", 0.1, 0.9),  # not the suite's best LR: no reference
        run("arc", 0.01, 0.85),
        run("arc", 0.1, 0.35),
        run("arc", 1.0, 0.05),
        run("arc", 10.0, 0.6, diverged=True),
        run("warmup_cosine", 0.01, 1.0, label=ORACLE, seed=1000),
    ]
)


def test_one_is_the_mean_of_the_tuned_schedule_and_zero_the_untrained_net() -> None:
    rows = scored(RUNS, {"t": 0.01})
    arc = rows[rows["label"] == "arc"]
    assert arc["score"].tolist() == pytest.approx([1.5, 0.5, 0.0, 0.0])
    assert arc["decade"].tolist() == [0, 1, 2, 3]
    assert ORACLE not in set(rows["label"])


def test_a_task_without_its_reference_is_left_out() -> None:
    other = pd.DataFrame([run("arc", 0.01, 0.5, task="u")])
    rows = scored(pd.concat([RUNS, other], ignore_index=True), {"t": 0.01, "u": 0.01})
    assert set(rows["task"]) == {"t"}


def test_where_a_metric_falls_the_loss_is_scored() -> None:
    falls = RUNS.assign(metric="perplexity", higher_is_better=False)
    assert scored(falls, {"t": 0.01})["score"].tolist() == pytest.approx(
        scored(RUNS, {"t": 0.01})["score"].tolist()
    )


def test_a_method_has_a_mean_only_where_every_task_is_there() -> None:
    two = pd.concat([RUNS, RUNS[RUNS["lr0"] == 0.01].assign(task="u")], ignore_index=True)
    lines = summary(scored(two, {"t": 0.01, "u": 0.01}))
    assert lines[0].startswith("| method | the best LR | +1 decades")
    arc = next(line for line in lines if "1.500" in line)
    assert arc.count("|") == lines[0].count("|")
    assert arc.split("|")[2:4] == [" 1.500 ", "  "]
    assert any("0.85 (1.500)" in line for line in tables(scored(two, {"t": 0.01, "u": 0.01})))


def test_a_method_without_an_lr_has_a_column_of_its_own_and_time_is_beside_the_tuned_schedules() -> None:
    free = pd.DataFrame([run("prodigy_cosine", math.nan, 0.6, cpu_seconds=30.0)])
    rows = scored(pd.concat([RUNS, free], ignore_index=True), {"t": 0.01})
    head, _, *lines = summary(rows)
    cells = dict(
        zip(head.split("|"), next(line for line in lines if "rodigy" in line).split("|"), strict=True)
    )
    assert cells[f" {NONE} "] == " 1.000 " and cells[" CPU time "] == " 3.00 "
    assert tables(rows)[0].rstrip(" |").endswith(NONE)


def test_two_seeds_of_all_tasks_have_an_interval_and_a_seed_of_some_is_left_out() -> None:
    """Of two tasks at 1.5 and .5 a drawn pair has a mean of 1.5, 1 or .5."""
    runs = pd.DataFrame(
        [run("warmup_cosine", 0.01, 0.6, seed=s, task=t) for t in "tu" for s in (0, 1)]
        + [run("arc", 0.01, {"t": 0.85, "u": 0.35}[t], seed=s, task=t) for t in "tu" for s in (0, 1)]
        + [run("arc", 0.01, 0.1, seed=2, task="t")]
    )
    lines = summary(scored(runs, {"t": 0.01, "u": 0.01}))
    assert next(line for line in lines if "arc" in line.lower()).split("|")[2] == " 1.000 [0.500, 1.500] "
