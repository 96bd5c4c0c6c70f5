"""The stages on an S3 server on this machine, named by a URI with its endpoint."""

from collections.abc import Iterator

import pyarrow.fs as fs
import pytest

from data_gen import generate, label, pack, schema, status, store
from data_gen.generate import GenerateConfig
from data_gen.label import LabelConfig
from data_gen.pack import PackConfig
from data_gen.status import StatusConfig
from tasks.errors import InputError
from tasks.work import checkpoint, claim_files, claims, cli, places
from tasks.work.answers import Stopped, Taken
from tests import s3
from tests.data_gen.test_generate import SMALL, run_units
from tests.data_gen.test_resume import ends_after
from training import dataset


@pytest.fixture(scope="module", params=s3.SERVERS)
def query(request: pytest.FixtureRequest) -> Iterator[str]:
    with pytest.MonkeyPatch.context() as patch, s3.server(request.param) as found:
        if found is None:
            pytest.skip("no moto_server on PATH; tests/s3.py says how to get one")
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            patch.setenv(name, "test")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        yield found


def names(query: str, folder: str) -> list[str]:
    found, inner = places.filesystem(f"s3://bucket/{folder}?{query}")
    infos = found.get_file_info(fs.FileSelector(inner, recursive=True, allow_not_found=True))
    return sorted(info.path for info in infos if info.is_file)


def rows(place: str) -> list[str]:
    tables = [table.drop_columns(["seconds"]) for _, table in store.read_all(place, schema.TRIAL)]
    return sorted(repr(row) for table in tables for row in table.to_pylist())


def call(stage: str, config: type, run, *arguments: str) -> int:
    return cli.main(stage, config, run, arguments)


def test_trials_status_labels_packs_and_logs(query, tmp_path, capsys):
    out, samples, packs = (f"s3://bucket/{name}?{query}" for name in ("trials", "samples", "packs"))
    run_units(tmp_path, "runs=3")
    arguments = [*SMALL, "runs=3", "workers=1", f"out='{out}'"]
    assert call("data_gen", GenerateConfig, generate.generate, *arguments) == 0
    assert rows(out) == rows(str(tmp_path))
    assert call("data_gen", GenerateConfig, generate.generate, *arguments) == 0
    assert "3 trials asked for, 3 there, 0 to run" in capsys.readouterr().err
    parts = [name for name in names(query, "trials") if name.endswith(".parquet")]
    assert names(query, "trials") == parts and len(parts) == 3, "no claim, checkpoint or half a part is left"
    logs = names(query, "trials.log")
    assert len(logs) == 2
    found, _ = places.filesystem(out)
    assert "3 trials, 6 rows written" in found.open_input_stream(logs[0]).read().decode()

    assert call("data_gen.status", StatusConfig, status.status, f"out='{out}'", "runs=4") == 0
    assert capsys.readouterr().out.splitlines()[-1].split() == ["all", "3", "1", "6"]
    assert call("data_gen.label", LabelConfig, label.label, f"trials='{out}'", f"out='{samples}'") == 0
    assert len(dataset.load(samples)) > 0
    assert call("data_gen.pack", PackConfig, pack.pack, f"trials='{out}'", f"out='{packs}'") == 0
    assert rows(packs) == rows(out)
    assert "bucket/packs/README.md" in names(query, "packs")


def test_a_trial_goes_on_from_its_checkpoint_there(query, tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoint, "SAVE_SECONDS", 0.0)
    out = f"s3://bucket/cut?{query}"
    asked = cli.parse("data_gen", GenerateConfig, [*SMALL, "runs=1", f"out='{out}'"])
    (unit,) = generate.units(asked)
    with pytest.raises(Stopped):
        unit.run(ends_after(1, Stopped))
    assert [name for name in names(query, "cut") if name.endswith(".checkpoint")]
    assert unit.run() == 2
    run_units(tmp_path, "runs=1")
    assert rows(out) == rows(str(tmp_path))
    assert len(names(query, "cut")) == 1


def test_a_claim_has_one_holder_there(query, monkeypatch):
    monkeypatch.setattr(claim_files, "SETTLE", 0.05)
    part = f"s3://bucket/claims/part-1.parquet?{query}"
    with claims.held(part), pytest.raises(Taken), claims.held(part):
        pass
    with claims.held(part):
        assert len(names(query, "claims")) == 1
    assert names(query, "claims") == []


def test_places_that_cannot_be_reached_are_one_line(query):
    nobody = f"s3://bucket/trials?{query.rpartition(':')[0]}:1"
    with pytest.raises(InputError, match=r"cannot reach s3://bucket/trials.*Could not connect"):
        store.parts(nobody)
    with pytest.raises(InputError, match="choose another out="):
        store.check_writable(f"s3://none-such/trials?{query}")


def test_places_below_a_uri_keep_its_query():
    root = "s3://bucket/trials/?scheme=http&endpoint_override=localhost:9000"
    assert store.part_path(root, "a", "1") == (
        "s3://bucket/trials/task=a/part-1.parquet?scheme=http&endpoint_override=localhost:9000"
    )
    assert places.beside(store.part_path(root, "a", "1"), ".claim").startswith(
        "s3://bucket/trials/task=a/.part-1.claim?"
    )
