"""``python -m training``: labelled samples to candidate networks."""

import sys

from tasks.work import cli
from training.candidates import train
from training.config import TrainingConfig

if __name__ == "__main__":
    sys.exit(cli.main("training", TrainingConfig, train))
