"""``python -m data_gen.pack``: many parts to few files, nothing lost, nothing run again."""

import json

from data_gen import generate, pack, reading, schema, store
from data_gen.card import UNNAMED
from data_gen.generate import GenerateConfig
from data_gen.pack import PackConfig
from tasks.work import cli, machine
from tests.data_gen.test_label_stage import row, write


def trials(tiny, place, *overrides):
    arguments = [
        f"task={tiny}",
        "cycles=2",
        "max_period=2",
        "optimizers=[sgd]",
        "workers=1",
        f"out={place}",
        *overrides,
    ]
    return cli.main("data_gen", GenerateConfig, generate.generate, arguments)


def packed(folder):
    arguments = [f"trials={folder}/trials", f"out={folder}/packs"]
    assert cli.main("data_gen.pack", PackConfig, pack.pack, arguments) == 0
    return store.parts(f"{folder}/packs")


def rows(place):
    found = [row for _, table in store.read_all(str(place), schema.TRIAL) for row in table.to_pylist()]
    return sorted(found, key=lambda row: (row["run_id"], row["cycle"]))


def test_packs_hold_every_row_and_are_not_run_again(tmp_path, tiny, capsys):
    assert trials(tiny, tmp_path / "trials", "runs=2") == 0
    (first,) = packed(tmp_path)
    assert repr(rows(tmp_path / "packs")) == repr(rows(tmp_path / "trials"))  # a NaN equals itself
    card = (tmp_path / "packs" / "README.md").read_text()
    assert "| all | 2 | 4 |" in card
    assert f"on {machine.processor()}. Labels" in card
    old = store.read(first, schema.TRIAL)
    made = old.schema.metadata[b"arc.configurations"].replace(b"machine", b"former")
    store.write(first, old.replace_schema_metadata({**old.schema.metadata, b"arc.configurations": made}))
    packed(tmp_path)
    card = (tmp_path / "packs" / "README.md").read_text()
    assert f"on {UNNAMED}. Labels" in card

    capsys.readouterr()
    assert trials(tiny, tmp_path / "packs", "runs=3") == 0
    assert "3 trials asked for, 2 there, 1 to run" in capsys.readouterr().err

    assert trials(tiny, tmp_path / "trials", "runs=4") == 0
    packs = packed(tmp_path)
    assert first in packs, "what is packed stays"
    assert len(rows(tmp_path / "packs")) == 8
    assert packed(tmp_path) == packs, "packing again changes nothing"


def test_a_pack_says_how_its_runs_were_made(tmp_path, tiny):
    assert trials(tiny, tmp_path / "trials", "runs=2") == 0
    (path,) = packed(tmp_path)
    (entry,) = json.loads(store.read(path, schema.TRIAL).schema.metadata[b"arc.configurations"])
    assert sorted(entry["runs"].values()) == [0, 1]
    assert set(entry["runs"]) == {row["run_id"] for row in rows(tmp_path / "packs")}
    assert entry["configuration"]["trial"]["max_period"] == 2
    assert entry["versions"]["torch"]


def test_a_pack_of_many_runs_is_read_piece_by_piece(tmp_path, monkeypatch):
    monkeypatch.setattr(pack, "GROUP", 4)
    runs = [[row(0, val_loss=0.3, run_id=f"r{i}"), row(1, val_loss=0.3, run_id=f"r{i}")] for i in range(5)]
    for i, rows_of_run in enumerate(runs):
        write(tmp_path, rows_of_run, f"r{i}")
    (path,) = packed(tmp_path)
    pieces = [table for _, table in reading.stream([path], schema.TRIAL)]
    assert [sorted(set(piece["run_id"].to_pylist())) for piece in pieces] == [
        ["r0", "r1"],
        ["r2", "r3"],
        ["r4"],
    ]
    assert repr(rows(tmp_path / "packs")) == repr(rows(tmp_path / "trials"))


def test_nothing_to_pack_and_the_same_place(tmp_path, capsys):
    (tmp_path / "trials").mkdir()
    arguments = [f"trials={tmp_path}/trials", f"out={tmp_path}/packs"]
    assert cli.main("data_gen.pack", PackConfig, pack.pack, arguments) == 2
    assert "no trials" in capsys.readouterr().err
    arguments[1] = f"out={tmp_path}/trials/"
    assert cli.main("data_gen.pack", PackConfig, pack.pack, arguments) == 2
    assert "own place" in capsys.readouterr().err
