"""The ONNX model gives the probabilities of the network."""

from pathlib import Path

import numpy as np
import onnxruntime
import torch

import arc
from arc.network import onnx, weights


def test_onnx_and_torch_agree(tmp_path: Path, network: arc.Network) -> None:
    weights.save(network, tmp_path / "controller", {}, "card")
    onnx.export(tmp_path / "arc.network.onnx", tmp_path / "controller")
    session = onnxruntime.InferenceSession(tmp_path / "arc.network.onnx", providers=["CPUExecutionProvider"])
    windows = np.random.default_rng(0).normal(size=(5, 300, 3)).astype(np.float32)
    (ours,) = session.run(None, {"windows": windows})
    np.testing.assert_allclose(ours, network(torch.from_numpy(windows)).softmax(1).numpy(), atol=1e-5)
