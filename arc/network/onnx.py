"""The networks as ONNX models (``pip install 'arc-lr[onnx]'``)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from arc.history.features import LENGTH
from arc.history.observation import CHANNELS, NAMES
from arc.history.observation import LENGTH as ROWS
from arc.network import weights

OPSET = 17


def export(path: str | Path, controller: str | Path | None = None) -> None:
    """Write the network of a controller directory as an ONNX file.

    One that sees movement has the inputs ``windows``, float32 (batch, 100, 4), and ``numbers``, float32
    (batch, n), as :func:`arc.history.observation.observe` makes them, and the outputs ``probabilities``,
    float32 (batch, 3), of raise, keep, lower, ``distance`` and ``spread``, float32 (batch, 1), in decades.
    One that sees losses alone has ``windows``, float32 (batch, 300, 3), as :func:`arc.featurise` makes them,
    and ``probabilities``.

    Args:
        path: the file to write.
        controller: a controller directory; the shipped one by default (``arc.network.weights.paper()`` is the
            paper's).

    Raises:
        WeightsError: no usable controller there.
        ImportError: without onnx.
    """
    try:
        import onnx
    except ImportError as error:
        raise ImportError("export needs onnx: pip install 'arc-lr[onnx]'") from error
    made = _Graph(weights.load_arrays(controller))
    sees_movement = "centre" in made.arrays
    if sees_movement:
        _estimator(made)
    else:
        _classifier(made)
    floats = onnx.TensorProto.FLOAT
    sizes, outputs = {"windows": [LENGTH, 3]}, {"probabilities": 3}
    if sees_movement:
        sizes = {"windows": [ROWS, len(CHANNELS)], "numbers": [len(NAMES)]}
        outputs |= {"distance": 1, "spread": 1}
    value = onnx.helper.make_tensor_value_info
    graph = onnx.helper.make_graph(
        made.nodes,
        "arc",
        [value(name, floats, ["batch", *size]) for name, size in sizes.items()],
        [value(name, floats, ["batch", size]) for name, size in outputs.items()],
        [onnx.numpy_helper.from_array(array, name) for name, array in made.constants.items()],
    )
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", OPSET)], ir_version=8)
    onnx.checker.check_model(model, full_check=True)
    Path(path).write_bytes(model.SerializeToString())


class _Graph:
    """Operators, one after the other, and the constants that they read."""

    def __init__(self, arrays: weights.Arrays) -> None:
        self.arrays = arrays
        self.nodes: list[Any] = []
        self.constants: dict[str, Any] = {}

    def add(self, operator: str, *inputs: str, name: str = "", **attributes: Any) -> str:
        """An operator on values by their names; the name of its output."""
        from onnx.helper import make_node

        output = name or f"x{len(self.nodes)}"
        self.nodes.append(make_node(operator, list(inputs), [output], **attributes))
        return output

    def constant(self, name: str, array: Any) -> str:
        """A constant's name."""
        self.constants[name] = array
        return name

    def layer(self, operator: str, value: str, layer: str, **attributes: Any) -> str:
        """A layer with weight and bias, by its name in the network."""
        both = [self.constant(k, self.arrays[k]) for k in (f"{layer}.weight", f"{layer}.bias")]
        return self.add(operator, value, *both, **attributes)

    def dense(self, value: str, layer: str) -> str:
        """A linear layer."""
        return self.layer("Gemm", value, layer, transB=1)

    def window(self, value: str) -> str:
        """Convolutions and LSTM: the last hidden state of a window."""
        value = self.add("Transpose", value, perm=[0, 2, 1])
        for layer in ("conv.0", "conv.3"):
            value = self.add("Relu", self.layer("Conv", value, layer))
            value = self.add("MaxPool", value, kernel_shape=[2], strides=[2])
        value = self.add("Transpose", value, perm=[2, 0, 1])  # time first
        direction = self.constant("direction", np.array([1], np.int64))
        for layer in ("l0", "l1"):
            recurrent = self.arrays[f"lstm.weight_hh_{layer}"]
            biases = [_gates(self.arrays[f"lstm.bias_{kind}_{layer}"]) for kind in ("ih", "hh")]
            inputs = (
                self.constant(f"w_{layer}", _gates(self.arrays[f"lstm.weight_ih_{layer}"])[None]),
                self.constant(f"r_{layer}", _gates(recurrent)[None]),
                self.constant(f"b_{layer}", np.concatenate(biases)[None]),
            )
            value = self.add("LSTM", value, *inputs, hidden_size=recurrent.shape[1])
            value = self.add("Squeeze", value, direction)
        return self.add("Gather", value, self.constant("last", np.array(-1, np.int64)), axis=0)


def _classifier(graph: _Graph) -> None:
    """:class:`arc.Network`."""
    hidden = graph.add("Relu", graph.dense(graph.window("windows"), "dense.0"))
    graph.add("Softmax", graph.dense(hidden, "dense.2"), name="probabilities")


def _estimator(graph: _Graph) -> None:
    """:class:`arc.network.estimator.Estimator`."""
    from arc.network.estimator import FARTHEST, LEAST

    number = graph.add("Sub", "numbers", graph.constant("centre", graph.arrays["centre"]))
    number = graph.add("Div", number, graph.constant("scale", graph.arrays["scale"]))
    ends = [graph.constant(k, np.array(v, np.float32)) for k, v in (("low", -FARTHEST), ("high", FARTHEST))]
    number = graph.add("Clip", number, *ends)
    for layer in ("numbers.0", "numbers.2"):
        number = graph.add("Relu", graph.dense(number, layer))
    both = graph.add("Concat", graph.window("windows"), number, axis=1)
    out = graph.dense(graph.add("Relu", graph.dense(both, "dense.0")), "dense.2")

    def part(*places: int) -> str:
        which = graph.constant(f"places{places[0]}", np.array(places, np.int64))
        return graph.add("Gather", out, which, axis=1)

    graph.add("Softmax", part(0, 1, 2), name="probabilities")
    graph.add("Identity", part(3), name="distance")
    least = graph.constant("least", np.array(LEAST, np.float32))
    graph.add("Add", graph.add("Softplus", part(4)), least, name="spread")


def _gates(array: Any) -> Any:
    """PyTorch's order i, f, g, o to ONNX's i, o, f, g."""
    i, f, g, o = np.split(array, 4)
    return np.concatenate([i, o, f, g])
