"""``python -m data_gen``: trial runs to Parquet."""

import sys

from data_gen.generate import GenerateConfig, generate
from tasks.work import cli

if __name__ == "__main__":
    sys.exit(cli.main("data_gen", GenerateConfig, generate))
