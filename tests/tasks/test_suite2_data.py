"""Made-up data of the second suite: what its settings do."""

import numpy as np
import pytest

from tasks.data import molecules, solids


@pytest.mark.parametrize("groups", ["first", "second"])
def test_a_formula_holds_the_group_that_is_its_class(groups):
    rng = np.random.default_rng(0)
    found = molecules.strings(rng, 50, groups=groups, length=32, misread=0.0)
    for row, label in zip(found["text"], found["label"], strict=True):
        text = "".join(molecules.ALPHABET[i] for i in row)
        assert molecules.GROUPS[groups][label] in text


def test_misread_characters_leave_the_rest_and_the_padding():
    kind = {"groups": "second", "length": 32}
    right, read = (
        molecules.strings(np.random.default_rng(0), 400, misread=share, **kind) for share in (0.0, 0.15)
    )
    written = right["text"] > 0
    assert np.array_equal(written, read["text"] > 0)
    changed = (right["text"] != read["text"])[written].mean()
    # one in as many as there are characters is replaced by itself
    assert changed == pytest.approx(0.15 * (1 - 1 / (len(molecules.ALPHABET) - 1)), abs=0.01)


def test_a_cloud_has_the_size_that_is_asked_for():
    found = solids.clouds(np.random.default_rng(0), 40, points=32, size=4.0, noise=0.0)
    distances = np.square(found["points"]).sum(2).mean(1) ** 0.5
    assert np.allclose(distances, 4.0, rtol=1e-5)
