"""Data sets of the hub: which ones, at which commit, and their download."""

from __future__ import annotations

from typing import Any, NamedTuple

from tasks.base import TaskError


class Repository(NamedTuple):
    """A data set that lies on the hub as Parquet: its id, commit, configuration, and columns."""

    id: str
    revision: str
    config: str | None = None
    inputs: str = "image"
    label: str = "label"


SVHN = Repository("ufldl-stanford/svhn", "f9e1717d73324ebbc1ece84267ccd80d0aca0690", "cropped_digits")
FOOD = Repository("ethz/food101", "e06acf2a88084f04bce4d4a525165d68e0a36c38")
CIFAR10 = Repository("uoft-cs/cifar10", "0b2714987fa478483af9968de7c934580d0bb9a2", inputs="img")
IMDB = Repository("stanfordnlp/imdb", "e6281661ce1c48d982bc483cf8a173c1bbeb5d31", inputs="text")


def splits(repository: Repository) -> dict[str, Any]:
    """The published splits by name, each with its columns; images are decoded when a row is read.

    Raises:
        TaskError: the package is missing, the hub cannot be reached, or a column is not there.
    """
    try:
        from datasets import load_dataset
    except ImportError:
        raise TaskError("data=hub needs the datasets package: pip install 'arc-lr[data]'") from None
    try:
        found = dict(load_dataset(repository.id, repository.config, revision=repository.revision))
    except (OSError, ValueError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise TaskError(
            f"cannot load {repository.id} from the hub ({reason}); try again where there is a network, or "
            "download the data and pass data=local data_dir=..."
        ) from error
    for name, rows in found.items():
        if missing := {repository.inputs, repository.label} - set(rows.column_names):
            raise TaskError(
                f"{name} of {repository.id} has the columns {rows.column_names}, not {min(missing)}"
            )
    return found
