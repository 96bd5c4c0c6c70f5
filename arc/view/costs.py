"""What a controller costs a training, as ``python -m arc info`` tells it."""

from typing import Final

COSTS: Final = """## What it costs

Of a call of step(), by the parameters that are trained (float32, AdamW, on the host):

| parameters                                   |    1 M |   10 M |  100 M |
|----------------------------------------------|-------:|-------:|-------:|
| how the weights moved                        |   2 ms |  12 ms | 130 ms |
| a copy of weights and optimizer state        |   2 ms |  15 ms | 150 ms |
| host memory for two copies                   |  24 MB | 240 MB | 2.4 GB |

The copies are for the way back; rollback=False keeps none. A decision takes 0.9 ms, a record 0.3 us for a
number and 1.5 us for a tensor on a device, which nothing waits for; the network and its history 1 MB.
Measured in CPU time on one core of an AMD EPYC that did other work, 28 November 2026:
python -m benchmarks.controller, python -m benchmarks.rescue. Not yet measured on a GPU.
"""
