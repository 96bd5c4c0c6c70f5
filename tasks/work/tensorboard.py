"""TensorBoard for the stages: scalars and hyperparameters of each unit of work, in a folder of its own."""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from arc.view import tensorboard
from tasks.errors import InputError
from tasks.work import places

Log = Callable[[int, Mapping[str, Any]], None]
"""Takes a step and the numbers of that step; what is no finite number is left out."""


def no_log(step: int, values: Mapping[str, Any]) -> None:
    """Where nothing is logged."""


def check(directory: str | None) -> None:
    """InputError where event files are asked for and TensorBoard is not installed."""
    places.check_local("tensorboard", directory)
    if directory is not None and importlib.util.find_spec("tensorboard") is None:
        raise InputError(f"got tensorboard={directory}, which needs pip install -e '.[tensorboard]'")


@contextmanager
def writing(
    directory: str | None, unit: str, settings: Mapping[str, Any], results: tuple[str, ...]
) -> Iterator[Log]:
    """Something to log with, while the unit runs.

    Args:
        directory: of the event files; None logs nothing.
        unit: names the unit's folder in it. A unit that runs again replaces what it left there.
        settings: for the HPARAMS page.
        results: the scalars that the page shows beside them.
    """
    if directory is None:
        yield no_log
        return
    from torch.utils.tensorboard import SummaryWriter

    folder = Path(directory) / unit
    for earlier in folder.glob("events.out.tfevents.*"):
        earlier.unlink()
    with SummaryWriter(str(folder)) as writer:
        shown = {k: v if isinstance(v, bool | int | float | str) else str(v) for k, v in settings.items()}
        tensorboard.hyperparameters(writer, shown, results)

        def log(step: int, values: Mapping[str, Any]) -> None:
            for name, value in values.items():
                if isinstance(value, int | float) and math.isfinite(value):
                    writer.add_scalar(name, value, step)
            writer.flush()

        yield log
