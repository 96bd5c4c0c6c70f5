"""Controller directories on the Hugging Face hub (``pip install 'arc-lr[hub]'``)."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from types import ModuleType
from typing import Final

from arc.network.weights import CARD, CONFIG, WEIGHTS, WeightsError

FILES: Final = (WEIGHTS, CONFIG, CARD)
NAME: Final = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*")
"""What may be a repository: ``owner/name``."""
REMEDY: Final = "needs huggingface_hub: pip install 'arc-lr[hub]'"


def folder(source: str | Path, *, revision: str | None = None) -> Path:
    """A controller directory: ``source`` itself, or the hub's repository of that name, fetched once.

    Only a string ``owner/name`` that is no directory here is looked for on the hub; a ``Path`` never is.

    Args:
        source: a directory, or the name of a repository.
        revision: branch, tag or commit of the repository.

    Raises:
        WeightsError: there is no such directory and no such repository, or the hub cannot be reached.
    """
    if not isinstance(source, str) or Path(source).is_dir() or not NAME.fullmatch(source):
        if revision is not None:
            raise WeightsError(f"got revision={revision!r} for {str(source)!r}, need owner/name on the hub")
        return Path(source)
    try:
        found = _package().snapshot_download(source, revision=revision, allow_patterns=[*FILES])
    except ImportError as error:
        raise WeightsError(f"no directory {source}; if it is a repository of the hub: {error}") from error
    except (OSError, ValueError) as error:
        raise WeightsError(f"no directory {source}, and none on the hub: {error}") from error
    return Path(found)


def push(directory: Path, name: str, *, private: bool, message: str) -> str:
    """Put a controller directory into the repository ``owner/name``, which is made if need be.

    Returns:
        The address of the commit.

    Raises:
        ValueError: no ``owner/name``.
        ImportError: without huggingface_hub; it raises its own errors, such as one for a missing login.
    """
    if not NAME.fullmatch(name):
        raise ValueError(f"got name={name!r}, need owner/name")

    class Shared(_package().ModelHubMixin):  # type: ignore[misc]  # made here: arc does without the package
        def _save_pretrained(self, save_directory: Path) -> None:
            for file in FILES:
                shutil.copy2(directory / file, save_directory / file)

    return str(Shared().push_to_hub(name, private=private, commit_message=message))


def _package() -> ModuleType:
    try:
        import huggingface_hub
    except ImportError as error:
        raise ImportError(f"the hub {REMEDY}") from error
    return huggingface_hub
