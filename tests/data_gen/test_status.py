"""``python -m data_gen.status``: what is there, what is missing, what is bad."""

import math

import pytest

from data_gen import status, store
from data_gen.status import StatusConfig
from tasks.work import cli
from tests.data_gen.test_label_stage import row, write


def run(folder, *overrides):
    return cli.main("data_gen.status", StatusConfig, status.status, [f"out={folder}/trials", *overrides])


def test_counts_labels_and_what_is_missing(tmp_path, capsys):
    write(tmp_path, [row(0, val_loss=0.3, branches=(0.1, 0.2, 0.3), chosen=None)])
    diverged = row(1, val_loss=math.nan, branches=(None, None, None), chosen=None, run_id="s")
    write(tmp_path, [row(0, val_loss=0.3, run_id="s"), diverged], "y")
    assert run(tmp_path, "runs=5", "labels=true") == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[-1].split() == ["all", "2", "3", "3", "50%", "50%", "0%", "1", "0.0"]
    assert run(tmp_path) == 0
    assert capsys.readouterr().out.splitlines()[-1].split() == ["all", "2", "3"]


def test_footers_alone_tell_runs_and_rows(tmp_path, capsys, monkeypatch):
    write(tmp_path, [row(0, val_loss=0.3, chosen=None), row(1, val_loss=0.3, chosen=None)])
    write(tmp_path, [row(0, val_loss=0.3, chosen=None, run_id="s") | {"seed": 5}], "y")
    monkeypatch.setattr(store, "read", lambda *_: pytest.fail("a part was read"))
    for seed, counts in ((0, ["1", "2"]), (5, ["1", "1"]), (6, ["0", "0"])):
        assert run(tmp_path, f"seed={seed}") == 0
        assert capsys.readouterr().out.splitlines()[-1].split() == ["all", *counts]


def test_the_request_names_tasks_without_runs_and_a_seed(tmp_path, capsys):
    write(tmp_path, [row(0, val_loss=0.3, chosen=None, task="svhn_vgg")])
    write(tmp_path, [row(0, val_loss=0.3, chosen=None, task="b")])
    assert run(tmp_path, "runs=2", "task=[svhn_vgg,cub_unet]", "labels=true") == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[:3] for line in lines[1:]] == [
        ["cub_unet", "0", "2"],
        ["svhn_vgg", "1", "1"],
        ["all", "1", "3"],
    ]
    assert run(tmp_path, "runs=2", "task=svhn_vgg", "seed=1") == 0
    assert capsys.readouterr().out.splitlines()[-1].split()[:3] == ["all", "0", "2"]


def test_verify_names_bad_parts(tmp_path, capsys):
    write(tmp_path, [row(0, val_loss=0.3, chosen=None)])
    bad = tmp_path / "trials" / "task=a" / "part-bad.parquet"
    bad.write_bytes(b"garbage")
    assert run(tmp_path) == 2
    assert "part-bad.parquet" in capsys.readouterr().err
    assert run(tmp_path, "verify=true") == 1
    printed = capsys.readouterr().out
    assert "part-bad.parquet" in printed
    assert "all" in printed


def test_nothing_there(tmp_path, capsys):
    assert run(tmp_path) == 2
    (tmp_path / "trials").mkdir()
    assert run(tmp_path) == 2
    assert "no trials" in capsys.readouterr().err
