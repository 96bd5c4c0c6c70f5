"""The classifier as an ONNX model (``pip install arc-lr[onnx]``)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from arc.history.features import LENGTH
from arc.network import weights

OPSET = 17


def export(path: str | Path, controller: str | Path | None = None) -> None:
    """Write the network of a controller directory as an ONNX file.

    Input ``windows``: float32 (batch, 300, 3), as :func:`arc.featurise` makes them. Output
    ``probabilities``: float32 (batch, 3), of raise, keep, lower.

    Args:
        path: the file to write.
        controller: a controller directory; the shipped one by default.

    Raises:
        WeightsError: no usable controller there.
        ImportError: without onnx.
    """
    try:
        import onnx
    except ImportError as error:
        raise ImportError("export needs onnx: pip install arc-lr[onnx]") from error
    arrays = weights.load_arrays(weights.paper() if controller is None else controller)
    nodes, constants = _nodes(arrays)
    floats = onnx.TensorProto.FLOAT
    graph = onnx.helper.make_graph(
        nodes,
        "arc",
        [onnx.helper.make_tensor_value_info("windows", floats, ["batch", LENGTH, 3])],
        [onnx.helper.make_tensor_value_info("probabilities", floats, ["batch", 3])],
        [onnx.numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", OPSET)], ir_version=8)
    onnx.checker.check_model(model, full_check=True)
    Path(path).write_bytes(model.SerializeToString())


def _nodes(arrays: weights.Arrays) -> tuple[list[Any], dict[str, Any]]:
    """The chain of operators, each on the output of the one before, and its constants."""
    from onnx.helper import make_node

    nodes: list[Any] = []
    constants: dict[str, Any] = {}
    current = "windows"

    def then(operator: str, *inputs: str, **attributes: Any) -> None:
        nonlocal current
        output = f"x{len(nodes)}"
        nodes.append(make_node(operator, [current, *inputs], [output], **attributes))
        current = output

    then("Transpose", perm=[0, 2, 1])
    for layer in ("conv.0", "conv.3"):
        constants |= {k: arrays[k] for k in (f"{layer}.weight", f"{layer}.bias")}
        then("Conv", f"{layer}.weight", f"{layer}.bias")
        then("Relu")
        then("MaxPool", kernel_shape=[2], strides=[2])
    then("Transpose", perm=[2, 0, 1])  # time first
    constants["direction"] = np.array([1], np.int64)
    for layer in ("l0", "l1"):
        constants[f"w_{layer}"] = _gates(arrays[f"lstm.weight_ih_{layer}"])[None]
        constants[f"r_{layer}"] = _gates(arrays[f"lstm.weight_hh_{layer}"])[None]
        biases = [_gates(arrays[f"lstm.bias_{kind}_{layer}"]) for kind in ("ih", "hh")]
        constants[f"b_{layer}"] = np.concatenate(biases)[None]
        then("LSTM", f"w_{layer}", f"r_{layer}", f"b_{layer}", hidden_size=64)
        then("Squeeze", "direction")
    constants["last"] = np.array(-1, np.int64)
    then("Gather", "last", axis=0)
    for layer, activation in (("dense.0", "Relu"), ("dense.2", "Softmax")):
        constants |= {k: arrays[k] for k in (f"{layer}.weight", f"{layer}.bias")}
        then("Gemm", f"{layer}.weight", f"{layer}.bias", transB=1)
        then(activation)
    nodes[-1].output[0] = "probabilities"
    return nodes, constants


def _gates(array: Any) -> Any:
    """PyTorch's order i, f, g, o to ONNX's i, o, f, g."""
    i, f, g, o = np.split(array, 4)
    return np.concatenate([i, o, f, g])
