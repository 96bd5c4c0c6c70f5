"""The modules that hold an optimizer's parameters, found among the living ones."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from torch import nn

from arc.living import living
from arc.torch_private import children_of, parameters_of


def holder(parameters: Iterable[Any]) -> nn.Module | None:
    """The outermost module that holds these parameters, whose buffers are then known without ``model=``.

    torch keeps no way from a parameter to its module: all modules are looked through, once in a training.

    Returns:
        None where no module holds one of them; a list of modules where several outermost ones do (a GAN's
        two nets), in the order of the parameters.

    Example:
        >>> net = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
        >>> holder(net.parameters()) is net
        True
        >>> holder([nn.Parameter()]) is None
        True
    """
    place = {id(p): i for i, p in enumerate(parameters)}
    modules = living(nn.Module)
    found = {id(m): m for m in modules if any(id(p) in place for p in parameters_of(m).values())}
    parents: dict[int, list[nn.Module]] = {}
    for module in modules:
        for child in children_of(module).values():
            parents.setdefault(id(child), []).append(module)
    grown = list(found.values())
    while grown:
        above = [parent for module in grown for parent in parents.get(id(module), ())]
        grown = [module for module in above if id(module) not in found]
        found |= {id(module): module for module in grown}
    outermost = [module for key, module in found.items() if key not in parents] or list(found.values())
    outermost.sort(key=lambda m: min((place.get(id(p), len(place)) for p in m.parameters()), default=0))
    return nn.ModuleList(outermost) if len(outermost) > 1 else next(iter(outermost), None)
