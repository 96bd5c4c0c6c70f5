"""Sharded weights tell what the same weights tell when every rank has them whole."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def test_sharded_weights_move_as_whole_ones_do(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.arc.sharded_worker", str(tmp_path)],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    first, last = (json.loads((tmp_path / f"{rank}.json").read_text()) for rank in range(2))
    assert json.dumps(first["sharded"]) == json.dumps(last["sharded"])
    assert first["sharded places"] == first["whole places"] == 8
    for name in ("whole", "sharded"):
        for found, exact in zip(first[name], first["exact"], strict=True):
            for norm in ("step", "norm", "start", "distance"):
                assert found[norm] == pytest.approx(exact[norm], rel=0.05), (name, norm)
            for cosine in ("cosine", "cosine2"):
                assert found[cosine] == pytest.approx(exact[cosine], abs=0.05, nan_ok=True), (name, cosine)
            for quantiles in ("tensor_cosine", "tensor_step"):
                assert found[quantiles] == pytest.approx(exact[quantiles], abs=0.1, nan_ok=True), (
                    name,
                    quantiles,
                )
    assert last["whole known"] == 8  # of the state of another rank
    assert last["sharded known"] == 2
