"""The learning-rate methods of the literature, each usable alone on any torch run.

Example:
    >>> from arc.methods import AutoDrop, TorchRun
    >>> from torch import nn, optim, ones
    >>> model = nn.Linear(2, 1)
    >>> optimizer = optim.SGD(model.parameters(), lr=0.1)
    >>> batches = [ones(4, 2), ones(4, 2)]
    >>> run = TorchRun(model, optimizer, lambda model, batch: model(batch).square().mean(), batches)
    >>> for losses in AutoDrop().drive(run, steps=6):
    ...     print(f"epoch of {len(losses)} steps")
    epoch of 2 steps
    epoch of 2 steps
    epoch of 2 steps
"""

from arc.methods.autodrop import AutoDrop
from arc.methods.autolr import AutoLR
from arc.methods.autolrs import AutoLRS
from arc.methods.line_search import LineSearch
from arc.methods.method import Method
from arc.methods.one_cycle import OneCycle
from arc.methods.run import Cost, Run
from arc.methods.schedule import Constant, Schedule
from arc.methods.step_sampling import StepSampling
from arc.methods.torch_run import TorchRun

__all__ = [
    "AutoDrop",
    "AutoLR",
    "AutoLRS",
    "Constant",
    "Cost",
    "LineSearch",
    "Method",
    "OneCycle",
    "Run",
    "Schedule",
    "StepSampling",
    "TorchRun",
]
