"""Hugging Face Trainer: python examples/transformers_trainer.py [EPOCHS]"""

import sys
import tempfile

import torch
from transformers import BertConfig, BertForSequenceClassification, Trainer, TrainingArguments, set_seed

from arc.integrations.transformers import ARCCallback

set_seed(0)
tokens = torch.randint(1, 50, (600, 12))
rows = [{"input_ids": t, "labels": (7 in t) + (8 in t)} for t in tokens]  # which of two words occur
config = BertConfig(
    vocab_size=50,
    hidden_size=32,
    num_hidden_layers=1,
    num_attention_heads=2,
    intermediate_size=64,
    num_labels=3,
)
epochs = int(sys.argv[1]) if len(sys.argv) > 1 else 30
with tempfile.TemporaryDirectory() as folder:
    arguments = TrainingArguments(
        output_dir=folder,
        num_train_epochs=epochs,
        per_device_train_batch_size=25,
        learning_rate=1e-4,
        lr_scheduler_type="constant",  # the controller is the schedule
        eval_strategy="epoch",
        save_strategy="no",
        report_to=[],
        disable_tqdm=True,
        use_cpu=True,
    )
    model = BertForSequenceClassification(config)
    Trainer(
        model, arguments, train_dataset=rows[:500], eval_dataset=rows[500:], callbacks=[ARCCallback()]
    ).train()
