"""Controller directories: what is written is read back, what is damaged says so."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch

import arc
from arc.network import weights
from arc.network.format import SHAPES
from arc.network.keras import import_keras
from tests import reference


@pytest.fixture
def saved(tmp_path: Path, network: arc.Network) -> Path:
    weights.save(network, tmp_path / "controller", {"seed": 0}, "# A card\n")
    return tmp_path / "controller"


def test_roundtrip_gives_the_same_logits(saved: Path, network: arc.Network) -> None:
    windows = torch.randn(2, 300, 3, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(weights.load(saved)(windows), network(windows))
    assert weights.read_config(saved)["config"] == {"seed": 0}
    assert weights.read_card(saved) == "# A card\n"


def test_saving_replaces_and_leaves_nothing_else(saved: Path, network: arc.Network) -> None:
    weights.save(network, saved, {"seed": 1}, "second")
    assert weights.read_config(saved)["config"] == {"seed": 1}
    assert sorted(p.name for p in saved.iterdir()) == ["README.md", "config.json", "model.safetensors"]
    assert [p.name for p in saved.parent.iterdir()] == ["controller"]


def test_a_failed_save_keeps_the_old_controller(saved: Path, network: arc.Network) -> None:
    with pytest.raises(TypeError):
        weights.save(network, saved, {"seed": object()}, "card")
    assert weights.read_config(saved)["config"] == {"seed": 0}
    assert [p.name for p in saved.parent.iterdir()] == ["controller"]


def test_weights_that_are_not_finite_are_not_saved(tmp_path: Path, network: arc.Network) -> None:
    torch.nn.init.constant_(network.dense[0].bias, float("nan"))  # type: ignore[arg-type]
    with pytest.raises(weights.WeightsError, match=r"dense\.0\.bias must hold finite"):
        weights.save(network, tmp_path / "c", {}, "")


@pytest.mark.parametrize("name", ["model.safetensors", "config.json"])
@pytest.mark.parametrize("damage", ["missing", "truncated", "foreign", "empty"])
def test_damaged_files_are_named(saved: Path, name: str, damage: str) -> None:
    file = saved / name
    content = file.read_bytes()
    if damage == "missing":
        file.unlink()
    else:
        file.write_bytes(
            {"truncated": content[:-40], "foreign": b"PK\x03\x04 no such file", "empty": b""}[damage]
        )
    with pytest.raises(weights.WeightsError, match=name):
        weights.load(saved)


@pytest.mark.parametrize(
    "key, value",
    [
        ("format", "other"),
        ("format_version", 3),
        ("features", {"shape": [300, 4]}),
        ("actions", {"raise": 2.0}),
    ],
)
def test_an_unknown_format_is_refused(saved: Path, key: str, value: object) -> None:
    config = json.loads((saved / "config.json").read_text())
    (saved / "config.json").write_text(json.dumps({**config, key: value}))
    with pytest.raises(weights.WeightsError, match="format" if key == "format" else key):
        weights.load(saved)


def test_another_network_is_refused(saved: Path) -> None:
    from safetensors.numpy import save_file

    save_file({"conv.0.weight": np.zeros((32, 3, 7), np.float32)}, saved / "model.safetensors")
    with pytest.raises(weights.WeightsError, match=r"conv\.0\.(bias|weight)"):
        weights.load(saved)


def test_the_stated_shapes_are_the_networks() -> None:
    assert {k: tuple(v.shape) for k, v in arc.Network().state_dict().items()} == SHAPES
    assert sum(p.numel() for p in arc.Network().parameters()) == 79_555


def _write_keras(path: Path, seed: int) -> dict[str, dict[str, np.ndarray]]:
    """Random weights in the layout of the published file."""
    import h5py

    rng = np.random.default_rng(seed)
    layout = {
        "conv1d": {"kernel": (5, 3, 32), "bias": (32,)},
        "conv1d_1": {"kernel": (5, 32, 64), "bias": (64,)},
        "lstm": {"kernel": (64, 256), "recurrent_kernel": (64, 256), "bias": (256,)},
        "lstm_1": {"kernel": (64, 256), "recurrent_kernel": (64, 256), "bias": (256,)},
        "dense": {"kernel": (64, 32), "bias": (32,)},
        "dense_1": {"kernel": (32, 3), "bias": (3,)},
    }
    made: dict[str, dict[str, np.ndarray]] = {}
    with h5py.File(path, "w") as file:
        for index, (layer, shapes) in enumerate(layout.items()):
            cell = f"/lstm_cell_{index}" if "lstm" in layer else ""
            made[layer] = {n: rng.normal(0, 0.3, s).astype(np.float32) for n, s in shapes.items()}
            for name, array in made[layer].items():
                file[f"{layer}/{layer}{cell}/{name}:0"] = array
    return made


def _read_keras(path: Path) -> dict[str, dict[str, np.ndarray]]:
    import h5py

    found: dict[str, dict[str, np.ndarray]] = {}

    def collect(key: str, item: object) -> None:
        if isinstance(item, h5py.Dataset):
            layer, *_, name = key.split("/")
            found.setdefault(layer, {})[name.removesuffix(":0")] = item[()]

    with h5py.File(path) as file:
        file.visititems(collect)
    return found


def _agrees(network: arc.Network, keras: dict[str, dict[str, np.ndarray]]) -> None:
    windows = np.random.default_rng(1).normal(size=(4, 300, 3)).astype(np.float32)
    windows[0] = arc.featurise([arc.Period(train_loss=[3.0, 2.5, 2.0], val_loss=[2.4], lr=0.1)])
    ours = network(torch.from_numpy(windows)).softmax(1).numpy()
    theirs = np.stack([reference.network(w, keras) for w in windows])
    np.testing.assert_allclose(ours, theirs, atol=1e-5)


def test_import_keras_agrees_with_a_naive_network(tmp_path: Path) -> None:
    keras = _write_keras(tmp_path / "arc.h5", seed=0)
    _agrees(import_keras(tmp_path / "arc.h5"), keras)


@pytest.mark.skipif(
    "ARC_DATA" not in os.environ, reason="needs ARC_DATA, the folder with arc_original/arc.h5"
)
def test_the_published_weights_agree_with_a_naive_network() -> None:
    file = Path(os.environ["ARC_DATA"]) / "arc_original" / "arc.h5"
    _agrees(import_keras(file), _read_keras(file))


def test_import_keras_refuses_other_files(tmp_path: Path) -> None:
    import h5py

    with pytest.raises(weights.WeightsError, match="no file"):
        import_keras(tmp_path / "none.h5")
    (tmp_path / "text.h5").write_text("not HDF5")
    with pytest.raises(weights.WeightsError, match="no HDF5 file"):
        import_keras(tmp_path / "text.h5")
    h5py.File(tmp_path / "empty.h5", "w").close()
    with pytest.raises(weights.WeightsError, match="another network"):
        import_keras(tmp_path / "empty.h5")
