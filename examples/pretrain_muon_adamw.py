"""A language model under Muon and AdamW, one controller for both.

One pass over the data, an evaluation every so many steps, warmup, clipping, checkpoints. Interrupted, it goes
on when it is started again: python examples/pretrain_muon_adamw.py [STEPS [EVERY]]
"""

import sys
from pathlib import Path
from pydoc_data.topics import topics

import torch
from torch import nn

import arc

steps = int(sys.argv[1]) if len(sys.argv) > 1 else 3000
every = int(sys.argv[2]) if len(sys.argv) > 2 else 100
warmup, batch, context, width = max(1, every // 5), 16, 64, 64
checkpoint = Path("checkpoint.pt")


class GPT(nn.Module):
    def __init__(self, letters: int) -> None:
        super().__init__()
        self.tokens = nn.Embedding(letters, width)
        self.places = nn.Parameter(0.02 * torch.randn(context, width))
        block = nn.TransformerEncoderLayer(
            width, 4, 4 * width, 0.0, "gelu", batch_first=True, norm_first=True
        )
        self.blocks = nn.TransformerEncoder(block, 2, enable_nested_tensor=False)
        self.head = nn.Linear(width, letters)
        self.mask = nn.Transformer.generate_square_subsequent_mask(context)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        found = self.blocks(self.tokens(ids) + self.places, mask=self.mask, is_causal=True)
        return self.head(found)


class Muon(torch.optim.Optimizer):
    """Jordan et al., 2024, its steps scaled to AdamW's (Liu et al., 2025); from 2.9 on torch has it, too."""

    def __init__(self, params, lr: float, momentum: float = 0.95, weight_decay: float = 0.1) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure=None) -> None:
        for group in self.param_groups:
            for p in group["params"]:
                mean = self.state[p].setdefault("momentum_buffer", torch.zeros_like(p))
                update = p.grad.lerp(mean.lerp_(p.grad, 1 - group["momentum"]), group["momentum"])
                tall = p.shape[0] > p.shape[1]
                x = update.T if tall else update
                x = x / x.norm().clamp(min=1e-7)
                for _ in range(5):  # singular values towards 1
                    gram = x @ x.T
                    x = 3.4445 * x + (-4.7750 * gram + 2.0315 * gram @ gram) @ x
                p.mul_(1 - group["lr"] * group["weight_decay"])
                p.sub_((x.T if tall else x) * group["lr"] * 0.2 * max(p.shape) ** 0.5)


torch.manual_seed(0)
text = "\n".join(topics[key] for key in sorted(topics))
alphabet = sorted(set(text))
windows = torch.tensor([alphabet.index(letter) for letter in text]).unfold(0, context + 1, 8)
windows = windows[torch.randperm(len(windows))]
val, train = windows[:200], windows[200:]
assert steps * batch <= len(train), f"got STEPS={steps}, one pass has {len(train) // batch}"

model = GPT(len(alphabet))
hidden = [p for p in model.blocks.parameters() if p.ndim == 2]
others = [p for p in model.parameters() if not any(p is one for one in hidden)]
muon, adamw = Muon(hidden, lr=1e-3), torch.optim.AdamW(others, lr=1e-3)
ramps = [torch.optim.lr_scheduler.LinearLR(one, 0.01, total_iters=warmup) for one in (muon, adamw)]
controller = arc.Controller(
    [muon, adamw], scheduler=ramps, warmup=warmup, total_calls=steps // every, verbose=False
)
parts = {"model": model, "muon": muon, "adamw": adamw, "controller": controller}
parts |= {f"ramp {i}": ramp for i, ramp in enumerate(ramps)}
start = 0
if checkpoint.exists():
    saved = torch.load(checkpoint, weights_only=True)
    start = saved.pop("step")
    for name, state in saved.items():
        parts[name].load_state_dict(state)


def loss_of(rows: torch.Tensor) -> torch.Tensor:
    return nn.functional.cross_entropy(model(rows[:, :-1]).flatten(0, 1), rows[:, 1:].flatten())


for step in range(start, steps):
    loss = loss_of(train[step * batch :][:batch])
    muon.zero_grad()
    adamw.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    muon.step()
    adamw.step()
    for ramp in ramps:
        ramp.step()
    controller.record(loss)
    if (step + 1) % every == 0:
        with torch.no_grad():
            val_loss = loss_of(val)
        decision = controller.step(val_loss=val_loss)
        print(f"step {step + 1}: LR {muon.param_groups[0]['lr']:.2e}, validation loss {val_loss:.4f}")
        if decision:
            print(decision.line(f"step {step + 1}"), file=sys.stderr)
        states = {name: part.state_dict() for name, part in parts.items()}
        torch.save({"step": step + 1, **states}, checkpoint.with_suffix(".tmp"))
        checkpoint.with_suffix(".tmp").replace(checkpoint)
