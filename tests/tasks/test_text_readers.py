"""Readers of text, on tiny files in the formats that people download; real files where ARC_DATA has them."""

import os
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch

from tasks import registry
from tasks.base import Source, TaskError
from tasks.data import identifiers, reviews, running, tagged, text
from tasks.metrics.spans import IGNORED, span_f1


def local(path: Path) -> Source:
    return Source(kind="local", path=str(path))


def write_reviews(root: Path, per_folder: int = 20) -> None:
    for split in ("train", "test"):
        for name in ("pos", "neg"):
            folder = root / "aclImdb" / split / name
            folder.mkdir(parents=True)
            for i in range(per_folder):
                (folder / f"{i}_7.txt").write_text(
                    f"A {name} film<br />number {'x' * (i + 1)}, it's {split}."
                )


# -- reviews ----------------------------------------------------------------------------------------


def test_reviews_from_the_folders_of_aclimdb(tmp_path):
    write_reviews(tmp_path)
    train, val, test = reviews.load(local(tmp_path))
    assert [len(split[0]) for split in (train, val, test)] == [36, 4, 40]
    assert train[0][0] == ["a", "neg", "film", "number", "x", "it's", "train"]
    assert all(label == ("pos" in words) for words, label in zip(*test, strict=True))


def test_reviews_from_parquet_of_the_hub(tmp_path):
    table = pa.table({"text": [f"word{'y' * i} good" for i in range(20)], "label": [0, 1] * 10})
    for split in ("train", "test"):
        pq.write_table(table, tmp_path / f"{split}-00000-of-00001.parquet")
    train, val, test = reviews.load(local(tmp_path))
    assert (len(train[1]), len(val[1]), len(test[1])) == (18, 2, 20)


def test_missing_and_damaged_reviews_are_named(tmp_path):
    with pytest.raises(TaskError, match=r"no directory .*nowhere.*aclImdb_v1\.tar\.gz"):
        reviews.load(local(tmp_path / "nowhere"))
    with pytest.raises(TaskError, match=r"no text files in .*train/neg"):
        reviews.load(local(tmp_path))
    (tmp_path / "train.parquet").write_bytes(b"no parquet")
    with pytest.raises(TaskError, match=r"train\.parquet is damaged, expected columns text and label"):
        reviews.load(local(tmp_path))
    pq.write_table(pa.table({"text": ["a"], "label": [7]}), tmp_path / "train.parquet")
    with pytest.raises(TaskError, match=r"got the label 7 .*need 0 and 1"):
        reviews.load(local(tmp_path))


def test_reviews_train_a_network(tmp_path):
    write_reviews(tmp_path)
    data = registry.get("imdb_lstm").load(local(tmp_path))
    assert data.train["text"].shape == (36, 96) and data.val["text"].shape[1] == 20
    # Padded in front, so that the last position holds the last word.
    assert (data.train["text"][:, 0] == text.PADDING).all()
    assert (data.train["text"][:, -1] != text.PADDING).all()


# -- running text -----------------------------------------------------------------------------------


def test_one_file_is_cut_in_three(tmp_path):
    (tmp_path / "input.txt").write_text("".join(chr(97 + i % 26) for i in range(1000)))
    train, val, test = running.load(local(tmp_path), "here")
    assert (len(train), len(val), len(test)) == (810, 90, 100)
    assert train + val + test == (tmp_path / "input.txt").read_text()


def test_files_belong_to_the_split_in_their_name(tmp_path):
    for split in ("train", "valid", "test"):
        (tmp_path / f"ptb.{split}.txt").write_text(f"the {split} text")
    assert running.load(local(tmp_path), "here") == ("the train text", "the valid text", "the test text")


def test_the_validation_file_stands_in_for_a_missing_training_file(tmp_path):
    (tmp_path / "valid.txt").write_text("0123456789" * 10)
    (tmp_path / "test.txt").write_text("the test text")
    train, val, test = running.load(local(tmp_path), "here")
    assert (len(train), len(val), test) == (90, 10, "the test text")


