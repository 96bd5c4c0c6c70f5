"""``epoch_steps=`` in the proxy runs: another run, and the names of those before stay."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from arc.network import weights
from data_gen import store
from data_gen.unit import load
from proxy_eval.proxy_run import PROXY_RUN, ProxyUnit
from proxy_eval.select import SelectConfig
from tasks.base import Source
from tasks.errors import InputError
from tasks.work import cli
from tests.conftest import TINY


def unit(out: Path) -> ProxyUnit:
    return ProxyUnit(
        candidate=str(weights.PRETRAINED), digest="d", task=TINY, scale="mini", source=Source(),
        fingerprint=load(TINY, "mini", Source(), "cpu")[1].fingerprint(), optimizer="sgd", lr0=0.1, repeat=0,
        epochs=3, period=1, policy="shipped", rules="r", seed=0, device="cpu", runs=str(out),
    )  # fmt: skip


def test_runs_without_it_are_named_as_before(tmp_path: Path) -> None:
    asked = unit(tmp_path)
    place = ("candidate", "source", "device", "runs", "tensorboard", "epoch_steps")
    decisive = {k: v for k, v in asdict(asked).items() if k not in place}
    assert asked.run_id == hashlib.sha256(json.dumps(decisive, sort_keys=True).encode()).hexdigest()[:16]
    assert replace(asked, epoch_steps=2).run_id != asked.run_id


def test_an_epoch_is_that_many_steps(tmp_path: Path) -> None:
    short, whole = replace(unit(tmp_path), epoch_steps=1), unit(tmp_path)
    for asked in (short, whole):
        asked.run()
    few, many = (store.read(asked.path, PROXY_RUN).to_pylist()[0] for asked in (short, whole))
    assert len(few["train_loss"]) == len(many["train_loss"]) == 3
    assert few["train_loss"][0] != many["train_loss"][0]


def test_it_is_a_number_of_steps() -> None:
    assert cli.parse("proxy_eval", SelectConfig, ["epoch_steps=30"]).epoch_steps == 30
    with pytest.raises(InputError, match="got epoch_steps=0"):
        cli.parse("proxy_eval", SelectConfig, ["epoch_steps=0", "optimizer=own"])
