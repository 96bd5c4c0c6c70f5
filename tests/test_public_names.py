"""What users type stays there, whatever moves inside: names come onto these lists, and none goes."""

import ast
import importlib
import re
from importlib.util import find_spec
from pathlib import Path

import pytest

from arc.__main__ import main

ROOT = Path(__file__).parents[1]

NAMES = {
    "arc": "Action Controller Decision Network Period Policy advise featurise suggest_lr weights __version__",
    "arc.weights": "PRETRAINED WeightsError import_keras load load_arrays save",
    "arc.methods": "AutoDrop AutoLR AutoLRS Constant Cost LineSearch Method OneCycle Run Schedule "
    "StepSampling TorchRun",
    "arc.methods.run": "Run get_lr set_lr",
    "data_gen.labels": "correct",
}
ADAPTERS = ("keras", "lightning", "transformers")
"""Modules of ``arc.integrations`` with an ``ARCCallback``; importing one needs its framework."""
ARC_COMMANDS = ("info", "replay", "try", "watch")
COMMANDS = (
    "data_gen",
    "data_gen.label",
    "data_gen.pack",
    "data_gen.status",
    "data_gen.sweep",
    "data_gen.sweep.best",
    "proxy_eval",
    "proxy_eval.compare",
    "proxy_eval.pack",
    "proxy_eval.report",
    "tasks.report",
    "training",
    "training.movement",
    "training.study",
)


@pytest.mark.parametrize(("module", "name"), [(m, n) for m, names in NAMES.items() for n in names.split()])
def test_a_name_is_importable_from_where_it_was(module: str, name: str) -> None:
    assert hasattr(importlib.import_module(module), name)


@pytest.mark.parametrize("framework", ADAPTERS)
def test_an_adapter_is_where_it_was(framework: str) -> None:
    tree = ast.parse((ROOT / f"arc/integrations/{framework}.py").read_text())
    assert "ARCCallback" in {node.name for node in tree.body if isinstance(node, ast.ClassDef)}


@pytest.mark.parametrize("command", ARC_COMMANDS)
def test_a_command_of_arc_answers(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])
    assert not ended.value.code
    assert f"arc {command}" in capsys.readouterr().out


@pytest.mark.parametrize("command", COMMANDS)
def test_a_stage_can_be_run(command: str) -> None:
    """As a file that runs when it is the main one; ``tests/tasks/test_cli.py`` runs them."""
    spec = find_spec(command)
    assert spec is not None and spec.origin is not None
    file = Path(spec.origin)
    source = file.with_name("__main__.py") if file.name == "__init__.py" else file
    assert 'if __name__ == "__main__":' in source.read_text()


def test_the_lists_hold_every_command_that_is_documented() -> None:
    listed = re.findall(
        r"^\| `python -m (arc \w+|[\w.]+)", (ROOT / "docs/commands.md").read_text(), re.MULTILINE
    )
    assert {*listed} == {f"arc {c}" for c in ARC_COMMANDS} | {*COMMANDS}
