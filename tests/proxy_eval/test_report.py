"""The comparison's scores by hand, and its report on runs that cost milliseconds."""

from __future__ import annotations

import math
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from arc.network import weights
from proxy_eval import comparison_schema, scores
from proxy_eval.compare import CompareConfig, perform, plan_of
from proxy_eval.pack import PackConfig, pack
from proxy_eval.plan import ORACLE
from proxy_eval.report import curves, horizons, medians, paired, summary, tables
from proxy_eval.report.page import Figure, Heading, Items, Table, Text, html_page, markdown
from proxy_eval.report.rows import Found, load
from proxy_eval.report.stage import ReportConfig, report, whole_seeds
from tasks.work import cli, workers
from tests.conftest import TINY

LR0S = {-2.5: 1e-4, -0.5: 1e-2, 0.0: 3.1623e-2, 0.5: 1e-1, 2.5: 1e1}


def row(label: str, lr0: float | None, seed: int, test: float, **changed: Any) -> dict[str, Any]:
    """A run that ends with this accuracy; 0.2 is untrained."""
    made: dict[str, Any] = {
        "label": label, "method": "cosine" if label == ORACLE else label, "task": "t", "lr0": lr0,
        "seed": seed, "optimizer": "rmsprop", "horizon": 1.0, "metric": "accuracy", "higher_is_better": True,
        "epochs": 2, "lr": [0.1, 0.1], "best_epoch": 2,
        "val_loss": [1.0, 1 - test], "val_metric": [0.2, test],
        "charged": [50, 100], "budget": 100, "cpu_seconds": 1.0, "diverged": test < 0.2, "failure": None,
        "untrained_test_metric": 0.2, "untrained_test_loss": 1.0, "untrained_val_metric": 0.2,
        "untrained_val_loss": 1.0, "decision_epoch": [], "decision": [],
    }  # fmt: skip
    for view in scores.VIEWS:
        made |= {f"{view}_test_metric": test, f"{view}_test_loss": 1 - test}
    return made | changed


def small(arc: float = 0.7) -> pd.DataFrame:
    """Two seeds, five LR0s: cosine is worth 1 at the best LR0 alone, ARC the same everywhere."""
    made = [row(ORACLE, lr, 1000, 0.8 if d == 0 else 0.5) for d, lr in LR0S.items()]
    for seed in (0, 1):
        made += [row("cosine", lr, seed, 0.8 if d == 0 else 0.5) for d, lr in LR0S.items()]
        made += [row("arc", lr, seed, arc) for lr in LR0S.values()]
        made += [row("prodigy", None, seed, 0.1)]
    return pd.DataFrame(made)


def on_two_tasks(rows: pd.DataFrame) -> pd.DataFrame:
    """The same runs once more, on another task."""
    return pd.concat([rows, rows.assign(task="u")], ignore_index=True)


def scored(rows: pd.DataFrame) -> pd.DataFrame:
    return scores.scored(rows, scores.references(rows))