def test_text_that_is_not_there_is_named_with_its_place(tmp_path):
    with pytest.raises(TaskError, match=r"no .txt or .tokens file in .*expected here"):
        running.load(local(tmp_path), "here")
    with pytest.raises(TaskError, match="download here and pass data=local"):
        running.load(Source(kind="hub"), "here")
    (tmp_path / "a.txt").write_bytes(b"\xff\xfe\xfa")
    with pytest.raises(TaskError, match=r"a\.txt is damaged, expected UTF-8"):
        running.load(local(tmp_path), "here")


# -- tagged text ------------------------------------------------------------------------------------

BIO = "O\twhat\nO\tfilms\nB-ACTOR\ttom\nI-ACTOR\thanks\n\nB-YEAR\t1994\nO\tfilms\n\n"
CONLL = "-DOCSTART- O\n\nUK I-LOC\npost O\n\nKilling I-ORG\nJoke I-ORG\n"


def test_bio_files_have_the_tag_first_and_conll_files_last(tmp_path):
    (tmp_path / "engtrain.bio").write_text(BIO)
    (tmp_path / "x.conll").write_text(CONLL)
    assert tagged.read(tmp_path / "engtrain.bio")[0] == (
        ["what", "films", "tom", "hanks"],
        ["O", "O", "B-ACTOR", "I-ACTOR"],
    )
    assert tagged.read(tmp_path / "x.conll") == [
        (["UK", "post"], ["I-LOC", "O"]),
        (["Killing", "Joke"], ["I-ORG", "I-ORG"]),
    ]


def test_tagged_splits(tmp_path):
    (tmp_path / "engtrain.bio").write_text(BIO * 20)
    (tmp_path / "engtest.bio").write_text(BIO)
    train, val, test = tagged.load(local(tmp_path))
    assert (len(train), len(val), len(test)) == (36, 4, 2)


def test_bad_tagged_files_are_named(tmp_path):
    with pytest.raises(TaskError, match=r"no tagged sentences in .*engtrain\.bio"):
        tagged.load(local(tmp_path))
    (tmp_path / "train.txt").write_text("one O\ntwo\n")
    with pytest.raises(TaskError, match=r"train\.txt:2 is 'two', expected a word and a tag"):
        tagged.load(local(tmp_path))
    with pytest.raises(TaskError, match=r"has 2 types of span, .* types=1; say settings=\{types: 2\}"):
        tagged.tag_ids([([], ["B-A", "I-B", "O"])], types=1)


def test_labels_sit_at_the_first_piece_of_a_word():
    sentence = (["tom", "hanks"], ["B-ACTOR", "I-ACTOR"])
    ids = tagged.tag_ids([sentence], types=3)
    made = tagged.tensors([sentence], ids, lambda word: [len(word), 7], length=8, ends=(101, 102))
    assert made["text"].tolist() == [[101, 3, 7, 5, 7, 102, 0, 0]]
    assert made["label"].tolist() == [[IGNORED, 1, IGNORED, 2, IGNORED, IGNORED, IGNORED, IGNORED]]


@pytest.mark.parametrize(
    ("predicted", "f1"),
    [
        ([1, 2, 0, 3], 1.0),
        ([1, 2, 0, 0], 2 / 3),  # one of two found
        ([1, 0, 0, 3], 0.5),  # a wrong end
        ([3, 4, 0, 3], 0.5),  # a wrong type
        ([2, 2, 0, 4], 1.0),  # an I- opens a span too
        ([0, 0, 0, 0], 0.0),
        ([1, 1, 0, 3], 0.4),  # two spans instead of one
    ],
)
def test_span_f1(predicted, f1):
    label = torch.tensor([[1, 2, 0, 3], [IGNORED] * 4])
    found = span_f1(torch.tensor([predicted, [1, 2, 1, 1]]), label)
    assert found == pytest.approx(f1)


