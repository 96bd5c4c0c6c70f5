"""Which exploration constant AutoLRS' search should have: regret on random noisy curves with a cliff.

``python -m benchmarks.autolrs_kappa`` prints, for several constants, how much worse than the best of the
curve (in parts of its depth) the LR is that ten trials lead to.
"""

from __future__ import annotations

import argparse
import math
from dataclasses import dataclass
from typing import Self

import numpy as np

from arc.methods.proposals import PUBLISHED_KAPPA, best, propose

LR_RANGE = (1e-6, 10.0)
TRIALS = 10


@dataclass(frozen=True, kw_only=True)
class Curve:
    """Loss over log10 LR: a valley in a plain, a rising cliff to its right, divergence a decade later."""

    centre: float
    width: float
    cliff: float
    depth: float
    noise: float

    @classmethod
    def draw(cls, rng: np.random.Generator) -> Self:
        """A random one."""
        centre = rng.uniform(-4.5, -0.5)
        width = rng.uniform(0.5, 1.5)
        cliff = centre + rng.uniform(0.3, 1.2)
        depth = rng.uniform(0.3, 2)
        return cls(centre=centre, width=width, cliff=cliff, depth=depth, noise=rng.uniform(0, 0.03) * depth)

    def exact(self, lr: float) -> float:
        """The loss without noise."""
        x = math.log10(lr)
        valley = 3 - self.depth * math.exp(-(((x - self.centre) / self.width) ** 2))
        return valley + 5 * max(0.0, x - self.cliff) ** 2

    def measured(self, lr: float, rng: np.random.Generator) -> float:
        """The loss of a trial; NaN where it diverges."""
        if math.log10(lr) > self.cliff + 1:
            return math.nan
        return self.exact(lr) + self.noise * float(rng.standard_normal())


def regret(kappa: float, seed: int) -> float:
    """How much worse the found LR is than the curve's best, in parts of the curve's depth."""
    rng = np.random.default_rng(seed)
    curve = Curve.draw(rng)
    tried: dict[float, float] = {}
    for _ in range(TRIALS):
        lr = propose(tried, LR_RANGE, kappa=kappa, seed=seed)
        tried[lr] = curve.measured(lr, rng)
    least = min(curve.exact(float(lr)) for lr in np.geomspace(*LR_RANGE, 2001))
    return (curve.exact(best(tried)) - least) / curve.depth


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--curves", type=int, default=60, help="random curves")
    curves = parser.parse_args().curves
    print(f"{'kappa':>9}{'mean':>8}{'median':>8}{'90 %':>8}   regret over {curves} curves")
    for kappa in (0.5, 1.0, 2.0, 4.0, PUBLISHED_KAPPA):
        values = np.array([regret(kappa, seed) for seed in range(curves)])
        quantiles = f"{np.median(values):>8.3f}{np.quantile(values, 0.9):>8.3f}"
        print(f"{kappa:>9g}{values.mean():>8.3f}{quantiles}", flush=True)


if __name__ == "__main__":
    main()
