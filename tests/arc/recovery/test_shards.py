"""FSDP2: each rank copies and restores its own shards."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("torch.distributed.fsdp", reason="needs torch's FSDP2")
ROOT = Path(__file__).parents[3]


def test_each_rank_keeps_its_shards(tmp_path: Path) -> None:
    ranks = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.arc.recovery.shards_worker", str(tmp_path), str(rank)],
            cwd=ROOT,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(2)
    ]
    for rank in ranks:
        _, errors = rank.communicate(timeout=120)
        assert rank.returncode == 0, errors
    first, second = (json.loads((tmp_path / f"{rank}.json").read_text()) for rank in range(2))
    for found in (first, second):
        assert found["same"] and found["moved"] and found["back"]
        assert found["of_another"] == [] and found["names"] == ["good", "initial"]
    assert first["good"] != second["good"]
    whole = 4 * (4 * 8 + 8 + 8 + 1)
    assert whole * 3 <= first["bytes"] + second["bytes"] < whole * 3 + 100  # and step counters
