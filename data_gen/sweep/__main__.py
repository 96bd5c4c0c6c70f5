"""``python -m data_gen.sweep``: settings of tasks at many LRs to Parquet."""

import sys

from data_gen.sweep.stage import SweepConfig, sweep
from tasks.work import cli

if __name__ == "__main__":
    sys.exit(cli.main("data_gen.sweep", SweepConfig, sweep))
