"""What a controller directory holds: names and shapes of the weights, and what its config.json says."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from arc.actions import Action
from arc.history import observation
from arc.history.features import LENGTH, MAX_PERIODS

FORMAT: Final[dict[str, Any]] = {
    "format": "arc-controller",
    "format_version": 1,
    "features": {
        "shape": [LENGTH, 3],
        "periods": MAX_PERIODS,
        "channels": ["train_loss", "val_loss", "lr"],
        "scaling": ["linear, z-score", "z-score, nearest", "relative, nearest"],
    },
    "actions": {a.label: a.multiplier for a in Action},
}
"""What the config.json of a paper's network states; a loader refuses what differs from it."""
SECOND: Final[dict[str, Any]] = {
    "format": "arc-controller",
    "format_version": 2,
    "features": {
        "shape": [observation.LENGTH, len(observation.CHANNELS)],
        "channels": list(observation.CHANNELS),
        "numbers": list(observation.NAMES),
    },
    "actions": FORMAT["actions"],
}
"""The same of a network that sees movement (:class:`arc.network.estimator.Estimator`)."""
Arrays = dict[str, npt.NDArray[np.float32]]

SHAPES: Final[dict[str, tuple[int, ...]]] = {
    "conv.0.weight": (32, 3, 5),
    "conv.0.bias": (32,),
    "conv.3.weight": (64, 32, 5),
    "conv.3.bias": (64,),
    **{f"lstm.{kind}_l{layer}": (256, 64) for layer in (0, 1) for kind in ("weight_ih", "weight_hh")},
    **{f"lstm.{kind}_l{layer}": (256,) for layer in (0, 1) for kind in ("bias_ih", "bias_hh")},
    "dense.0.weight": (32, 64),
    "dense.0.bias": (32,),
    "dense.2.weight": (3, 32),
    "dense.2.bias": (3,),
}
"""Names and shapes of the paper's network."""
ESTIMATOR: Final[dict[str, tuple[int, ...]]] = {
    "centre": (len(observation.NAMES),),
    "scale": (len(observation.NAMES),),
    "conv.0.weight": (32, len(observation.CHANNELS), 5),
    "conv.0.bias": (32,),
    "conv.3.weight": (48, 32, 5),
    "conv.3.bias": (48,),
    **{f"lstm.{kind}_l{layer}": (192, 48) for layer in (0, 1) for kind in ("weight_ih", "weight_hh")},
    **{f"lstm.{kind}_l{layer}": (192,) for layer in (0, 1) for kind in ("bias_ih", "bias_hh")},
    "numbers.0.weight": (96, len(observation.NAMES)),
    "numbers.0.bias": (96,),
    "numbers.2.weight": (96, 96),
    "numbers.2.bias": (96,),
    "dense.0.weight": (64, 144),
    "dense.0.bias": (64,),
    "dense.2.weight": (5, 64),
    "dense.2.bias": (5,),
}
"""Names and shapes of the network that sees movement."""


class WeightsError(ValueError):
    """A controller's files are missing, damaged or foreign; the message names the file."""


def check(arrays: Arrays, where: str) -> None:
    """WeightsError, which names the place ``where``, for weights that are not finite or another network's."""
    shapes = {k: v.shape for k, v in arrays.items()}
    known = ESTIMATOR if "centre" in arrays else SHAPES
    wrong = {k for k in shapes.keys() | known.keys() if shapes.get(k) != known.get(k)}
    if wrong:
        name = min(wrong)
        raise WeightsError(f"{where}: got {name} of shape {shapes.get(name)}, need {known.get(name)}")
    for name, array in arrays.items():
        if array.dtype != np.float32 or not np.isfinite(array).all():
            raise WeightsError(f"{where}: {name} must hold finite float32 values")


def stated(arrays: Arrays) -> dict[str, Any]:
    """What the config.json beside these weights says."""
    return SECOND if "centre" in arrays else FORMAT
