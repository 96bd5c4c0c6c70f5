"""``python -m data_gen``: what is asked for, and what is there."""

from pathlib import Path

import pyarrow as pa
import pytest

from data_gen import generate, schema, store
from data_gen.generate import GenerateConfig
from tasks.work import cli
from tasks.work.executor import Executor
from tests.conftest import TINY

ROOT = Path(__file__).parents[2]
SMALL = [f"task={TINY}", "cycles=2", "max_period=2", "optimizers=[adam,sgd]"]


def config(out: Path, *overrides: str) -> GenerateConfig:
    return cli.parse("data_gen", GenerateConfig, [*SMALL, f"out={out}", *overrides])


def contents(out: Path) -> dict[str, str]:
    """As text, in which a NaN equals itself."""
    tables = store.read_all(str(out), schema.TRIAL)
    return {Path(path).name: repr(table.drop_columns(["seconds"]).to_pylist()) for path, table in tables}


def run_units(out: Path, *overrides: str) -> None:
    for unit in generate.units(config(out, *overrides)):
        unit.run()


def test_parts_have_the_schema_and_say_how_they_were_made(tmp_path):
    run_units(tmp_path, "runs=2")
    found = list(tmp_path.rglob("*"))
    assert {p.name for p in found if p.is_dir()} == {"task=tiny_task"}
    parts = [p for p in found if p.is_file()]
    assert len(parts) == 2
    table = pa.parquet.read_table(parts[0], partitioning=None)
    assert table.schema.equals(schema.TRIAL)
    assert table["task"].to_pylist() == ["tiny_task"] * 2
    assert table["data"].to_pylist() == ["embedded"] * 2
    assert {b"arc.schema_version", b"arc.versions", b"arc.configuration"} <= set(table.schema.metadata)


def test_more_runs_add_and_repeat_nothing(tmp_path):
    few = [unit.trial for unit in generate.units(config(tmp_path, "runs=2"))]
    more = [unit.trial for unit in generate.units(config(tmp_path, "runs=5"))]
    assert more[:2] == few
    assert len({str(t) for t in more}) == 5


def test_place_workers_and_output_do_not_change_a_run_id(tmp_path):
    def ids(*overrides: str) -> list[str]:
        out = tmp_path / str(len(overrides))
        return [Path(u.path).name for u in generate.units(config(out, "runs=3", *overrides))]

    assert ids() == ids("workers=2")
    assert ids() != ids("seed=1")
    assert ids() != ids("cycles=3")


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("task=svhn_vg", "did you mean svhn_vgg"),
        ("task=none_such.py", "no task file"),
        ("task=[]", "empty list of tasks"),
        ("task=cifar10_resnet9", "force=true"),
        ("runz=3", "did you mean runs"),
        ("+nonsense=3", "unknown key 'nonsense'"),
        ("runs=0", "runs=0"),
        ("runs=many", "many"),
        ("period=0", "period=0"),
        ("optimizers=[adm]", "did you mean adam"),
        ("optimizers=[]", "empty list of optimizers"),
        ("optimizers=[rmsprop]", "no LR range for rmsprop"),
        ("lr_range=[1,0.1]", "lr_range=[1.0, 0.1]"),
        ("scale=huge", "scale='huge'"),
        ("data=local", "data_dir"),
        ("data=elsewhere", "elsewhere"),
        ("workers=0", "workers=0"),
        ("shard=3/2", "shard=3/2"),
        ("shard=half", "shard=half"),
        ("timeout=0", "timeout=0"),
        ("branches=both", "branches=both, need auto, sequential, together"),
        ("device=tpu", "device=tpu"),
        ("runs", "need key=value"),
    ],
)
def test_bad_input_is_one_line_with_the_remedy(tmp_path, capsys, override, message):
    code = cli.main("data_gen", GenerateConfig, generate.generate, [*SMALL, f"out={tmp_path}", override])
    shown = capsys.readouterr().err.strip()
    assert code == 2
    assert message in shown
    assert len(shown.splitlines()) == 1


def test_shards_share_the_same_trials(tmp_path):
    everything = [u.trial for u in generate.units(config(tmp_path, "runs=5"))]
    shares = []
    for i in (1, 2, 3):
        shares += Executor.of(config(tmp_path, f"shard={i}/3")).share(everything)
    assert sorted(t.index for t in shares) == [0, 1, 2, 3, 4]


def test_branches_together_are_trials_of_their_own(tmp_path):
    alone, together = (
        list(generate.units(config(tmp_path, "runs=2", f"branches={mode}")))
        for mode in ("sequential", "together")
    )
    assert not {u.run_id for u in alone} & {u.run_id for u in together}
    assert [unit.run() for unit in together] == [2, 2]
    assert [unit.run() for unit in together] == [0, 0]
    assert [unit.run() for unit in alone] == [2, 2]
    assert len(contents(tmp_path)) == 4


def test_a_task_that_cannot_train_them_together_repeats_nothing(tmp_path):
    own = tmp_path / "plain_task.py"
    own.write_text(Path(TINY).read_text().replace("    together = True\n", ""))
    alone, together = (
        [u.run_id for u in generate.units(config(tmp_path, f"task={own}", "runs=2", f"branches={mode}"))]
        for mode in ("sequential", "together")
    )
    assert alone == together
