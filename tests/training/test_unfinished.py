"""Fits that are told to stop go on where they were, candidates are shared out, and one process makes each."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from arc.network import weights
from tasks.work import checkpoint, claims, cli
from tasks.work.answers import Stopped, Taken
from tests.data_gen.test_sweep import swept as swept
from tests.training.test_movement import made
from tests.training.test_training import config, many, write
from tests.units import stops_after
from training import dataset
from training.config import TrainingConfig
from training.fit import fit
from training.fit_estimator import Recipe
from training.fit_estimator import fit as fit_estimator
from training.movement import Candidate, MovementConfig
from training.unfinished import Unfinished


def same(one: torch.nn.Module, two: torch.nn.Module) -> bool:
    pairs = zip(one.state_dict().values(), two.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


def test_a_candidate_goes_on_to_the_same_network(tmp_path: Path) -> None:
    write(tmp_path / "samples", many(runs=6, cycles=2))
    train, held = dataset.split(dataset.load(str(tmp_path / "samples")), 0.3, 0)
    asked = config(tmp_path, epochs=4)
    part = str(tmp_path / "0")

    def fitted(unfinished: Unfinished | None = None, tick: Callable[[], None] = lambda: None):
        return fit(train, held, asked, seed=3, tick=tick, unfinished=unfinished)

    for epochs in (1, 2):
        with pytest.raises(Stopped):
            fitted(Unfinished(part, {"seed": 3}), stops_after(epochs))
    ticks: list[None] = []
    found, history = fitted(Unfinished(part, {"seed": 3}), lambda: ticks.append(None))
    whole, expected = fitted()
    assert same(found, whole) and json.dumps(history, default=float) == json.dumps(expected, default=float)
    assert len(ticks) == asked.epochs
    assert Unfinished(part, {"seed": 4}).restore({}, torch.Generator()) == [], "of another fit"


def test_the_network_that_sees_movement_goes_on_to_the_same_one(tmp_path: Path) -> None:
    recipe, data = Recipe(epochs=3), made(200)
    with pytest.raises(Stopped):
        fit_estimator(data, recipe, seed=0, tick=stops_after(2), unfinished=Unfinished(str(tmp_path / "0")))
    kept = Unfinished(str(tmp_path / "0"))
    found = fit_estimator(data, recipe, seed=0, unfinished=kept)
    assert len(kept.history) == 3 and same(found, fit_estimator(data, recipe, seed=0))
    kept.done()
    assert list(tmp_path.iterdir()) == []


def test_the_last_epoch_is_finished_and_every_minute_is_saved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoint, "SAVE_SECONDS", 0.0)
    unfinished = Unfinished(str(tmp_path / "0"))
    history = unfinished.restore({}, torch.Generator())
    for epoch in unfinished.epochs(3, stops_after(3)):
        history.append({"epoch": epoch})
    assert len(Unfinished(str(tmp_path / "0")).restore({}, torch.Generator())) == 2


def test_a_candidate_has_one_maker_and_what_is_there_is_not_made_again(swept: Path, tmp_path: Path) -> None:
    asked = [f"sweeps={swept}", f"out={tmp_path}/m", "candidates=2", "folds=2", "epochs=1"]
    unit = Candidate(cli.parse("training.movement", MovementConfig, asked), 1)
    with claims.held(unit.path), pytest.raises(Taken):
        claims.claimed(unit).run(lambda: None)
    assert [claims.claimed(unit).run(lambda: None) for _ in range(2)] == [1, 0]
    assert weights.read_config(tmp_path / "m" / "1")["config"]["candidate_seed"] == 1
    assert [path.name for path in (tmp_path / "m").iterdir()] == ["1"]


@pytest.mark.parametrize("key", ["shard=3/2", "executor=slurm", "num_cpus=0", "timeout=0"])
@pytest.mark.parametrize(
    ("stage", "schema"), [("training", TrainingConfig), ("training.movement", MovementConfig)]
)
def test_keys_of_the_executor_are_checked(
    stage: str, schema: type, key: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(stage, schema, lambda _: pytest.fail("it ran"), [key], logged=False) == 2
    assert key.partition("=")[2] in capsys.readouterr().err