def test_the_legend_names_a_method_that_is_missing_at_the_first_lr0(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    saved: list[Any] = []
    monkeypatch.setattr(curves, "save", lambda drawing, path: saved.append(drawing))
    rows = scored(small())
    rows["decade"] = rows["decade"].replace({-0.5: -1.0})
    rows["lr"] = [[0.1, 0.1]] * len(rows)
    rows = rows[(rows["label"] != "cosine") | (rows["decade"] == 0)]
    assert curves.curves(rows, "t", ["arc", "cosine"], "arc", tmp_path / "t.png") == ["arc", "cosine"]
    (legend,) = saved[0].legends
    assert [text.get_text() for text in legend.get_texts()] == ["ARC", "cosine"]


# -- scores ----------------------------------------------------------------------------------------


def test_scores_lie_between_untrained_and_the_oracle() -> None:
    found = scores.references(small())["t"]
    assert (found.lr0, found.untrained, found.oracle["best"]) == pytest.approx((3.1623e-2, 0.2, 0.8))
    assert found.target == pytest.approx(0.2 + 0.9 * 0.6)
    rows = scored(small(arc=0.95)).groupby("label")["best"].mean()
    assert rows["arc"] == pytest.approx(1.25)  # better than the oracle is not cut off
    assert rows["prodigy"] == 0  # worse than untrained is
    assert rows["cosine"] == pytest.approx((1 + 4 * 0.5) / 5)
    assert ORACLE not in rows


def test_the_oracle_is_chosen_on_other_seeds() -> None:
    rows = small()
    better = (rows["label"] == "cosine") & (rows["lr0"] == 1e-1)
    rows.loc[better, "best_test_metric"] = 0.9  # a luck that the selection seeds do not see
    assert scores.references(rows)["t"].oracle["best"] == pytest.approx(0.8)


def test_a_loss_task_is_scored_by_its_loss() -> None:
    rows = small().assign(higher_is_better=False, metric="perplexity", untrained_test_metric=9e9)
    found = scores.references(rows)["t"]
    assert (found.untrained, found.oracle["best"]) == (-1.0, pytest.approx(-0.2))


@pytest.mark.parametrize("change", [{"failure": "ValueError: no"}, {"best_test_metric": math.nan}])
def test_failed_and_diverged_runs_count_as_zero(change: dict[str, Any]) -> None:
    rows = small()
    rows.loc[rows["label"] == "arc", list(change)] = list(change.values())
    assert (scored(rows)[scored(rows)["label"] == "arc"]["best"] == 0).all()


def test_the_oracle_may_be_another_schedule() -> None:
    rows = small().replace({"method": {"cosine": "warmup_cosine"}, "label": {"cosine": "warmup_cosine"}})
    found, usual = scores.references(rows)["t"], scores.references(small())["t"]
    assert found.method == "warmup_cosine" and found.oracle == usual.oracle
    trials = [lines(r)["arc"].trials for r in (rows, small())]
    assert trials[0] == trials[1] > 1


def test_a_task_without_an_oracle_has_no_scores() -> None:
    assert scores.references(small()[lambda r: r["label"] != ORACLE]) == {}


def test_arrays_are_runs_by_tasks_by_lr0s() -> None:
    rows = scored(small())
    decades = scores.core(rows)
    assert decades == [-0.5, 0.0, 0.5]  # without the stress values
    array = scores.array(rows, "cosine", "best", decades=decades)
    assert array.shape == (2, 1, 3) and array[0, 0] == pytest.approx([0.5, 1, 0.5])
    assert scores.array(rows, "prodigy", "best", decades=decades).shape == (2, 1, 1)
    some = rows[(rows["seed"] == 0) | (rows["label"] != "arc")]
    assert np.isnan(scores.array(some, "arc", "best", decades=decades)[1]).all()
    assert scores.default_decade(rows)["t"] == -0.5  # RMSprop's default is 1e-2


# -- tables ----------------------------------------------------------------------------------------


def lines(rows: pd.DataFrame) -> dict[str, summary.Line]:
    found = summary.lines(scored(rows), rows, decades=[-0.5, 0.0, 0.5], seed=0, resamples=50)
    return {line.label: line for line in found}


def test_a_line_by_hand() -> None:
    found = lines(small())
    arc, cosine = found["arc"], found["cosine"]
    five_sixths = pytest.approx(5 / 6)
    assert arc.iqm.value == arc.last == arc.within == five_sixths
    assert arc.iqm.seeds_low == arc.iqm.seeds_high == five_sixths
    assert math.isnan(arc.iqm.low)  # with one task none can be redrawn
    assert arc.regret == arc.worst == arc.stress == arc.default == pytest.approx(1 / 6)
    assert arc.sensitivity == pytest.approx(0) and arc.cost == 1.0 and arc.diverged == 0
    assert math.isnan(arc.cpu)  # there is no constant LR to compare with
    assert cosine.regret == pytest.approx(1 / 3) and cosine.worst == pytest.approx(1 / 2)
    assert cosine.sensitivity == pytest.approx(1 / 3)
    assert cosine.trials == 1 and arc.trials == 3  # the best of 3 is worth 1 - (2/3)^3 / 2 = 0.85
    assert found["prodigy"].diverged == 1 and not found["prodigy"].needs_lr0


def test_sentences_say_what_the_table_says_and_what_arc_loses() -> None:
    winning, losing = ([*lines(small(arc)).values()] for arc in (0.79, 0.3))
    said = tables.main(winning, "arc")[2]
    assert isinstance(said, Items)
    assert said.texts[0] == "Best over the grid: ARC, 0.983."
    assert said.texts[1].startswith("ARC is number 1 of 3 with 0.983")
    assert "No method with an LR0 has a lower mean regret." in said.texts
    said = tables.main(losing, "arc")[2]
    assert isinstance(said, Items)
    assert said.texts[1].startswith("ARC is number 2 of 3")
    assert "Lower in mean regret among the methods with an LR0: cosine." in said.texts
    missing = tables.main(losing, "nobody")[2]
    assert isinstance(missing, Items) and missing.texts[-1] == "No runs of `nobody` are there."


def test_paired_probabilities() -> None:
    rows = scored(on_two_tasks(small()))
    table, said = paired.against(rows, "arc", [-0.5, 0.0, 0.5], seed=0, resamples=50)
    assert isinstance(table, Table) and isinstance(said, Text)
    assert [line[:4] for line in table.rows] == [
        ["Prodigy", "1.00", "1.00 to 1.00", "1.00 to 1.00"],
        ["cosine", "0.67", "0.67 to 0.67", "0.67 to 0.67"],  # at two of three LR0s
    ]
    assert "tasks and seeds redrawn: 2 of 2; it loses to 0, 0 are undecided." in said.text


def test_what_one_task_shows_is_called_seeds_only() -> None:
    table, said = paired.against(scored(small()), "arc", [-0.5, 0.0, 0.5], seed=0, resamples=50)
    assert isinstance(table, Table) and isinstance(said, Text)
    assert [line[2:4] for line in table.rows] == [["-", "1.00 to 1.00"], ["-", "0.67 to 0.67"]]
    assert "tasks and seeds redrawn: 0 of 2; it loses to 0, 2 are undecided." in said.text
    assert said.text.endswith("says nothing of other tasks: 2 of 2; it loses to 0, 0 are undecided.")


def test_horizons_share_their_cells() -> None:
    short = small(arc=0.5).assign(horizon=0.5)
    table = horizons.horizons({1.0: scored(small()), 0.5: scored(short)})[0]
    assert isinstance(table, Table)
    assert table.header == ["method", "0.5 x", "1 x"]
    assert next(line for line in table.rows if line[0] == "ARC") == ["ARC", "0.500", "0.833"]


def test_failures_are_listed_one_by_one() -> None:
    rows = small()
    rows.loc[rows["label"] == "prodigy", "failure"] = "ValueError: a | b\nc"
    table = tables.failures(rows)[0]
    assert isinstance(table, Table)
    assert [line[-1] for line in table.rows] == ["ValueError: a / b c"] * 2
    assert tables.failures(small()) == [Text("No method raised an error in any run.")]


def test_medians_of_the_papers_table() -> None:
    rows = small().assign(metric="accuracy")
    heading, table, said = medians.medians(rows[rows["lr0"].isin([1e-2, 1e-1]) | rows["lr0"].isna()])
    assert isinstance(heading, Heading) and isinstance(table, Table) and isinstance(said, Text)
    assert table.header == ["method", "LR0 0.1", "LR0 0.01"]
    assert ["Prodigy", "0.1", "0.1"] in table.rows and ["cosine", "0.5", "0.5"] in table.rows
    assert "Best: ARC at LR0 0.1; ARC at LR0 0.01." in said.text


def test_a_seed_that_has_only_begun_is_left_out() -> None:
    everything = small()
    some = everything[(everything["seed"] != 1) | (everything["lr0"] == 1e-2)]
    found = Found(rows=some, asked=everything, commands=[], machine=[], versions=[])
    assert set(whole_seeds(found).rows["seed"]) == {0, 1000}


# -- the page --------------------------------------------------------------------------------------


def test_page_escapes_and_holds_its_images(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"png")
    blocks = [
        Heading("A & B", 1),
        Text("x < y, `code`"),
        Table(["m", "n"], [["a", "1"], ["b", "2"]], frozenset({1})),
        Figure("a.png", 'an "image"'),
    ]
    page = html_page(blocks, tmp_path)
    assert "<title>A &amp; B</title>" in page and "x &lt; y, <code>code</code>" in page
    assert '<tr class="strong"><td>b</td>' in page
    assert 'alt="an &quot;image&quot;" src="data:image/png;base64,cG5n"' in page
    assert '![an "image"](a.png)' in markdown(blocks) and "| **b** | 2 |" in markdown(blocks)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seeds of four methods on the tiny task, made in this process."""
    out = tmp_path_factory.mktemp("comparison") / "runs"

    def run_all(units: Any, **_: Any) -> workers.Outcome:
        return workers.Outcome(done=sum(unit.run() for unit in units))

    config = cli.parse(
        "proxy_eval.compare",
        CompareConfig,
        [
            f"tasks={TINY}", "optimizer=adam", "epochs=6", "lr0=[3e-2,3e-3,3e-1]", "seeds=2",
            "selection_seeds=[1000]", "methods=[constant,cosine,arc,prodigy]", f"out={out}",
            f"weights={weights.PRETRAINED}",
        ],
    )  # fmt: skip
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(workers, "run_all", run_all)
        assert perform(list(plan_of(config).units()), config, "the command") == 0
    return out


@pytest.fixture
def comparison(runs: Path, tmp_path: Path) -> Path:
    """A copy of them to change."""
    return Path(shutil.copytree(runs, tmp_path / "runs"))


def make(comparison: Path, *more: str) -> Path:
    out = comparison.parent / "report"
    arguments = [f"comparison={comparison}", f"out={out}", "resamples=50", *more]
    assert cli.main("proxy_eval.report", ReportConfig, report, arguments) == 0
    return out


def test_stage_writes_a_whole_report(comparison: Path) -> None:
    out = make(comparison)
    text, page = (out / "comparison.md").read_text(), (out / "comparison.html").read_text()
    images = re.findall(r"\]\((comparison/\w+\.png)\)", text)
    assert len(images) == 4 and all((out / image).is_file() for image in images)
    assert page.count("data:image/png;base64,") == 4
    assert not re.search(r"(src|href)=\"(?!data:)", page) and "<script" not in page
    assert "23 of 23 runs on 1 tasks" in text and "`the command`" in text
    assert "Nothing: every run that was asked for is there." in text
    assert "| **ARC** |" in text and "nan" not in text


def test_stage_works_with_what_is_there(comparison: Path) -> None:
    found = load(str(comparison)).rows
    for run_id in found[(found["label"] == "arc") | (found["label"] == "prodigy")]["run_id"]:
        next(comparison.glob(f"task=*/part-{run_id}.parquet")).unlink()
    text = (make(comparison) / "comparison.md").read_text()
    assert "8 of 23 runs are missing" in text and "| ARC | 1 | 6 | 1 |" in text
    assert "No runs of `arc` are there" in text


def test_stage_without_an_oracle_shows_medians(comparison: Path) -> None:
    found = load(str(comparison)).rows
    for run_id in found[found["label"] == ORACLE]["run_id"]:
        next(comparison.glob(f"task=*/part-{run_id}.parquet")).unlink()
    text = (make(comparison) / "comparison.md").read_text()
    assert "nothing is scored" in text and "| method | LR0 0.3 | LR0 0.03 | LR0 0.003 |" in text


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("comparison=nowhere", "no asked.parquet in 'nowhere'"),
        ("horizon=3", "no runs of horizon 3, only of 1.0"),
        ("highlight=[a,b,c,d,e,f,g,h]", "at most 7"),
        ("resamples=0", "resamples=0"),
    ],
)
def test_bad_input(comparison: Path, capsys: pytest.CaptureFixture[str], override: str, message: str) -> None:
    arguments = [f"comparison={comparison}", f"out={comparison.parent}/report", override]
    assert cli.main("proxy_eval.report", ReportConfig, report, arguments) == 2
    assert message in capsys.readouterr().err


def test_a_comparison_goes_into_one_file_and_back(comparison: Path, tmp_path: Path) -> None:
    file, back = tmp_path / "packed.parquet", tmp_path / "back"

    def stage(place: Path, *more: str) -> int:
        return cli.main("proxy_eval.pack", PackConfig, pack, [f"comparison={place}", f"file={file}", *more])

    assert stage(comparison) == 0
    assert stage(back, "unpack=true") == 0
    assert stage(back, "unpack=true") == 0  # what is there stays
    one, other = load(str(comparison)), load(str(back))
    pd.testing.assert_frame_equal(one.rows, other.rows)
    pd.testing.assert_frame_equal(one.asked, other.asked)
    assert (one.commands, one.machine, one.versions) == (other.commands, other.machine, other.versions)

    # a file of before the columns of version 2
    table = pq.read_table(file)
    pq.write_table(table.drop_columns(sorted(comparison_schema.SINCE_2)), file)
    assert stage(tmp_path / "old", "unpack=true") == 0
    old = load(str(tmp_path / "old")).rows
    assert old["wall_seconds"].isna().all() and old["last_test_loss"].equals(one.rows["last_test_loss"])
    assert stage(tmp_path / "none") == 2
    file.unlink()
    assert stage(back, "unpack=true") == 2
