"""Keras 3 callback (``pip install 'arc-lr[keras]'``)."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from arc.integrations.build import Adapter, allowed, announce, build
from arc.integrations.monitor import loss_name
from arc.integrations.plan import known

try:
    import keras
except ImportError as missing:
    raise ImportError(
        f"cannot import keras ({missing}): pip install 'arc-lr[keras]', and choose an installed backend "
        "(KERAS_BACKEND=torch)"
    ) from missing


class _Group(dict[str, Any]):
    """A parameter group whose LR is the Keras optimizer's."""

    def __init__(self, optimizer: Any, **values: Any) -> None:
        super().__init__(values)
        self._optimizer = optimizer

    def __getitem__(self, key: str) -> Any:
        if key != "lr":
            return super().__getitem__(key)
        return float(keras.ops.convert_to_numpy(self._optimizer.learning_rate.value))

    def __setitem__(self, key: str, value: Any) -> None:
        self._optimizer.learning_rate = value

    def get(self, key: str, default: Any = None) -> Any:
        return self[key] if key == "lr" else super().get(key, default)


class _Optimizer:
    """What the controller needs of an optimizer: its groups."""

    def __init__(self, optimizer: Any) -> None:
        self.param_groups = [_Group(optimizer)]


class _TorchOptimizer(torch.optim.Optimizer):
    """On Keras's torch backend: its parameters and state too, to follow and to put back."""

    def __init__(self, optimizer: Any, variables: Sequence[Any]) -> None:
        weights = [variable.value for variable in variables]
        super().__init__(weights, {"lr": 1.0})
        if not optimizer.built:
            optimizer.build(variables)
        # as if captured: Keras takes the steps, so no hook of ours can let them wait for a copy on its way
        self.param_groups = [_Group(optimizer, params=weights, capturable=True)]
        kept = [variable for variable in optimizer.variables if variable is not optimizer._learning_rate]
        self.state["keras"] = {str(i): variable.value for i, variable in enumerate(kept)}  # type: ignore[index]


