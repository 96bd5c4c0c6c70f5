"""The zoo's newer data: formal text, source text, wrong labels, and nets that start trained."""

import re

import numpy as np
import pytest
import torch

from tasks import registry
from tasks.base import Source, Splits, TaskError
from tasks.data import pendulum, source_text
from tasks.data.arithmetic import CHARACTERS, arithmetic
from tasks.data.label_noise import noisy
from tasks.data.plain_digits import plain_digits
from tasks.loop import TaskRun
from tasks.other.dev_overfit_table import tumours

OWN = (
    "arithmetic_gpt",
    "digits_centernet",
    "digits_retinanet",
    "finetune_source",
    "finetune_textures",
    "letters_vit",
    "noisy_digits_cnn",
    "pendulum_mlp",
)
TRUE = {
    "+": lambda a, b, c: a + b == c,
    "-": lambda a, b, c: a - b == c,
    "%": lambda a, b, c: a % b == c,
}


def statements(rows: torch.Tensor) -> set[str]:
    """The whole statements of every row; its first and its last may be cut."""
    texts = ("".join(CHARACTERS[i] for i in row) for row in rows.tolist())
    return {s for text in texts for s in text.split(" ")[1:-1]}


def test_statements_are_true_and_no_split_has_anothers():
    data = arithmetic(rows=60, held_out=60, length=40, span=80, largest=20)
    found = [statements(split["text"]) for split in data]
    for statement in set.union(*found):
        a, sign, b, result = re.fullmatch(r"(\d+)([-+%<>=])(\d+)(?:=(-?\d+))?", statement).groups()
        a, b = int(a), int(b)
        if result is None:
            assert sign == ("<" if a < b else ">" if a > b else "=")
        else:
            assert TRUE[sign](a, b, int(result)), statement
    train, val, test = found
    assert min(map(len, found)) > 50
    assert not (train & val or train & test or val & test)


def test_source_is_ascii_and_labels_are_balanced():
    data = source_text.labelled(("email", "http"), rows=80, held_out=40, length=10, span=20, words=50)
    assert data.train["text"].shape == (80, 20) and data.val["text"].shape[1] == 10
    assert data.train["label"].bincount().tolist() == [40, 40]
    assert int(data.train["text"].min()) >= 0 and int(data.train["text"].max()) < 50
    running = source_text.running("logging", rows=40, held_out=20, length=30)
    assert set(running.train) == {"text"} and running.train["text"].shape == (40, 31)
    assert int(running.train["text"].max()) < source_text.CHARACTERS


def test_rows_longer_than_a_part_of_a_package_are_refused():
    with pytest.raises(TaskError, match="need at most"):
        source_text.running("json", rows=4, held_out=4, length=10**5)


def test_about_the_share_of_labels_is_wrong_and_nothing_else_changes():
    labels = torch.arange(5000) % 10
    clean = Splits(*({"x": labels.float(), "label": labels} for _ in range(3)))
    for split in noisy(clean, share=0.3, classes=10):
        assert (split["label"] != labels).float().mean().item() == pytest.approx(0.27, abs=0.03)
        assert torch.equal(split["x"], labels.float())
    assert torch.equal(noisy(clean, share=0.0, classes=10).train["label"], labels)


def test_a_double_pendulum_keeps_its_energy_and_its_rods():
    state = np.concatenate([np.linspace(-1.5, 1.5, 10).reshape(2, 5), np.full((2, 5), 2.0)])
    after = state
    for _ in range(100):
        after = pendulum._stepped(after)

    def energy(state):
        speeds = state[2] * np.stack([np.cos(state[0]), np.sin(state[0])])
        tips = speeds + state[3] * np.stack([np.cos(state[1]), np.sin(state[1])])
        return ((speeds**2 + tips**2).sum(0)) / 2 + pendulum.GRAVITY * pendulum._masses(state)[[1, 3]].sum(0)

    assert np.abs(after - state).max() > 0.5
    assert energy(after) == pytest.approx(energy(state), rel=1e-5)
    drawn = pendulum.swings(np.random.default_rng(0), 500, seconds=0.3, noise=0.0)
    assert np.abs(drawn["x"][:, :2] ** 2 + drawn["x"][:, 2:4] ** 2 - 1).max() < 1e-6
    assert 0.1 < np.abs(drawn["y"]).mean() < 1 and np.abs(drawn["y"][:, 0]).max() < 2


def test_grey_digits_reach_the_anchors_in_three_equal_channels():
    image = registry.get("digits_retinanet").load(Source()).val["image"]
    assert image.shape[1] == 3 and torch.equal(image[:, 0], image[:, 2])


def test_more_rows_than_there_are_are_refused():
    with pytest.raises(TaskError, match="1797"):
        plain_digits((1500, 200, 200), 8)
    with pytest.raises(TaskError, match="multiple of 8"):
        plain_digits((10, 10, 10), 12)
    with pytest.raises(TaskError, match="569"):
        tumours((500, 50, 50))


@pytest.mark.parametrize("name", OWN)
def test_other_data_is_refused(name, tmp_path):
    with pytest.raises(TaskError, match="data=embedded"):
        registry.get(name).load(Source(kind="local", path=str(tmp_path)))


@pytest.mark.parametrize("name", ["finetune_source", "finetune_textures"])
def test_two_fine_tunings_share_all_but_the_head(name):
    states = []
    for seed in (0, 1):
        torch.manual_seed(seed)
        states.append(registry.get(name).build().state_dict())
    differ = {k for k in states[0] if not torch.equal(states[0][k], states[1][k])}
    assert differ and all(k.startswith("head") for k in differ)


@pytest.mark.parametrize(
    ("name", "optimizer", "lr"),
    [
        ("dev_overfit_gru", "momentum", 0.3),
        ("dev_overfit_table", "momentum", 0.03),
        ("noisy_digits_cnn", "momentum", 0.03),
        ("overfit_conv", "momentum", 0.1),
    ],
)
def test_the_lr_that_trains_fastest_overfits(name, optimizer, lr):
    task = registry.get(name)
    run = TaskRun(task, task.load(Source()), optimizer=optimizer, lr=lr, seed=0)
    losses = [run.evaluate().loss]
    for _ in range(30):
        run.train(run.steps_per_epoch)
        losses.append(run.evaluate().loss)
    assert losses.index(min(losses)) < 20
    assert losses[-1] > 1.15 * min(losses)
