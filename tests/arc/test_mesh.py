"""Meshes of two dimensions: what is sharded or replicated is seen, copied and saved as whole weights."""

import json
from pathlib import Path

import pytest

from tests.arc.helpers import run_module

pytest.importorskip("torch.distributed.fsdp", reason="needs torch's FSDP2")


def test_hybrid_shards_and_tensor_parallelism_are_as_whole_weights(tmp_path: Path) -> None:
    run_module("mesh_worker", tmp_path, timeout=600)
    ranks = [json.loads((tmp_path / f"{rank}.json").read_text()) for rank in range(4)]
    whole = ranks[0]["whole"]
    for name, found in ranks[0].items():
        for other in ranks:
            assert json.dumps(other[name]["moved"]) == json.dumps(found["moved"]), "all see the same"
            assert other[name]["restored"] == 0 and other[name]["back"], name
            assert other[name]["resumed"] == [4, ["good", "initial"], True], name
        assert found["after"] == pytest.approx(whole["after"], rel=1e-4), name
        for moved, expected in zip(found["moved"], whole["moved"], strict=True):
            for norm in ("step", "norm", "start", "distance"):
                assert moved[norm] == pytest.approx(expected[norm], rel=0.05), (name, norm)
            for cosine in ("cosine", "cosine2"):
                assert moved[cosine] == pytest.approx(expected[cosine], abs=0.05, nan_ok=True), (name, cosine)
