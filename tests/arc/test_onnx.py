"""The ONNX model answers as the network does."""

from pathlib import Path

import numpy as np
import onnxruntime
import torch

import arc
from arc.network import onnx, weights
from arc.network.estimator import Estimator


def test_onnx_and_torch_agree(tmp_path: Path, network: arc.Network) -> None:
    weights.save(network, tmp_path / "controller", {}, "card")
    onnx.export(tmp_path / "arc.network.onnx", tmp_path / "controller")
    session = onnxruntime.InferenceSession(tmp_path / "arc.network.onnx", providers=["CPUExecutionProvider"])
    windows = np.random.default_rng(0).normal(size=(5, 300, 3)).astype(np.float32)
    (ours,) = session.run(None, {"windows": windows})
    np.testing.assert_allclose(ours, network(torch.from_numpy(windows)).softmax(1).numpy(), atol=1e-5)


def test_onnx_and_torch_agree_on_the_shipped_network(tmp_path: Path) -> None:
    onnx.export(tmp_path / "arc.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "arc.onnx", providers=["CPUExecutionProvider"])
    generator = np.random.default_rng(0)
    network = weights.load().eval()
    assert isinstance(network, Estimator)
    inputs = {
        "windows": generator.normal(size=(5, 100, 4)).astype(np.float32),
        "numbers": 3 * generator.normal(size=(5, len(network.centre))).astype(np.float32),
    }
    ours = dict(zip(("probabilities", "distance", "spread"), session.run(None, inputs), strict=True))
    with torch.no_grad():
        answer = network(*map(torch.from_numpy, inputs.values()))
    np.testing.assert_allclose(ours["probabilities"], answer.logits.softmax(1).numpy(), atol=1e-5)
    np.testing.assert_allclose(ours["distance"][:, 0], answer.distance.numpy(), atol=1e-4)
    np.testing.assert_allclose(ours["spread"][:, 0], answer.spread.numpy(), atol=1e-4)
