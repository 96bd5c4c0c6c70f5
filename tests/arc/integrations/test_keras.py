"""The Keras callback on a real ``fit`` (torch backend)."""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

import arc
from arc.decision import RecoveryWarning
from arc.integrations.keras import ARCCallback
from tests.arc.conftest import Answering

INPUTS = np.random.default_rng(0).normal(size=(72, 4)).astype("float32")
TARGETS = INPUTS.sum(1, keepdims=True)


def _fit(callback: Any, lr: Any = 0.01, **settings: Any) -> Any:
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(lr), "mse")
    arguments = {"epochs": 4, "batch_size": 16, "verbose": 0, "shuffle": False, **settings}
    model.fit(INPUTS, TARGETS, callbacks=callback, **arguments)
    return model


def _lr(model: Any) -> float:
    return float(keras.ops.convert_to_numpy(model.optimizer.learning_rate.value))


def test_the_lr_of_fit_is_driven(answering: Answering) -> None:
    callback = ARCCallback(network=answering(arc.Action.RAISE), policy="paper", period=2)
    model = _fit([callback], validation_data=(INPUTS, TARGETS))
    assert _lr(model) == pytest.approx(0.01 * 1.618**2)
    log = callback.controller._log
    assert [entry.epoch for entry in log] == [1, 2, 3, 4]
    assert all(entry.val_loss is not None and entry.val_loss < entry.train_loss for entry in log)


def test_the_losses_are_those_of_the_batches(network: arc.Network) -> None:
    """An LR near 0 leaves the weights: every batch's loss can be computed afterwards."""
    callback = ARCCallback(network=network, period=9, total_calls=None)
    model = _fit([callback], lr=1e-9, epochs=1, batch_size=18)
    errors = (model.predict(INPUTS, verbose=0) - TARGETS) ** 2
    expected = [errors[i : i + 18].mean() for i in range(0, 72, 18)]
    assert callback.controller._run.history.losses.values() == pytest.approx(expected, rel=1e-4)


def test_a_schedule_is_refused(network: arc.Network) -> None:
    schedule = keras.optimizers.schedules.CosineDecay(0.1, 100)
    with pytest.raises(ValueError, match="got learning_rate=CosineDecay, which would overwrite"):
        _fit([ARCCallback(network=network)], lr=schedule)


def test_what_needs_a_torch_loop_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="got lr0='auto', which needs a torch loop"):
        ARCCallback(lr0="auto")
    monkeypatch.setattr(keras.backend, "backend", lambda: "jax")
    with pytest.raises(ValueError, match=r"got rollback=True on jax, .* set KERAS_BACKEND=torch"):
        ARCCallback(rollback=True)


def test_on_torch_the_weights_are_followed() -> None:
    callback = ARCCallback()
    _fit([callback], validation_data=(INPUTS, TARGETS))
    assert [call.cosine is not None for call in callback.controller._log] == [False, True, True, True]


def test_on_torch_a_broken_run_goes_back_to_where_it_was_good(answering: Answering) -> None:
    """Weights, the optimizer's state and the means of a batch normalisation."""

    class Spoil(keras.callbacks.Callback):  # type: ignore[misc]
        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            if epoch == 3:
                for variable in [*self.model.variables, *self.model.optimizer.variables[2:]]:
                    variable.assign(keras.ops.full_like(variable, float("nan")))

    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.layers.BatchNormalization(), keras.layers.Dense(1)])
    model.compile(keras.optimizers.Adam(0.01), "mse")
    callback = ARCCallback(network=answering(arc.Action.KEEP), total_calls=None)
    with pytest.warns(RecoveryWarning):
        model.fit(INPUTS, TARGETS, epochs=5, batch_size=16, verbose=0, callbacks=[Spoil(), callback])
    assert [d.restored for d in callback.controller.decisions if d.restored is not None]
    everything = [*model.variables, *model.optimizer.variables]
    assert all(np.isfinite(keras.ops.convert_to_numpy(variable)).all() for variable in everything)


