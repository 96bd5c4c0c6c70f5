"""Distillation: one network is fitted to what several candidates answer."""

from __future__ import annotations

import hashlib

import torch
from torch import Tensor

from arc.network import weights
from tasks.errors import InputError
from tasks.work import folders, places
from training import fast


def taught(windows: Tensor, teachers: str, device: str) -> Tensor:
    """(2, N, 3): mean probabilities of a directory's candidates, without and with validation losses.

    Source: Hinton et al. (2015), Distilling the Knowledge in a Neural Network; at temperature 1.
    """
    total = torch.zeros(2, len(windows), 3)
    found = candidates(teachers)
    for path in found:
        network = weights.load_losses(folders.here(path)).to(device)
        for seen in (0, 1):
            total[seen] += fast.answers(network, windows, device, seen=float(seen)).softmax(1)
    return total / len(found)


def fingerprint(teachers: str) -> str:
    """A short hash of the candidates' weights in a directory."""
    digest = hashlib.sha256()
    for path in candidates(teachers):
        digest.update(places.read_bytes(places.join(path, weights.WEIGHTS)))
    return digest.hexdigest()[:12]


def candidates(folder: str) -> list[str]:
    """The candidates' directories in a directory, by number; paths or URIs.

    Raises:
        InputError: there are none.
    """
    found = folders.below(folder, holding=weights.CONFIG)
    if not found:
        raise InputError(f"no candidates in {folder!r}; fit some with python -m training")
    return sorted(found, key=lambda path: (len(folders.name(path)), folders.name(path)))
