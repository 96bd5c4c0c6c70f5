"""What the documents' blocks of code are run with: a setup for Python, a check for shell commands."""

from __future__ import annotations

import importlib.util
import os
import re
import runpy
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sybil import Example
from torch import nn

import arc
from arc import __main__ as command_line
from arc.methods import AutoDrop, TorchRun
from arc.network import weights
from tasks.work import cli

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
NO_CHECK = {"export", "cd", "source"}


def examples() -> Any:
    """The module that puts the examples into the pages."""
    spec = importlib.util.spec_from_file_location("docs_examples", ROOT / "docs/examples.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def setup() -> dict[str, Any]:
    """The names that a block may use without making them: a small training, in the usual words."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))
    inputs = torch.randn(64, 4)
    loader = [(x, x[:, :3].argmax(1)) for x in inputs.split(16)]
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)

    def loss_fn(model: nn.Module, batch: Any) -> torch.Tensor:
        return nn.functional.cross_entropy(model(batch[0]), batch[1])

    def validate() -> float:
        with torch.no_grad():
            return float(sum(loss_fn(model, batch) for batch in loader) / len(loader))

    for name in ("runs", "models"):
        shutil.copytree(weights.PRETRAINED, f"{name}/controller")
    run = TorchRun(model, optimizer, loss_fn, loader, validate)
    controller = arc.Controller(optimizer, period=1)
    controller.record(1.0)
    controller.step(val_loss=1.0)
    return {
        "arc": arc,
        "torch": torch,
        "nn": nn,
        "model": model,
        "optimizer": optimizer,
        "loss_fn": loss_fn,
        "loss": loss_fn(model, loader[0]),
        "loader": loader,
        "train_loader": loader,
        "train_batches": loader,
        "validate": validate,
        "val_fn": validate,
        "epochs": 3,
        "steps": 3 * len(loader),
        "scaler": torch.amp.GradScaler(enabled=False),
        "controller": controller,
        "run": run,
        "method": AutoDrop(),
        "train_loss": np.linspace(2, 1, 90),
        "val_loss": np.linspace(2, 1, 9),
        "lr": 0.01,
    }


def shell(example: Example) -> None:
    """Check each command of a shell block: it is spelled as the program understands it."""
    text = str(example.parsed).replace("\\\n", " ")
    for line in text.splitlines():
        for command in re.split(r"&&|;", line.split(" #")[0]):
            words = shlex.split(command.removeprefix("$ "), comments=True)
            if words:
                _check(words)


def _check(words: list[str]) -> None:
    if words[0] == "python" and words[1:2] == ["-m"]:
        _check_module(words[2], words[3:])
    elif words[0] == "python":
        assert (ROOT / words[1]).is_file(), f"no file {words[1]}"
    elif words[0] == "make":
        rules = (ROOT / "Makefile").read_text()
        targets = [word for word in words[1:] if "=" not in word]
        assert all(re.search(rf"^{target}:", rules, re.MULTILINE) for target in targets), words
    elif words[:2] == ["pip", "install"]:
        extras = re.findall(r"\[(.*?)\]", " ".join(words))
        known = PROJECT["optional-dependencies"]
        assert all(extra in known for group in extras for extra in group.split(",")), words
    elif words[:2] == ["git", "clone"] or words[0] in NO_CHECK or shutil.which(words[0], path=_scripts()):
        pass
    else:
        raise AssertionError(f"{shlex.join(words)}: no check for it; add one in {__file__}")


def _scripts() -> str:
    return str(Path(sys.executable).parent)


def _check_module(module: str, arguments: list[str]) -> None:
    if module == "arc":
        command_line._parser().parse_args(arguments)
    elif module in ("build", "pytest"):
        pass
    elif module.startswith("benchmarks."):
        made = [sys.executable, "-m", module, "--help"]
        subprocess.run(
            made, check=True, capture_output=True, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)}
        )
    else:
        _compose(module, arguments)


def _compose(module: str, arguments: list[str]) -> None:
    """Let a stage read its command line, and end there."""
    composed: list[str] = []

    def main(stage: str, schema: type, run: Any, argv: Any = None, **_: Any) -> int:
        if not any(a in ("-h", "--help") for a in arguments):
            cli.parse(stage, schema, arguments)
        composed.append(stage)
        return 0

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cli, "main", main)
        for loaded in (module, f"{module}.__main__"):  # runpy warns of what another test has imported
            patch.delitem(sys.modules, loaded, raising=False)
        with pytest.raises(SystemExit) as ended:
            runpy.run_module(module, run_name="__main__", alter_sys=True)
    assert composed and not ended.value.code, module
