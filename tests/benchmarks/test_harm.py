"""The harm benchmark: its judge by hand, its file of runs, and a tenth of its runs."""

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.harm import __main__ as harm
from benchmarks.harm import judge, pool, store
from benchmarks.harm.run import run
from benchmarks.harm.training import KINDS

SEEDS = range(2)
HARMED = frozenset({"detector_of_anchors"})
"""Kinds that the present controller harms with these seeds; one that is mended has to be taken out. Without
copies to go back to it raises a detector's LR until weights and running statistics are lost."""


def row(final: float | None, **more: Any) -> dict[str, Any]:
    """A run that was well."""
    well = {"initial": 2.0, "final": final, "positive": True, "error": "", "restores": 0, "initials": 0}
    return {**well, "ratio": 1.0, "rescued": 1.0, "lowest_lr": 1e-3, **more}


def verdict(ours: list[dict[str, Any]], guard: list[dict[str, Any]]) -> judge.Verdict:
    arms = {"arc": ours, "guard": guard}
    return judge.verdict(
        "kind", {(seed, arm): r for arm, rows in arms.items() for seed, r in enumerate(rows)}
    )


GUARD = [row(f) for f in (0.9, 1.0, 1.1)]


@pytest.mark.parametrize(
    "ours, broken",
    [
        (GUARD, []),
        ([row(0.5)] * 3, []),  # better is no harm
        ([row(1.02 * r["final"]) for r in GUARD], ["median"]),
        ([row(0.9), row(1.0), row(1.41)], ["worst"]),  # the deviation is 0.1
        ([row(0.9), row(1.0), row(1.39)], []),
        ([row(0.9), row(1.0), row(None)], ["worst"]),
        ([row(0.9, restores=1, initials=1), *GUARD[1:]], ["initial"]),
        ([row(0.9, restores=1), *GUARD[1:]], []),
        ([row(0.9, ratio=0.009), *GUARD[1:]], ["floor"]),
        ([row(0.9, ratio=0.5, lowest_lr=1e-12), *GUARD[1:]], ["floor"]),
        ([row(0.9, lowest_lr=1e-12), *GUARD[1:]], []),  # the user's own schedule went there
    ],
)
def test_the_criteria(ours: list[dict[str, Any]], broken: list[str]) -> None:
    assert verdict(ours, GUARD).broken == broken


def test_runs_without_rollback_that_did_not_end_are_no_yardstick() -> None:
    assert verdict([row(0.5), row(None)], [row(1.0), row(None)]).broken == []
    assert "worst" in verdict([row(None), row(None)], [row(None), row(None)]).broken


def test_a_floor_without_rollback_counts_too() -> None:
    found = verdict(GUARD, [row(0.9, ratio=0.001), *GUARD[1:]])
    assert (found.floors, found.floors_guard, found.broken) == (1, 1, ["floor"])


def test_a_run_is_lost_where_it_ends_above_its_start_and_would_not_without_a_controller() -> None:
    def found(ours: float | None, none: float | None) -> list[str]:
        arms = {"arc": ours, "guard": ours, "none": none}  # a guard that is harmed alike hides it otherwise
        return judge.verdict("kind", {(0, arm): row(final) for arm, final in arms.items()}).broken

    assert "lost" in found(None, 0.9) and found(2.1, 0.9) == ["lost"]
    assert found(0.9, 0.9) == found(2.1, 2.2) == [] and "lost" not in found(None, None)


def test_a_run_of_unknown_length_counts_among_those_that_went_back_or_were_lost() -> None:
    def found(untold: dict[str, Any]) -> judge.Verdict:
        arms = {"arc": row(0.9), "guard": row(0.9), "none": row(1.0), "unknown": untold}
        return judge.verdict("kind", {(0, arm): one for arm, one in arms.items()})

    assert found(row(1.2)).broken == [] and found(row(1.2)).unknown == pytest.approx(0.2)
    assert found(row(0.9, initials=1)).broken == ["initial"]
    assert found(row(0.9, ratio=0.001)).broken == ["floor"]
    assert found(row(2.5)).broken == ["lost"]


def test_the_scale_of_a_loss() -> None:
    assert judge.scale(row(0.5)) == 0.5
    assert judge.scale(row(1e-9, initial=2.0)) == pytest.approx(0.02)
    assert judge.scale(row(-3.0, initial=-1.0, positive=False)) == 2.0


def test_finished_runs_are_not_run_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[pool.Key] = []

    def fake(kind: str, seed: int, arm: str) -> dict[str, Any]:
        started.append((kind, seed, arm))
        return {**row(1.0 + seed), "kind": kind, "seed": seed, "arm": arm}

    monkeypatch.setattr("benchmarks.harm.run.run", fake)
    file = tmp_path / "harm.jsonl"
    arguments = ["--kinds", "cosine", "--share", "0.1", "--workers", "0", "--runs", str(file)]
    assert harm.main(arguments) == 0
    assert len(started) == 12
    lines = file.read_text().splitlines()
    other_code = json.dumps({**json.loads(lines[1]), "digest": "of other code"})
    file.write_text("\n".join([lines[0], other_code, *lines[2:-1], lines[-1][:30]]))  # and one was cut off
    assert harm.main([*arguments, "--judge-only"]) == 1  # not all is there
    assert harm.main(arguments) == 0
    assert sorted(started[12:]) == sorted(
        (r["kind"], r["seed"], r["arm"]) for r in map(json.loads, (lines[1], lines[-1]))
    )


def test_the_digest_is_that_of_the_code() -> None:
    assert store.digest_of("cosine") == store.digest_of("cyclic")  # the same file
    assert store.digest_of("cosine") != store.digest_of("gan")


def test_there_are_forty_kinds_or_more() -> None:
    assert len(KINDS) >= 40


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_no_harm(kind: str, request: pytest.FixtureRequest) -> None:
    """No run raises, is lost, goes back to its start or ends at a floor; losses need more seeds."""
    if kind in HARMED:
        request.applymarker(pytest.mark.xfail(strict=True, reason="issue: Do no harm"))
    rows = {(seed, arm): run(kind, seed, arm) for seed in SEEDS for arm in ("arc", "guard")}
    doubtful = sorted({seed for (seed, _), row in rows.items() if judge.lost(row)})
    rows |= {(seed, "none"): run(kind, seed, "none") for seed in doubtful}
    assert not {"raised", "lost", "initial", "floor"} & set(judge.verdict(kind, rows).broken)
