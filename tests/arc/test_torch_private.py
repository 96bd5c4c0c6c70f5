"""What is used of torch without its promise does what it did, and is used through one file."""

import ast
import copy
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.utils.data import RandomSampler

import arc
from arc import torch_private

ROOT = Path(arc.__file__).parent.parent
HOME = Path(torch_private.__file__)
ROOMS = ("arc", "tasks", "data_gen", "training", "proxy_eval", "benchmarks")
OF_MODULES = {name for name in vars(nn.Module()) if name.startswith("_")}
NOT_OF_TORCH = {"_asdict", "_fields", "_replace", "_getframe", "_generate_state_key", "_learning_rate"}
"""Private names of Python's, Lightning's and Keras' that are used."""


def _trees(room: str) -> dict[Path, ast.Module]:
    return {file: ast.parse(file.read_text()) for file in sorted((ROOT / room).rglob("*.py"))}


def _made(tree: ast.AST) -> Iterator[str]:
    """Names that are given here to functions, classes, variables and attributes."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Name | ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.id if isinstance(node, ast.Name) else node.attr


def _private(tree: ast.AST, ours: set[str]) -> set[str]:
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "torch":
            found |= {a.name for a in node.names if a.name.startswith("_")}
            found |= {part for part in (node.module or "").split(".") if part.startswith("_")}
        elif isinstance(node, ast.Attribute) and node.attr.startswith("_") and node.attr[1:2] != "_":
            own = node.attr in OF_MODULES and ast.unparse(node.value) == "self"  # of a class that is none
            found |= set() if own else {node.attr} - ours
    return found


def test_private_names_of_torch_are_in_one_file() -> None:
    trees = {file: tree for room in ROOMS for file, tree in _trees(room).items()}
    ours = {name for tree in trees.values() for name in _made(tree)} | NOT_OF_TORCH
    ours -= OF_MODULES
    others = {str(f.relative_to(ROOT)): _private(tree, ours) for f, tree in trees.items() if f != HOME}
    assert {file: names for file, names in others.items() if names} == {}


def test_every_batch_norm_is_one() -> None:
    kinds = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm)
    assert all(issubclass(kind, torch_private.BatchNorm) for kind in kinds)


@pytest.mark.parametrize(
    ("kernel", "optimizer"),
    [(torch_private.fused_adam, torch.optim.Adam), (torch_private.fused_adamw, torch.optim.AdamW)],
)
def test_the_kernels_are_their_optimizers(kernel, optimizer) -> None:
    theirs = [nn.Parameter(torch.tensor([1.0, -2.0])), nn.Parameter(torch.tensor([3.0]))]
    ours = [p.detach().clone() for p in theirs]
    gradients = [torch.tensor([0.5, 0.25]), torch.tensor([-1.0])]
    averages, squares = ([torch.zeros_like(p) for p in ours] for _ in range(2))
    steps = [torch.tensor(0.0) for _ in ours]
    reference = optimizer(theirs, lr=0.1, weight_decay=0.01, fused=True)
    for _ in range(3):
        for parameter, gradient in zip(theirs, gradients, strict=True):
            parameter.grad = gradient.clone()
        reference.step()
        torch_private.add_to_each(steps, 1)
        numbers = {"lr": 0.1, "beta1": 0.9, "beta2": 0.999, "weight_decay": 0.01, "eps": 1e-8}
        kernel(ours, gradients, averages, squares, [], steps, **numbers, amsgrad=False, maximize=False)
    assert all(torch.equal(a, b) for a, b in zip(ours, theirs, strict=True))


def test_a_change_in_place_counts() -> None:
    tensor = torch.zeros(2)
    before = torch_private.changes(tensor)
    tensor.add_(1)
    tensor[0] = 3
    assert torch_private.changes(tensor) == before + 2


def test_a_modules_own_parts() -> None:
    layer = nn.Linear(2, 3, bias=False)
    assert torch_private.parameters_of(layer) == {"weight": layer.weight, "bias": None}
    assert set(torch_private.buffers_of(nn.BatchNorm1d(2))) == {
        "running_mean",
        "running_var",
        "num_batches_tracked",
    }
    net = nn.Sequential(layer, nn.ReLU())
    assert list(torch_private.children_of(net).values()) == list(net.children())


def test_a_copy_with_parts_of_its_own_leaves_the_original_alone() -> None:
    net = nn.Sequential(nn.Identity())
    copied = torch_private.with_own_parts(copy.copy(net), {"0": nn.ReLU()})
    copied.register_forward_hook(lambda module, args, output: output + 1)
    copied.register_forward_pre_hook(lambda module, args: (args[0] - 1,))
    x = torch.tensor([-1.0, 2.0])
    assert net(x).tolist() == [-1.0, 2.0]
    assert copied(x).tolist() == [1.0, 2.0]


def test_a_sampler_that_draws_another_number_is_known() -> None:
    assert not torch_private.draws_some(RandomSampler([1, 2, 3]))
    assert torch_private.draws_some(RandomSampler([1, 2, 3], num_samples=2))


def test_a_summary_writer_writes_to_its_own_run(tmp_path: Path) -> None:
    from torch.utils.tensorboard import SummaryWriter

    writer = SummaryWriter(str(tmp_path))
    assert callable(torch_private.file_writer(writer).add_summary)
    writer.close()
    assert torch_private.file_writer(object()) is None
