"""Parts appear whole or not at all."""

import random

import numpy as np
import pyarrow as pa
import pytest

from data_gen import reading, schema, store
from tasks.errors import InputError

TABLE = pa.table({"x": [1, 2, 3]})


def test_round_trip_on_a_path_and_on_a_uri(tmp_path):
    for root in (str(tmp_path / "a"), f"file://{tmp_path}/b"):
        path = store.part_path(root, "t", "0")
        assert not store.exists(path)
        store.write(path, TABLE)
        assert store.exists(path)
        assert [table.equals(TABLE) for _, table in store.read_all(root, TABLE.schema)] == [True]


def test_a_failed_write_leaves_nothing(tmp_path):
    path = str(tmp_path / "part.parquet")
    with pytest.raises(RuntimeError, match="killed here"), store.writing(path, TABLE.schema) as writer:
        writer.write_table(TABLE)
        raise RuntimeError("killed here")
    assert list(tmp_path.iterdir()) == []


def test_a_failed_write_keeps_what_was_there(tmp_path):
    path = str(tmp_path / "part.parquet")
    store.write(path, TABLE)
    with pytest.raises(RuntimeError), store.writing(path, TABLE.schema):
        raise RuntimeError
    assert store.read(path, TABLE.schema).equals(TABLE)


def test_temporary_files_are_no_parts(tmp_path):
    store.write(str(tmp_path / "part-a.parquet"), TABLE)
    (tmp_path / ".part-b.parquet.0.tmp").write_bytes(b"half")
    assert [p.rsplit("/", 1)[1] for p in store.parts(str(tmp_path))] == ["part-a.parquet"]


def test_places_that_cannot_be_used_are_named(tmp_path):
    (tmp_path / "file").write_text("no directory")
    with pytest.raises(InputError, match="file/part"):
        store.write(str(tmp_path / "file" / "part.parquet"), TABLE)
    with pytest.raises(InputError, match="nowhere"):
        store.filesystem("nowhere://bucket")


def test_damaged_and_foreign_parts_are_named(tmp_path):
    path = str(tmp_path / "part.parquet")
    store.write(path, TABLE)
    with pytest.raises(InputError, match="another schema"):
        store.read(path, pa.schema([pa.field("x", pa.int64()), pa.field("y", pa.int64())]))
    whole = (tmp_path / "part.parquet").read_bytes()
    for damaged in (whole[: len(whole) // 2], b"", b"no Parquet at all"):
        (tmp_path / "part.parquet").write_bytes(damaged)
        with pytest.raises(InputError, match="delete it"):
            store.read(path, TABLE.schema)


def test_overwritten_bytes_are_found(tmp_path):
    path = tmp_path / "part.parquet"
    table = pa.table({"x": pa.array(np.random.default_rng(0).normal(size=500), pa.float32())})
    store.write(str(path), table)
    whole = path.read_bytes()
    rng = random.Random(0)
    for _ in range(40):
        at = rng.randrange(100, 1800)  # in the pages; the footer has its own syntax to break
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1 << rng.randrange(8)]) + whole[at + 1 :])
        with pytest.raises(InputError, match=r"part\.parquet"):
            store.read(str(path), table.schema)


def test_another_version_of_the_trials_is_named(tmp_path, monkeypatch):
    path = str(tmp_path / "part.parquet")
    store.write(path, store.trial_table([], {}))
    assert len(store.read(path, schema.TRIAL)) == 0
    monkeypatch.setattr(schema, "VERSION", schema.VERSION + 1)
    versions = f"schema version {schema.VERSION - 1}, this program reads {schema.VERSION}"
    with pytest.raises(InputError, match=f"{versions}; move it away"):
        store.read(path, schema.TRIAL)


def test_a_stream_keeps_the_order_and_says_which_part_is_bad(tmp_path, monkeypatch):
    monkeypatch.setattr(reading, "BATCH", 3)
    paths = [str(tmp_path / f"part-{i}.parquet") for i in range(8)]
    for i, path in enumerate(paths):
        store.write(path, pa.table({"x": [i]}))
    (tmp_path / "part-4.parquet").write_bytes(b"garbage")
    found = list(reading.stream(paths, TABLE.schema))
    assert [path for path, _ in found] == paths
    assert [type(t) for _, t in found].count(InputError) == 1
    assert "part-4.parquet" in str(found[4][1])
    assert [t["x"].to_pylist() for _, t in found if isinstance(t, pa.Table)] == [
        [i] for i in range(8) if i != 4
    ]
    assert list(reading.stream([], TABLE.schema)) == []


def test_a_place_that_cannot_be_written_is_found_before_any_work(tmp_path):
    store.check_writable(str(tmp_path / "new"))
    assert list((tmp_path / "new").iterdir()) == []
    (tmp_path / "file").write_text("no directory")
    for place in (f"{tmp_path}/file", "/proc/trials"):
        with pytest.raises(InputError, match="choose another out="):
            store.check_writable(place)


def test_trials_of_version_1_are_read_as_rows_of_the_present_schema(tmp_path):
    path = str(tmp_path / "part.parquet")
    names = ("run_id", "task", "period", "cycle", "lr", "train_loss", "val_loss", "raise_val_loss", "chosen")
    old = pa.schema([schema.TRIAL.field(n) for n in names], metadata={"arc.schema_version": "1"})
    row = dict(zip(names, ("r", "a", 2, 0, 0.1, [1.0] * 10, [0.5, 0.4], [0.3, 0.2], "raise"), strict=True))
    store.write(path, pa.Table.from_pylist([row], schema=old))
    (found,) = store.read(path, schema.TRIAL).to_pylist()
    assert found["epoch_steps"] == found["pass_steps"] == 5
    assert [found[k] for k in ("run_id", "cycle", "lr", "chosen")] == ["r", 0, 0.1, "raise"]
    assert found["val_loss"] == pytest.approx([0.5, 0.4])
    assert (found["variant"], found["precision"], found["step"]) == ("base", "float32", None)
    some = ["step", "cycle", "epoch_steps"]
    new = f"{tmp_path}/new.parquet"
    store.write(new, store.trial_table([found | {"run_id": "s"}], {}))
    both = pa.concat_tables([store.read(place, schema.TRIAL, some) for place in (path, new)])
    assert both.to_pylist() == [{"step": None, "cycle": 0, "epoch_steps": 5}] * 2
