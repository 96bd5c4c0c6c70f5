"""A controller is saved, put on the hub and read from there; the hub is a stand-in on this machine."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

import arc
from arc.network import weights
from tests.arc.helpers import epoch, falling, optimizer
from tests.arc.network.hub_server import Hub, serving


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    from huggingface_hub import constants

    with serving() as found:
        monkeypatch.setattr(constants, "ENDPOINT", found.address)
        monkeypatch.setattr(
            constants,
            "HUGGINGFACE_CO_URL_TEMPLATE",
            found.address + "/{repo_id}/resolve/{revision}/{filename}",
        )
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
        monkeypatch.setenv("HF_TOKEN", "hf_standin")
        monkeypatch.chdir(tmp_path)
        yield found


def _same(one: arc.Network, other: arc.Network) -> bool:
    pairs = zip(one.state_dict().values(), other.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


def test_a_saved_controller_is_the_same_one_with_its_card(tmp_path: Path, network: arc.Network) -> None:
    weights.save(network, tmp_path / "mine", {"seed": 7}, "# Mine\n")
    controller = arc.Controller.from_pretrained(tmp_path / "mine", optimizer(0.1), period=1)
    controller.save_pretrained(tmp_path / "again")
    for file in ("model.safetensors", "config.json", "README.md"):
        assert (tmp_path / "again" / file).read_bytes() == (tmp_path / "mine" / file).read_bytes()
    again = arc.Controller.from_pretrained(str(tmp_path / "again"), optimizer(0.1), period=1)
    assert epoch(again, falling(0)) == epoch(controller, falling(0))
    controller.save_pretrained(tmp_path / "again", card="# Better\n")
    assert weights.read_card(tmp_path / "again") == "# Better\n"


def test_a_network_of_ones_own_is_saved_with_a_card_that_says_so(
    tmp_path: Path, network: arc.Network
) -> None:
    arc.Controller(optimizer(0.1), network=network).save_pretrained(tmp_path / "c")
    assert "given to `arc.Controller" in weights.read_card(tmp_path / "c")
    assert _same(weights.load(tmp_path / "c"), network)


def test_to_the_hub_and_back(hub: Hub, tmp_path: Path, network: arc.Network) -> None:
    weights.save(network, tmp_path / "mine", {"seed": 7}, "# Mine\n")
    controller = arc.Controller.from_pretrained(tmp_path / "mine", optimizer(0.1), period=1)
    assert controller.push_to_hub("someone/arc-mine").startswith(f"{hub.address}/someone/arc-mine/commit/")
    assert set(hub.repositories["someone/arc-mine"]) >= {"model.safetensors", "config.json", "README.md"}
    assert hub.repositories["someone/arc-mine"]["README.md"] == b"# Mine\n", "no card of the package's own"
    fetched = arc.Controller.from_pretrained("someone/arc-mine", optimizer(0.1), period=1)
    assert epoch(fetched, falling(0)) == epoch(controller, falling(0))
    downloads = hub.downloads
    assert downloads == 3
    arc.Controller.from_pretrained("someone/arc-mine", optimizer(0.1))
    assert hub.downloads == downloads, "fetched once"


def test_what_is_neither_here_nor_there_is_said(hub: Hub, tmp_path: Path) -> None:
    with pytest.raises(arc.weights.WeightsError, match="no directory someone/none, and none on the hub"):
        arc.Controller.from_pretrained("someone/none", optimizer(0.1))
    for local in (tmp_path / "someone/none", "none", "./some/none", str(tmp_path / "none")):
        with pytest.raises(arc.weights.WeightsError, match=r"no config\.json in .*none"):
            arc.Controller.from_pretrained(local, optimizer(0.1))
    with pytest.raises(arc.weights.WeightsError, match=r"got revision='v1' for '\./here'"):
        arc.Controller.from_pretrained("./here", optimizer(0.1), revision="v1")


def test_a_directory_here_comes_first(hub: Hub, tmp_path: Path, network: arc.Network) -> None:
    weights.save(network, "someone/mine", {}, "# Here\n")
    controller = arc.Controller.from_pretrained("someone/mine", optimizer(0.1))
    assert _same(controller._network, network) and not hub.downloads


def test_without_the_package_the_remedy_is_named(
    network: arc.Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(arc.weights.WeightsError, match=r"if it is a repository of the hub: .*arc-lr\[hub\]"):
        arc.Controller.from_pretrained("someone/mine", optimizer(0.1))
    controller = arc.Controller(optimizer(0.1), network=network)
    with pytest.raises(ImportError, match=r"arc-lr\[hub\]"):
        controller.push_to_hub("someone/mine")
    with pytest.raises(ValueError, match="got name='mine', need owner/name"):
        controller.push_to_hub("mine")
