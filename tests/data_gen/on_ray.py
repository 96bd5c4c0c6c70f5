"""Run by test_ray.py: trials on a local Ray, then units that fail; prints the outcome."""

import json
import sys
from dataclasses import asdict

from data_gen.generate import GenerateConfig, generate
from tasks.work import cli, ray_workers
from tests.units import Unit

if __name__ == "__main__":
    mark, *overrides = sys.argv[1:]
    code = cli.main("data_gen", GenerateConfig, generate, ["executor=ray", "workers=2", *overrides])
    units = [
        Unit("works"),
        Unit("raises", "raises"),
        Unit("dies once", "dies once", mark),
        Unit("hangs", "sleeps"),
    ]
    outcome = ray_workers.run_all(units, workers="2", num_cpus=0.5, num_gpus=0, title="test", timeout=1.0)
    print(json.dumps({"code": code} | asdict(outcome)))
