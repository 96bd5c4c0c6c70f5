"""Ranks of a gloo group hold the same LR, at one collective per call, and never hang in silence."""

import json
import math
from pathlib import Path

import pytest

import arc
from arc.history.course import Call
from arc.history.movement import Movement
from arc.history.ranks import merged
from arc.network import weights
from tests.arc.helpers import epoch, falling, optimizer, run_module, seeded_network


@pytest.fixture(scope="module")
def network() -> arc.Network:
    return seeded_network()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, network: arc.Network) -> Path:
    made = tmp_path_factory.mktemp("ranks")
    weights.save(network, made / "controller", {}, "card")
    run_module("distributed_worker", made / "controller", made, 2, 4)
    return made


@pytest.mark.parametrize("world", [2, 4])
def test_ranks_agree_or_say_why_not(folder: Path, network: arc.Network, world: int) -> None:
    ranks = [json.loads((folder / f"{world}-{rank}.json").read_text()) for rank in range(world)]
    first, last = ranks[0], ranks[-1]
    same = ("averaged", "uneven", "not_finite", "other_lr", "empty", "out_of_step", "sharded", "initial_lr")
    same += ("no_room", "one_is_gone", "no_losses")
    for other in ranks[1:]:
        assert {k: other[k] for k in same} == {k: first[k] for k in same}

    assert first["one_is_gone"] == 1
    assert first["no_losses"][0] == 4

    half = world // 2
    lrs = [rank["groups"] for rank in ranks]
    assert len(set(lrs[:half])) == len(set(lrs[half:])) == 1 and lrs[0] != lrs[-1]

    alone = arc.Controller(optimizer(0.1, 0.01), network=network, period=2)
    for e in range(6):
        epoch(alone, falling(e), val_loss=1.0 / (e + 1) if e % 2 else None)
    for ours, theirs in zip(first["averaged"]["probabilities"], alone.decisions, strict=True):
        assert ours == pytest.approx(theirs.probabilities, abs=1e-4)
    assert first["averaged"]["lrs"] == pytest.approx(list(alone.decisions[-1].lr_after))
    assert first["averaged"]["collectives"] == 6

    assert first["not_finite"] == pytest.approx(0.1 * 0.618**3)
    lr = 0.1 * 0.618**3
    assert first["sharded"] == pytest.approx([lr] + [1 - lr] * world)
    assert "ranks disagree: lr is [0.1, 0.2" in first["other_lr"]
    assert "step() without a loss" in first["empty"]
    assert "ranks disagree: epoch is [1, " in first["out_of_step"]
    assert "every rank calls controller.step() equally often" in first["absent"]
    assert last["absent"] == "absent"


def test_calls_of_other_strides_are_brought_to_one() -> None:
    every = Call(epoch=1, lr=0.1, steps=8, kept=8, mean=1.0, losses=[0.0, 1.0, 2.0, 3.0, 4.0], stride=1)
    second = Call(epoch=1, lr=0.1, steps=9, kept=9, mean=3.0, val_loss=2.0, losses=[2.0, 4.0], stride=2)
    both = merged([every, second])
    assert both.losses == [1.0, 3.0, 4.0] and both.stride == 2
    assert both.mean == 2.0 and both.val_loss == 2.0 and both.steps == 8


def test_weights_that_break_on_one_rank_are_broken_on_all() -> None:
    sound = Movement(step=1.0, norm=10.0, start=10.0, distance=1.0, cosine=0.5)
    lost = Movement(step=3.0, norm=math.nan, start=10.0, distance=math.nan)
    both = merged([Call(lr=0.1, steps=8, moved=sound), Call(lr=0.1, steps=8, moved=lost)]).moved
    assert both is not None and not both.finite
    assert (both.step, both.cosine) == (2.0, 0.5)