class _Statistics:
    """What a model keeps beside its weights (the means of a batch normalisation), for the copies."""

    def __init__(self, model: Any) -> None:
        self._kept = [v for v in model.non_trainable_variables if v.value.is_floating_point()]

    def state_dict(self) -> dict[str, Any]:
        return {str(i): variable.value for i, variable in enumerate(self._kept)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        for variable, value in zip(self._kept, state.values(), strict=True):
            variable.assign(value)


class ARCCallback(Adapter, keras.callbacks.Callback):  # type: ignore[misc]
    """Drives the LR of ``model.fit``; one call of the controller per epoch.

    How many epochs there are (``total_calls``) the callback knows from the first ``fit``; where another one
    goes on, give those of all of them, or None.

    Args:
        path: a controller directory; the shipped controller by default.
        monitor: the validation loss among the epoch's logs.
        state_file: where the controller's state is written after every epoch, and read by a training that
            begins where it ends (``initial_epoch``, or Keras's ``BackupAndRestore`` beside this callback).
        settings: those of :class:`arc.Controller`, but for ``scheduler`` and ``lr0``, which need a torch
            loop, and ``rollback`` on JAX and TensorFlow; ``verbose`` is True.

    On Keras's torch backend it follows the weights and keeps copies; elsewhere it sees losses and LR alone.

    Raises:
        ValueError: at the start of ``fit``, for an optimizer with a ``LearningRateSchedule``; after an epoch
            that has validation metrics, but not the one to monitor; for a model that was compiled again.
    """

    begins = "model.fit()"

    def __init__(
        self,
        path: str | Path | None = None,
        *,
        monitor: str = "val_loss",
        state_file: str | Path | None = None,
        **settings: Any,
    ) -> None:
        super().__init__()
        for name in ("scheduler", "lr0"):
            if settings.get(name):
                raise ValueError(f"got {name}={settings[name]!r}, which needs a torch loop and optimizer")
        if settings.get("rollback", "auto") not in (False, "auto") and not _on_torch():
            raise ValueError(
                f"got rollback={settings['rollback']!r} on {keras.backend.backend()}, where ARC keeps no "
                "copies: leave it out, or set KERAS_BACKEND=torch"
            )
        self._path = path
        self._monitor = loss_name(monitor)
        self._file = None if state_file is None else Path(state_file)
        self._settings = allowed(self, settings)
        self._total, self._driving = 0.0, None

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Refuse what cannot be driven."""
        schedule = self._optimizer._learning_rate
        if callable(schedule) and not isinstance(schedule, keras.Variable):
            raise ValueError(
                f"got learning_rate={type(schedule).__name__}, which would overwrite the controller's LR: "
                "compile the model with a number, for example keras.optimizers.Adam(1e-3)"
            )
        if self._made is not None and self._optimizer is not self._driving:
            raise ValueError("the model was compiled again, with a new optimizer: make a new ARCCallback")

    @property
    def _optimizer(self) -> Any:
        return getattr(self.model.optimizer, "inner_optimizer", self.model.optimizer)

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Build the controller, if it is the first epoch; a second ``fit`` goes on with the same one."""
        self._total, self._batches = 0.0, 0  # Keras restarts its running mean
        if self._made is None:  # not before: BackupAndRestore has set model and epoch now
            calls = known((self.params or {}).get("epochs", 0))
            self._driving = self._optimizer
            self._made = build(*self._driven(), calls=calls)
            if epoch:
                self._resume(epoch)

    def _driven(self) -> tuple[Any, str | Path | None, dict[str, Any]]:
        if not _on_torch():
            return _Optimizer(self._optimizer), self._path, self._settings
        extra = [*self._settings.get("extra_state", ()), _Statistics(self.model)]
        optimizer = _TorchOptimizer(self._optimizer, self.model.trainable_variables)
        return optimizer, self._path, {**self._settings, "extra_state": extra}

    def _resume(self, epoch: int) -> None:
        if self._file is None or not self._file.is_file():
            why = "pass state_file=" if self._file is None else f"there is no {self._file}"
            warnings.warn(f"training begins at epoch {epoch}, the controller afresh: {why}", stacklevel=3)
            return
        state = torch.load(self._file, map_location="cpu", weights_only=True)
        if state["epoch"] == epoch:
            self.controller.load_state_dict(state["controller"])
            # a backup that was made before the epoch's decision has the LR of before
            self._optimizer.learning_rate = state["controller"]["lrs"][0]
        else:
            warnings.warn(
                f"{self._file} is of epoch {state['epoch']} and the training begins at epoch {epoch}: the "
                "controller starts afresh",
                stacklevel=3,
            )

    def on_train_batch_end(self, batch: int, logs: dict[str, Any] | None = None) -> None:
        """Record the batch's loss, which Keras reports as a mean over the epoch so far."""
        batches = batch + 1
        total = float((logs or {})["loss"]) * batches
        self.controller.record((total - self._total) / (batches - self._batches))
        self._total, self._batches = total, batches

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Let the controller decide."""
        metrics = logs or {}
        measured = any(name.startswith("val_") for name in metrics)
        if self._monitor not in metrics and (measured or not self._monitor.startswith("val_")):
            names = ", ".join(sorted(metrics))
            raise ValueError(
                f"got monitor={self._monitor!r}, but the epoch has {names}: write ARCCallback(monitor=...)"
            )
        decision = self.controller.step(val_loss=metrics.get(self._monitor), steps=self._batches or None)
        announce(decision, self._settings, f"epoch {epoch + 1}")
        if self._file is not None:
            half = self._file.with_name(self._file.name + ".part")
            torch.save({"epoch": epoch + 1, "controller": self.controller.state_dict()}, half)
            half.replace(self._file)


def _on_torch() -> bool:
    return bool(keras.backend.backend() == "torch")