def test_spans_end_with_their_row():
    label = torch.tensor([[0, 1], [2, 0]])
    assert span_f1(label, label) == 1.0
    assert span_f1(torch.tensor([[0, 1], [0, 0]]), label) == pytest.approx(2 / 3)


def test_identifiers_carry_their_role():
    source = "import os.path as p\ndef f(a, *b):\n    c.d = g.h(a, k=1)\n"
    words, tags = identifiers.tagged(source)
    found = dict(zip(words, tags, strict=True))
    names = ("os", "path", "f", "b", "c", "d", "g", "h", "a", "k", "def", "=")
    assert [found[name] for name in names] == [
        "B-module",
        "I-module",
        "B-definition",
        "B-parameter",
        "B-assigned",
        "I-assigned",
        "B-call",
        "I-call",
        "B-read",
        "B-keyword",
        "O",
        "O",
    ]


# -- networks ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "changes", "count"),
    [
        # Keras's imdb_lstm example, plus torch's second bias
        ("imdb_lstm", {}, 2_691_713 + 4 * 128),
        # TensorFlow's text generation tutorial, whose vocabulary of Shakespeare has 66 ids
        ("shakespeare_gru", {"vocabulary": 66}, 4_022_850),
        # bert-base-uncased without its pooler, and a head for twelve types of span
        ("movie_ner", {}, 109_482_240 - 768 * 769 + 25 * 769),
        ("ptb_lstm", {}, 10_000 * 300 + 4 * 600 * (300 + 600 + 2) + 601 * 10_000),
    ],
)
def test_parameter_counts_at_paper_scale(name, changes, count):
    task = replace(registry.get(name, "paper"), **changes)
    with torch.device("meta"):
        assert sum(p.numel() for p in task.build().parameters()) == count


@pytest.mark.parametrize("name", ["imdb_lstm", "shakespeare_gru", "movie_ner", "ptb_lstm"])
def test_one_step_at_paper_scale(name):
    task = registry.get(name, "paper")
    if name == "movie_ner":  # the published sizes but for the depth, and no download
        task = replace(task, pretrained=None, layers=1)
    length = task.length + (name in ("shakespeare_gru", "ptb_lstm"))
    batch = {"text": torch.randint(2, task.vocabulary, (2, length), dtype=torch.int32)}
    if name == "imdb_lstm":
        batch["label"] = torch.tensor([0.0, 1.0])
    if name == "movie_ner":
        batch["label"] = torch.randint(0, 25, (2, length), dtype=torch.int32)
    model = task.build()
    loss, predictions = task.forward(model, batch)
    loss.backward()
    assert loss.shape == () and len(predictions) == 2
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())


def test_pretrained_weights_that_cannot_be_had_are_named(tmp_path):
    task = replace(registry.get("movie_ner"), pretrained=str(tmp_path))
    with pytest.raises(TaskError, match=r"cannot load the pretrained .*pretrained=None for random weights"):
        task.build()


@pytest.mark.skipif("ARC_DATA" not in os.environ, reason="needs ARC_DATA=<directory of real data>")
@pytest.mark.parametrize(
    ("name", "folder"),
    [
        ("imdb_lstm", "imdb"),
        ("shakespeare_gru", "tiny_shakespeare"),
        ("movie_ner", "wikigold"),
        ("ptb_lstm", "wikitext2"),
    ],
)
def test_real_data_trains(name, folder):
    from tasks.loop import TaskRun

    task = registry.get(name)
    data = task.load(local(Path(os.environ["ARC_DATA"]) / folder))
    run = TaskRun(task, data, optimizer="adam", lr=3e-3, seed=0)
    before = run.evaluate(metric=False).loss
    run.train(60)
    assert run.evaluate(metric=False).loss < before
