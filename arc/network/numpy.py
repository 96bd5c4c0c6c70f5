"""The classifier without torch: NumPy on one window."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from arc.actions import softmax

Vector = npt.NDArray[np.float32]


def probabilities(arrays: dict[str, Vector], window: Vector) -> tuple[float, float, float]:
    """Probabilities (raise, keep, lower) for one window.

    Args:
        arrays: weights as :func:`arc.network.weights.load_arrays` gives them.
        window: shape (300, 3), as :func:`arc.featurise` makes it.

    Equal to :class:`arc.Network` followed by a softmax, to 1e-5.
    """
    x = _convolution(window, arrays["conv.0.weight"], arrays["conv.0.bias"])
    x = _convolution(x, arrays["conv.3.weight"], arrays["conv.3.bias"])
    for layer in (0, 1):
        weights = (
            arrays[f"lstm.{kind}_l{layer}"] for kind in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
        )
        x = _lstm(x, *weights)
    hidden = np.maximum(arrays["dense.0.weight"] @ x[-1] + arrays["dense.0.bias"], 0)
    logits = arrays["dense.2.weight"] @ hidden + arrays["dense.2.bias"]
    return softmax(logits.tolist())


def _convolution(x: Vector, weight: Vector, bias: Vector) -> Vector:
    """Convolution without padding, ReLU, maximum over pairs; (length, channels) in and out."""
    patches = np.lib.stride_tricks.sliding_window_view(x, weight.shape[2], axis=0)
    out = np.maximum(patches.reshape(len(patches), -1) @ weight.reshape(len(weight), -1).T + bias, 0)
    pairs: Vector = out[: len(out) // 2 * 2].reshape(-1, 2, out.shape[1]).max(1)
    return pairs


def _lstm(x: Vector, weight_ih: Vector, weight_hh: Vector, bias_ih: Vector, bias_hh: Vector) -> Vector:
    """The whole sequence of hidden states, (length, units)."""
    units = weight_hh.shape[1]
    # sigmoid(z) = (1 + tanh(z / 2)) / 2: one tanh serves all gates, with i, f and o halved beforehand.
    halves = np.full(4 * units, 0.5, np.float32)
    halves[2 * units : 3 * units] = 1
    inputs = (x @ weight_ih.T + (bias_ih + bias_hh)) * halves
    recurrent = np.ascontiguousarray(weight_hh.T * halves)
    h, c = np.zeros(units, np.float32), np.zeros(units, np.float32)
    outputs = np.empty((len(x), units), np.float32)
    for t, drive in enumerate(inputs):
        gates = np.tanh(drive + h @ recurrent)
        i, f, g, o = gates[:units], gates[units : 2 * units], gates[2 * units : 3 * units], gates[3 * units :]
        c = 0.5 * ((1 + f) * c + (1 + i) * g)
        h = 0.5 * (1 + o) * np.tanh(c)
        outputs[t] = h
    return outputs
