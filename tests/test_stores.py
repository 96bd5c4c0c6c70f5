"""The stages after the samples on an S3 server on this machine: candidates, winner, comparison, pages."""

import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from arc.network import weights
from proxy_eval import compare, select
from proxy_eval.compare import CompareConfig
from proxy_eval.report import stage as pages
from proxy_eval.select import SelectConfig
from tasks.report import stage as tasks_report
from tasks.work import cli, folders, places, workers
from tasks.work.claims import claimed
from tasks.work.processes import Unit
from tests.conftest import TINY
from tests.data_gen.test_s3 import names
from tests.data_gen.test_s3 import query as query
from tests.data_gen.test_sweep import swept as swept
from tests.training.test_training import many, write
from training import candidates, movement, study
from training.config import TrainingConfig
from training.movement import MovementConfig
from training.study import StudyConfig

WHOLE = ["README.md", "config.json", "model.safetensors"]


@pytest.fixture(autouse=True)
def in_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Units run here, under claims; a folder of the URI's name would lie in ``tmp_path``."""

    def run_all(units: Sequence[Unit], **_: Any) -> workers.Outcome:
        return workers.Outcome(done=sum(claimed(pickle.loads(pickle.dumps(u))).run(int) for u in units))

    monkeypatch.setattr(workers, "run_all", run_all)
    monkeypatch.chdir(tmp_path)


def call(stage: str, config: type, run, *arguments: str) -> int:
    return cli.main(stage, config, run, [*arguments, "workers=1"])


def test_from_samples_to_the_winner_and_the_report(query, tmp_path, capsys):
    write(tmp_path, many(runs=6, cycles=2))

    def at(name: str) -> str:
        return f"s3://bucket/chain/{name}?{query}"

    training = [f"samples={tmp_path}/samples", f"out='{at('c')}'", "candidates=2", "epochs=1"]
    assert call("training", TrainingConfig, candidates.train, *training) == 0
    made = [f"bucket/chain/c/{i}/{n}" for i in (0, 1) for n in sorted([*WHOLE, "history.parquet"])]
    assert sorted(names(query, "chain/c")) == sorted(made), "no claim, checkpoint or probe is left"
    shown = capsys.readouterr().out
    assert call("training", TrainingConfig, candidates.train, *training) == 0
    assert capsys.readouterr().out == shown, "nothing was fitted again"
    assert call("training", TrainingConfig, candidates.train, *training, "lr=0.5") == 2
    assert "holds a candidate of another recipe" in capsys.readouterr().err
    taught = [f"teachers='{at('c')}'", f"out='{at('t')}'", "candidates=1"]
    assert call("training", TrainingConfig, candidates.train, *training, *taught) == 0

    chosen = [f"candidates='{at('c')}'", f"out='{at('controller')}'", f"runs='{at('proxy')}'", f"task={TINY}"]
    small = ["lr0=[1e-2]", "repeats=1", "epochs=1"]
    assert call("proxy_eval", SelectConfig, select.select, *chosen, *small) == 0
    assert [name.rpartition("/")[2] for name in names(query, "chain/controller")] == WHOLE
    assert "proxy" in weights.read_config(folders.here(at("controller")))["config"]

    asked = [f"controller='{at('controller')}'", f"out='{at('runs')}'", f"tasks=[{TINY}]", "methods=[arc]"]
    grid = ["lr0=[1e-2]", "seeds=1", "optimizer=adam", "epochs=2"]
    assert call("proxy_eval.compare", CompareConfig, compare.compare, *asked, *grid) == 0
    report = [f"comparison='{at('runs')}'", f"out='{at('page')}'", "resamples=10", "highlight=[arc]"]
    assert cli.main("proxy_eval.report", pages.ReportConfig, pages.report, report) == 0
    assert {"bucket/chain/page/comparison.md", "bucket/chain/page/comparison.html"} <= set(
        names(query, "chain/page")
    )
    assert sorted(path.name for path in tmp_path.iterdir()) == ["samples"], "nothing of it went to this disk"


def test_half_a_folder_is_made_again(query, tmp_path):
    write(tmp_path, many(runs=6, cycles=2))
    out = f"s3://bucket/half?{query}"
    places.write_bytes(places.join(out, "0", "README.md"), b"what a killed upload left")
    training = [f"samples={tmp_path}/samples", f"out='{out}'", "candidates=1", "epochs=1"]
    assert call("training", TrainingConfig, candidates.train, *training) == 0
    assert "ARC candidate 0" in weights.read_card(folders.here(places.join(out, "0")))


def test_a_folder_that_was_replaced_is_copied_anew(query):
    place = f"s3://bucket/copied?{query}"
    for content in (b"one", b"three"):
        with folders.written(place, "last") as folder:
            folder.mkdir()
            (folder / "first").write_bytes(content)
            (folder / "last").touch()
        assert (folders.here(place) / "first").read_bytes() == content
    assert folders.here(place) == folders.here(place)


def test_candidates_that_see_movement(query, swept, tmp_path):
    out = f"s3://bucket/movement?{query}"
    asked = [f"sweeps={swept}", f"out='{out}'", "candidates=1", "epochs=1"]
    for _ in range(2):
        assert call("training.movement", MovementConfig, movement.train, *asked) == 0
    assert names(query, "movement") == [f"bucket/movement/0/{name}" for name in WHOLE]
    assert weights.load(folders.here(places.join(out, "0"))) is not None


def test_the_study_and_its_page(query, tmp_path):
    write(tmp_path, many())
    out, fits = (f"s3://bucket/study/{name}?{query}" for name in ("page", "fits"))
    asked = [f"samples={tmp_path}/samples", f"out='{out}'", f"fits='{fits}'", "epochs=1", "seeds=1"]
    assert call("training.study", StudyConfig, study.study, *asked) == 0
    assert names(query, "study/page") == ["bucket/study/page/README.md", "bucket/study/page/study.png"]
    assert {name.rpartition(".")[2] for name in names(query, "study/fits")} == {"json"}


def test_the_report_of_a_task_and_its_samples(query, tmp_path, capsys):
    samples, out = (f"s3://bucket/tasks/{name}?{query}" for name in ("samples", "report"))
    table = pd.DataFrame({"task": ["tiny_task"], "optimizer": ["adam"], "label": ["raise"]})
    places.write_bytes(places.join(samples, "a.parquet"), table.to_parquet())
    asked = [f"tasks=[{TINY}]", "optimizers=[adam]", "lrs=2", "seeds=1", "epochs=2", f"samples='{samples}'"]
    for _ in range(2):
        found = call("tasks.report", tasks_report.ReportConfig, tasks_report.report, *asked, f"out='{out}'")
        assert found == 0, capsys.readouterr().err
    kept = [name.removeprefix("bucket/tasks/report/") for name in names(query, "tasks/report")]
    assert [name for name in kept if "/" not in name] == ["report.md", "report.parquet", "report.png"]
    assert "| tiny_task | adam | 1 | 100%" in places.read_bytes(places.join(out, "report.md")).decode()
