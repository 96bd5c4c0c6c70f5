"""Hydra's options that the stages know: a folder of own experiments, and sweeps."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from pathlib import Path

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException

from tasks.errors import InputError

OPTIONS = """       --config-dir DIR    experiment=NAME is also looked for as DIR/experiment/NAME.yaml
       --multirun, -m      one run after the other for each of several values: lr=1e-3,1e-4"""

_FOLDER = "hydra.searchpath=[file://"


def runs(arguments: Sequence[str]) -> list[list[str]]:
    """The overrides of each run that a command line asks for: one, or with ``--multirun`` the product of the
    values. InputError for options that the stages do not have."""
    overrides: list[str] = []
    several = False
    rest = list(arguments)
    while rest:
        word, _, value = (first := rest.pop(0)).partition("=")
        if word in ("--multirun", "-m") and not value:
            several = True
        elif word in ("--config-dir", "-cd"):
            overrides.insert(0, _folder(value or (rest.pop(0) if rest else "")))
        elif word.startswith("-"):
            raise InputError(
                f"got {first!r}, need key=value, --config-dir or --multirun; --help lists the keys"
            )
        else:
            overrides.append(first)
    return _product(overrides) if several else [overrides]


def is_folder(override: str) -> bool:
    """Whether this is what ``--config-dir`` stands for."""
    return override.startswith(_FOLDER)


def _folder(place: str) -> str:
    folder = Path(place).expanduser().resolve()
    if not place or not folder.is_dir():
        raise InputError(f"got --config-dir {place}, need a directory with experiment/<name>.yaml")
    return f"{_FOLDER}{folder}]"


def _product(overrides: Sequence[str]) -> list[list[str]]:
    """Every combination of values that commas separate, or that hydra's range() and choice() give."""
    parser = OverridesParser.create()
    values = []
    for override in overrides:
        try:
            parsed = parser.parse_override(override)
        except HydraException as error:
            raise InputError(str(error).splitlines()[0]) from None
        swept = parsed.is_sweep_override() and not is_folder(override)
        key = parsed.get_key_element()
        values.append([f"{key}={v}" for v in parsed.sweep_string_iterator()] if swept else [override])
    return [list(one) for one in itertools.product(*values)]
