"""A controller directory: ``model.safetensors`` (weights), ``config.json``, ``README.md`` (model card).

Reading one never executes code: safetensors and JSON hold data only.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from arc.folders import local
from arc.network.format import FORMAT, SECOND, check, stated
from arc.network.format import Arrays as Arrays
from arc.network.format import WeightsError as WeightsError

if TYPE_CHECKING:
    from arc.network.estimator import Estimator
    from arc.network.network import Network

PRETRAINED: Final = Path(__file__).parent.parent / "pretrained"
"""The shipped controller."""
WEIGHTS, CONFIG, CARD = "model.safetensors", "config.json", "README.md"


def save(network: Network | Estimator, directory: str | Path, config: dict[str, Any], card: str) -> None:
    """Write a controller directory; it appears whole or not at all.

    Args:
        network: the classifier.
        directory: replaced if it exists.
        config: how the network came about (JSON types); filed under ``config`` beside the format.
        card: the model card, Markdown.

    Raises:
        ValueError: weights that are not finite; a directory that holds other files.
    """
    from safetensors.numpy import save as to_bytes

    arrays = {k: v.detach().cpu().float().numpy().copy() for k, v in network.state_dict().items()}
    check(arrays, "the network")
    target = local("directory", directory).absolute()
    others = {file.name for file in target.iterdir()} - {WEIGHTS, CONFIG, CARD} if target.is_dir() else set()
    if others:
        raise WeightsError(f"got directory={str(directory)!r}, which holds {min(others)!r}; need a new one")
    target.parent.mkdir(parents=True, exist_ok=True)
    made = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    try:
        (made / WEIGHTS).write_bytes(to_bytes(arrays))
        (made / CONFIG).write_text(json.dumps({**stated(arrays), "config": config}, indent=2) + "\n", "utf-8")
        (made / CARD).write_text(card, "utf-8")
        made.chmod(0o755)
        _replace(made, target)
    finally:
        shutil.rmtree(made, ignore_errors=True)


def given(network: Any, *, paper_policy: bool) -> Network | Estimator:
    """The network that a controller was given, or the shipped one that suits its policy.

    Raises:
        TypeError: no network.
    """
    from arc.network.estimator import Estimator
    from arc.network.network import Network

    if network is None:
        return load(paper() if paper_policy else None)
    if not isinstance(network, Network | Estimator):
        raise TypeError(f"got network={network!r:.60}, need an arc.Network (a directory: from_pretrained)")
    return network


def paper() -> Path:
    """The directory of the shipped network by the paper's recipe, which sees losses alone."""
    return PRETRAINED / "paper" if (PRETRAINED / "paper").is_dir() else PRETRAINED


def load(path: str | Path | None = None) -> Network | Estimator:
    """The network of a controller directory (the shipped one by default), in evaluation mode on the CPU.

    Raises:
        WeightsError: a file is missing, damaged, of another format or of an unknown version.
    """
    network = network_of(load_arrays(path))
    config, card = read_config(path).get("config"), (PRETRAINED if path is None else Path(path)) / CARD
    if isinstance(config, dict) and card.is_file():
        network.about = config, card.read_text("utf-8")
    return network


def load_losses(path: str | Path | None = None) -> Network:
    """A network that sees losses alone, by default the shipped one of the paper's recipe; as :func:`load`."""
    return losses_only(load(paper() if path is None else path), str(path))


def losses_only(network: Network | Estimator, where: str) -> Network:
    """The network, or WeightsError if it is one that sees movement."""
    from arc.network.network import Network

    if not isinstance(network, Network):
        raise WeightsError(f"{where} holds a network that sees movement, need one that sees losses alone")
    return network


def load_arrays(path: str | Path | None = None) -> Arrays:
    """The weights of a controller directory as NumPy arrays (no torch needed); errors as :func:`load`."""
    from safetensors import SafetensorError
    from safetensors.numpy import load as from_bytes

    read_config(path)
    file = _file(path, WEIGHTS)
    try:
        arrays = from_bytes(file.read_bytes())
    except (SafetensorError, ValueError, KeyError) as error:
        raise WeightsError(f"{file} is damaged or no safetensors file: {error}") from error
    check(arrays, str(file))
    return arrays


def read_config(path: str | Path | None = None) -> dict[str, Any]:
    """The config.json of a controller directory, checked; errors as :func:`load`."""
    file = _file(path, CONFIG)
    try:
        found = json.loads(file.read_text("utf-8"))
    except ValueError as error:
        raise WeightsError(f"{file} is damaged: {error}") from error
    if not isinstance(found, dict) or found.get("format") != FORMAT["format"]:
        raise WeightsError(f"{file} describes no ARC controller (format {FORMAT['format']!r})")
    for key, known in (SECOND if found.get("format_version") == 2 else FORMAT).items():
        if found.get(key) != known:
            raise WeightsError(
                f"{file}: got {key}={found.get(key)!r}, this arc knows {known!r}; upgrade arc-lr"
            )
    return found


def read_card(path: str | Path | None = None) -> str:
    """The model card of a controller directory, Markdown; errors as :func:`load`."""
    read_config(path)
    return _file(path, CARD).read_text("utf-8")


def network_of(arrays: Arrays) -> Network | Estimator:
    """The network with these weights, in evaluation mode on the CPU."""
    import torch

    from arc.network.estimator import Estimator
    from arc.network.network import Network

    with torch.device("meta"):  # no weights are drawn, so the global random state stays as it is
        network: Network | Estimator = Estimator() if "centre" in arrays else Network()
    # on the CPU in float32, whatever the user's defaults are
    network.load_state_dict({k: torch.from_numpy(v.copy()) for k, v in arrays.items()}, assign=True)
    return network.eval().requires_grad_(False)


def _file(path: str | Path | None, name: str) -> Path:
    folder = PRETRAINED if path is None else Path(path)
    file = folder / name
    if file.is_file():
        return file
    remedy = (
        "check the path" if path is not None else "run `make demo`, or load your own with from_pretrained"
    )
    raise WeightsError(f"no {name} in {folder}, a controller directory has one; {remedy}")


def _replace(made: Path, target: Path) -> None:
    old = made.with_name(made.name + "-old")
    if target.exists():
        target.rename(old)
    made.rename(target)
    shutil.rmtree(old, ignore_errors=True)
