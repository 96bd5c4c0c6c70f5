"""What the ranks of a distributed run agree on while a method searches."""

from __future__ import annotations

import torch
import torch.distributed as dist


def mean_over_ranks(value: float) -> float:
    """The mean of the ranks' values, the same on every rank; ``value`` itself outside torch.distributed.

    Every rank has to call it equally often. What is not finite on one rank is not on all.
    """
    if not (dist.is_available() and dist.is_initialized()) or dist.get_world_size() == 1:
        return float(value)
    cuda = "nccl" in str(dist.get_backend())
    device = torch.device("cuda", torch.cuda.current_device()) if cuda else torch.device("cpu")
    total = torch.tensor(float(value), dtype=torch.float64, device=device)
    dist.all_reduce(total)
    return float(total) / dist.get_world_size()
