"""No synchronisation, little to import, and AMP as the documentation shows it."""

import subprocess
import sys
from typing import Any

import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

import arc
from arc.history.losses import CAPACITY, LossBuffer


class _Operators(TorchDispatchMode):
    """The names of everything that torch is asked to do."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.names.add(func.overloadpacket.__name__)
        return func(*args, **(kwargs or {}))


def test_nothing_is_read_back_from_a_device() -> None:
    buffer = LossBuffer(read_host=False)  # the host's tensors stand for a device's
    loss = torch.tensor(1.0, requires_grad=True) * 2
    with _Operators() as seen:
        for _ in range(3 * CAPACITY):
            buffer.add(loss)
    assert "copy_" in seen.names
    assert not seen.names & {"_local_scalar_dense", "item", "_to_copy", "nonzero", "is_nonzero", "equal"}


def test_steps_that_amp_skips_are_left_out_by_the_documented_loop(network: arc.Network) -> None:
    weight = nn.Parameter(torch.ones(1))
    sgd = torch.optim.SGD([weight], lr=0.1)
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**10)
    controller = arc.Controller(sgd, network=network, period=1)
    for step in range(4):
        loss = (weight * (float("inf") if step == 1 else 1.0)).sum()
        sgd.zero_grad()
        scaler.scale(loss).backward()
        scaler.step(sgd)
        scale = scaler.get_scale()
        scaler.update()
        if scaler.get_scale() >= scale:
            controller.record(loss)
    assert len(controller._run.history.losses) == 3
    decision = controller.step()
    assert decision is not None and "not finite" not in decision.reason


def test_a_compiled_tensor_lr_optimizer_sees_the_new_lr(network: arc.Network) -> None:
    lr = torch.tensor(0.5)
    weight = nn.Parameter(torch.ones(1))
    sgd = torch.optim.SGD([weight], lr=lr)
    controller = arc.Controller(sgd, network=network, policy="paper", period=1)
    controller.record(float("nan"))
    controller.step()
    weight.grad = torch.ones(1)
    sgd.step()
    torch.testing.assert_close(weight.detach(), torch.tensor([1.0 - 0.5 * 0.618]))


def test_importing_arc_and_its_controller_brings_nothing_beside_torch() -> None:
    code = (
        "import sys, torch; before = set(sys.modules); import arc; arc.Controller;"
        "print(*{name.split('.')[0] for name in set(sys.modules) - before})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) - sys.stdlib_module_names <= {"arc", "numpy"}
