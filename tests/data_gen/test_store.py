"""Parts appear whole or not at all."""

import pyarrow as pa
import pytest

from data_gen import store
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
