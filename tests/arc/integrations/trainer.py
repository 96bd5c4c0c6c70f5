"""What the tests of the Hugging Face Trainer share."""

from pathlib import Path
from typing import Any

from transformers import TrainingArguments

QUIET: dict[str, Any] = {"save_strategy": "no", "report_to": [], "disable_tqdm": True, "use_cpu": True}


def arguments(folder: Path, **settings: Any) -> TrainingArguments:
    """Of a Trainer that evaluates after every epoch, logs nothing and leaves the LR alone."""
    plain = {"lr_scheduler_type": "constant", "eval_strategy": "epoch", "logging_strategy": "no"}
    return TrainingArguments(**{"output_dir": str(folder), **QUIET, **plain, **settings})
