"""Keras 3 callback (``pip install arc-lr[keras]``)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from arc.controller import Controller
from arc.integrations.build import build

try:
    import keras
except ImportError as missing:
    raise ImportError(
        f"cannot import keras ({missing}): pip install arc-lr[keras], and choose an installed backend "
        "(KERAS_BACKEND=torch)"
    ) from missing


class _Group(dict[str, Any]):
    """A parameter group whose LR is the Keras optimizer's."""

    def __init__(self, optimizer: Any) -> None:
        super().__init__()
        self._optimizer = optimizer

    def __getitem__(self, key: str) -> float:
        if key != "lr":
            raise KeyError(key)
        return float(keras.ops.convert_to_numpy(self._optimizer.learning_rate.value))

    def __setitem__(self, key: str, value: float) -> None:
        self._optimizer.learning_rate = value

    def get(self, key: str, default: Any = None) -> Any:
        return self[key] if key == "lr" else default


class _Optimizer:
    """What the controller needs of an optimizer: its groups."""

    def __init__(self, optimizer: Any) -> None:
        self.param_groups = [_Group(optimizer)]


class ARCCallback(keras.callbacks.Callback):  # type: ignore[misc]
    """Drives the LR of ``model.fit``; one call of the controller per epoch.

    Args:
        path: a controller directory; the shipped controller by default.
        monitor: the validation loss among the epoch's logs.
        settings: those of :class:`arc.Controller`, but for ``rollback``, ``scheduler`` and ``lr0``, which
            need a torch model.

    Raises:
        ValueError: at the start of ``fit``, for an optimizer with a ``LearningRateSchedule``.
    """

    def __init__(self, path: str | Path | None = None, *, monitor: str = "val_loss", **settings: Any) -> None:
        super().__init__()
        for name in ("rollback", "scheduler", "lr0"):
            if settings.get(name):
                raise ValueError(f"got {name}={settings[name]!r}, which needs a torch model and optimizer")
        self.controller: Controller | None = None
        self._path = path
        self._monitor = monitor
        self._settings = settings
        self._total = 0.0

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Build the controller; a second ``fit`` goes on with the same one."""
        optimizer = getattr(self.model.optimizer, "inner_optimizer", self.model.optimizer)
        schedule = optimizer._learning_rate
        if callable(schedule) and not isinstance(schedule, keras.Variable):
            raise ValueError(
                f"got learning_rate={type(schedule).__name__}, which would overwrite the controller's LR: "
                "compile the model with a number, for example keras.optimizers.Adam(1e-3)"
            )
        if self.controller is None:
            self.controller = build(_Optimizer(optimizer), self._path, self._settings)  # type: ignore[arg-type]

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Keras restarts its running mean."""
        self._total, self._batches = 0.0, 0

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Record the batch's loss, which Keras reports as a mean over the epoch so far."""
        assert self.controller is not None
        batches = batch + 1
        total = float((logs or {})["loss"]) * batches
        self.controller.record((total - self._total) / (batches - self._batches))
        self._total, self._batches = total, batches

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Let the controller decide."""
        assert self.controller is not None
        self.controller.step(val_loss=(logs or {}).get(self._monitor))
