"""TRL's ``SFTTrainer`` on a LoRA model, tiny and from a config; skipped where TRL is not installed."""

from pathlib import Path
from typing import Any

import pytest
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast, set_seed

import arc
from arc.integrations.transformers import ARCCallback
from tests.arc.conftest import Answering
from tests.arc.integrations.trainer import QUIET

datasets: Any = pytest.importorskip("datasets")
peft: Any = pytest.importorskip("peft")
trl: Any = pytest.importorskip("trl")

WORDS = [f"w{i}" for i in range(30)]


def _trainer(folder: Path, callback: ARCCallback) -> Any:
    vocabulary = {word: i for i, word in enumerate(["<pad>", "<eos>", *WORDS])}
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=Tokenizer(WordLevel(vocabulary)), pad_token="<pad>", eos_token="<eos>"
    )
    set_seed(0)
    config = LlamaConfig(
        vocab_size=len(vocabulary),
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=2,
        pad_token_id=0,
        eos_token_id=1,
    )
    rows = [{"input_ids": [2 + (start + i) % 30 for i in range(4 + start % 5)]} for start in range(30)]
    data = datasets.Dataset.from_list(rows)
    arguments = trl.SFTConfig(
        output_dir=str(folder),
        max_steps=8,
        eval_steps=2,
        eval_strategy="steps",
        per_device_train_batch_size=2,
        gradient_accumulation_steps=2,
        gradient_checkpointing=False,
        learning_rate=1e-2,
        lr_scheduler_type="constant",
        logging_steps=1,
        bf16=False,
        **QUIET,
    )
    return trl.SFTTrainer(
        LlamaForCausalLM(config),
        arguments,
        train_dataset=data,
        eval_dataset=data,
        processing_class=tokenizer,
        peft_config=peft.LoraConfig(r=2, target_modules=["q_proj", "v_proj"], task_type="CAUSAL_LM"),
        callbacks=[callback],
    )


def test_lora_under_the_sft_trainer(answering: Answering, tmp_path: Path) -> None:
    callback = ARCCallback(network=answering(arc.Action.RAISE), policy=arc.Policy(), period=2)
    trainer = _trainer(tmp_path, callback)
    trainer.train()
    controller = callback.controller
    assert controller.settings.total_calls == 4
    assert trainer.optimizer.param_groups[0]["lr"] == controller.decisions[-1].lr_after[0]
    assert controller.decisions[0].lr_after[0] == pytest.approx(1e-2 * 1.618)
    logged = [row["loss"] for row in trainer.state.log_history if "loss" in row]
    means = [(a + b) / 2 for a, b in zip(logged[::2], logged[1::2], strict=True)]
    assert [entry.train_loss for entry in controller._log] == pytest.approx(means, rel=1e-3)  # logged rounded
    assert all(entry.val_loss is not None for entry in controller._log)