def test_a_second_fit_goes_on(network: arc.Network) -> None:
    callback = ARCCallback(network=network, period=3, total_calls=None)
    model = _fit([callback], epochs=2)
    model.fit(INPUTS, TARGETS, callbacks=[callback], epochs=1, verbose=0)
    assert [d.epoch for d in callback.controller.decisions] == [3]


def test_the_number_of_calls_is_known_at_the_start(network: arc.Network) -> None:
    callback = ARCCallback(network=network)
    _fit([callback], epochs=3)
    assert callback.controller.settings.total_calls == 3


@pytest.mark.parametrize("monitor, validated", [("val_lss", True), ("lss", False)])
def test_a_misspelt_monitor_is_told(network: arc.Network, monitor: str, validated: bool) -> None:
    data = {"validation_data": (INPUTS, TARGETS)} if validated else {}
    with pytest.raises(ValueError, match=f"'{monitor}', but the epoch has loss.*: write ARCCallback"):
        _fit([ARCCallback(network=network, monitor=monitor)], **data)


@pytest.mark.parametrize("cut", [2, 3])
def test_a_resumed_training_decides_alike(answering: Answering, tmp_path: Path, cut: int) -> None:
    """As Keras resumes: model and optimizer from its backup, the epoch with them.

    After two epochs there is a decision, and the backup that was made before it has the LR of before.
    """
    data = {"validation_data": (INPUTS, TARGETS), "epochs": 6}
    settings: dict[str, Any] = {"network": answering(arc.Action.RAISE), "policy": "paper", "period": 2}
    whole = ARCCallback(**settings)
    model = _fit([whole], **data)

    def backup() -> list[Any]:
        kept = keras.callbacks.BackupAndRestore(str(tmp_path / "backup"), delete_checkpoint=False)
        return [kept, ARCCallback(state_file=tmp_path / "arc.pt", **settings)]

    _fit(backup(), **{**data, "epochs": cut})
    again = backup()
    rest = _fit(again, **data)
    assert again[1].controller.decisions == whole.controller.decisions
    assert _lr(rest) == pytest.approx(_lr(model))


def test_a_training_that_begins_later_without_a_state_is_told(network: arc.Network, tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="begins at epoch 2, the controller afresh: pass state_file="):
        _fit([ARCCallback(network=network)], initial_epoch=2)
    file = tmp_path / "arc.pt"
    _fit([ARCCallback(network=network, state_file=file)], epochs=1)
    with pytest.warns(UserWarning, match="is of epoch 1 and the training begins at epoch 2"):
        _fit([ARCCallback(network=network, state_file=file)], initial_epoch=2)


def test_a_model_that_was_compiled_again_is_refused(network: arc.Network) -> None:
    """Its new optimizer would train at its own LR, beside a callback that tells of another."""
    callback = ARCCallback(network=network, total_calls=None, verbose=False)
    model = _fit([callback], epochs=1)
    model.compile(keras.optimizers.SGD(0.01), "mse")
    with pytest.raises(ValueError, match="compiled again, with a new optimizer: make a new ARCCallback"):
        model.fit(INPUTS, TARGETS, callbacks=[callback], verbose=0)


def test_a_second_callback_on_the_same_model_is_no_other_optimizer() -> None:
    """Keras takes the steps: no hook sees them, and the first callback's stand-in holds the weights, too."""
    first, second = (ARCCallback(total_calls=None, verbose=False) for _ in range(2))
    model = _fit([first], epochs=1)
    model.fit(INPUTS, TARGETS, callbacks=[second], verbose=0)


def test_batches_that_are_run_in_one_go_are_counted() -> None:
    """With ``steps_per_execution``, which Keras on torch refuses, it tells one mean of several steps."""
    callback = ARCCallback(total_calls=None, mode="advise", verbose=False)
    _fit([callback], epochs=1, batch_size=9)
    callback.on_epoch_begin(1)
    for batch in (3, 7):
        callback.on_train_batch_end(batch, {"loss": 1.0})
    callback.on_epoch_end(1, {"loss": 1.0})
    assert callback.controller._run.course.held_steps == 16
