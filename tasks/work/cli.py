"""How every stage reads its command line: hydra overrides in, a frozen dataclass out.

A stage has one YAML file in ``configs/``, in which each key carries its default and a comment with
its meaning and unit; that file is the ``--help``. Hydra ends here: the stage sees its dataclass.
"""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

try:
    from hydra import compose, initialize_config_dir
except ModuleNotFoundError:  # the tasks themselves do without it
    raise ModuleNotFoundError("the stages need hydra: pip install -e '.[pipeline]'") from None
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import ConfigKeyError, OmegaConfBaseException

from arc.network.weights import WeightsError
from tasks.errors import InputError, near_misses
from tasks.work import command_line, interrupts, log

CONFIGS = Path(__file__).resolve().parents[2] / "configs"

T = TypeVar("T")


def main(
    stage: str,
    schema: type[T],
    run: Callable[[T], int | None],
    argv: Sequence[str] | None = None,
    *,
    logged: bool = True,
) -> int:
    """Run a stage from its command line and return its exit code.

    0: done; 1: some units of work failed (the stage said which); 2: bad input, one line on stderr;
    130: interrupted (SIGINT or SIGTERM), what is finished or saved is kept; stderr ends with the command
    that goes on.

    Args:
        stage: name of the YAML file in ``configs/``; dots stand for the module's own.
        schema: the stage's frozen dataclass; its annotations are checked.
        run: the stage.
        argv: overrides such as ``runs=10``, and the options of :mod:`tasks.work.command_line`; those of the
            process by default.
        logged: whether ``<out>.log`` keeps what is said; not for a stage that only reads ``out``,
            or writes documents there.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    if any(a in ("-h", "--help") for a in arguments):
        print(help_text(stage))
        return 0
    try:
        configs = [parse(stage, schema, one) for one in command_line.runs(arguments)]
    except InputError as error:
        print(f"{stage}: {error}", file=sys.stderr)
        return 2
    code = 0
    for config in configs:
        with log.kept(getattr(config, "out", None) if logged else None, stage, arguments):
            try:
                with interrupts.listening():
                    code = max(code, run(config) or 0)
            except (InputError, WeightsError) as error:
                print(f"{stage}: {error}", file=sys.stderr)
                return 2
            except KeyboardInterrupt:
                command = shlex.join(["python", "-m", stage, *arguments])
                print(f"{stage}: interrupted; this goes on from here: {command}", file=sys.stderr)
                return 130
    return code


def help_text(stage: str) -> str:
    """How to call the stage, and its YAML file: every key with its default and its meaning."""
    text = (CONFIGS / f"{stage}.yaml").read_text()
    usage = f"usage: python -m {stage} [key=value ...]      (hydra overrides; defaults below)"
    return f"{usage}\n{command_line.OPTIONS}\n\n{text.strip()}"


def parse(stage: str, schema: type[T], arguments: Sequence[str]) -> T:
    """The stage's configuration from overrides; InputError on unknown keys and wrong types."""
    for argument in arguments:
        if argument.startswith("-") or "=" not in argument:
            raise InputError(f"got {argument!r}, need key=value; --help lists the keys")
        if argument.lstrip("+~").startswith(("hydra.", "hydra/")) and not command_line.is_folder(argument):
            raise InputError(
                f"got {argument}: a stage stays in its working directory and writes where out= says, its "
                "log beside that; hydra's own keys are not for it"
            )
    try:
        with initialize_config_dir(str(CONFIGS), version_base="1.3"):
            composed = compose(stage, overrides=list(arguments))
        typed = OmegaConf.structured(schema)
        OmegaConf.set_readonly(typed, False)  # a frozen dataclass starts read-only
        merged = OmegaConf.merge(typed, composed)
        assert isinstance(merged, DictConfig)
        return _instance(schema, OmegaConf.to_object(merged))
    except HydraException as error:
        raise InputError(_explain(str(error), stage)) from None
    except ConfigKeyError as error:
        raise InputError(_unknown(str(error.key), stage)) from None
    except OmegaConfBaseException as error:
        key = getattr(error, "full_key", None)
        first = str(error).splitlines()[0]
        raise InputError(f"{key}: {first}" if key else first) from None


def _instance(schema: type[T], value: Any) -> T:
    assert isinstance(value, schema)
    return value


def _explain(message: str, stage: str) -> str:
    first = message.splitlines()[0]
    if "Could not override" in first:
        return _unknown(first.split("'")[1], stage)
    return " ".join(line.strip() for line in message.splitlines() if line.strip())


def _unknown(key: str, stage: str) -> str:
    known = [str(k) for k in OmegaConf.load(CONFIGS / f"{stage}.yaml") if k != "defaults"]
    return f"unknown key {key!r}; {near_misses(key, known)}"
