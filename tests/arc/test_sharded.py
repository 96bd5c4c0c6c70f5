"""Sharded weights tell what the same weights tell when every rank has them whole."""

import json
from typing import Any

import pytest

from tests.arc.helpers import run_module


@pytest.fixture(scope="module")
def ranks(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], dict[str, Any]]:
    """What both ranks found."""
    folder = tmp_path_factory.mktemp("ranks")
    run_module("sharded_worker", folder)
    first, last = (json.loads((folder / f"{rank}.json").read_text()) for rank in range(2))
    return first, last


def test_sharded_weights_move_as_whole_ones_do(ranks: tuple[dict[str, Any], dict[str, Any]]) -> None:
    first, last = ranks
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


def test_a_controller_sees_the_movement_of_the_whole_weights_on_every_rank(
    ranks: tuple[dict[str, Any], dict[str, Any]],
) -> None:
    """Their norms and cosines are made of what is added up over the ranks, and are no means of the ranks'."""
    for found in ranks:
        assert len(found["seen sharded"]) == 4
        for sharded, whole in zip(found["seen sharded"], found["seen whole"], strict=True):
            for name, value in whole.items():
                assert sharded[name] == pytest.approx(value, rel=1e-3, abs=1e-4, nan_ok=True), name
