"""``arc`` stands alone: torch, NumPy and safetensors on import, others only on use, the pipeline never."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import arc

FOLDER = Path(arc.__file__).parent
FILES = sorted(FOLDER.rglob("*.py"))
ON_IMPORT = {"arc", "torch", "numpy", "safetensors", *sys.stdlib_module_names}
ON_USE = {"matplotlib", "sklearn", "scipy", "h5py", "onnx", "tensorboard", "huggingface_hub"}
FRAMEWORKS = {"lightning", "transformers", "keras"}
PIPELINE = {"tasks", "data_gen", "training", "proxy_eval", "benchmarks", "tests"}


def _imported(nodes: Iterator[ast.AST]) -> set[str]:
    names: set[str] = set()
    for node in nodes:
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            names.add((node.module or "").split(".")[0])
    return names


def _on_import(node: ast.AST) -> Iterator[ast.AST]:
    """What runs when the module is imported: no function bodies, nothing for type checkers only."""
    for child in ast.iter_child_nodes(node):
        typing_only = isinstance(child, ast.If) and "TYPE_CHECKING" in ast.dump(child.test)
        if not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef) and not typing_only:
            yield child
            yield from _on_import(child)


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(FOLDER)))
def test_a_module_imports_only_what_is_always_there(file: Path) -> None:
    tree = ast.parse(file.read_text())
    allowed = ON_IMPORT | (FRAMEWORKS if file.parent.name == "integrations" else set())
    assert _imported(_on_import(tree)) <= allowed
    assert _imported(ast.walk(tree)) <= allowed | ON_USE
    assert not _imported(ast.walk(tree)) & PIPELINE
