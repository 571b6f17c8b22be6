import random
import re
from pydoc_data.topics import topics

import numpy as np
import pytest

from labeler.evidence.copies import connected
from labeler.evidence.importers.documents import Documents

PLAIN = [" ".join(re.sub(r"([^\w\s])\1+", " ", text).split()) for _, text in sorted(topics.items())]
TEXTS = [text for text in PLAIN if len(text) > 2000]
"""Python's own manual without white space and rulers, which are not counted as text."""


def grouped(texts):
    documents = Documents()
    for text in texts:
        documents.add(text)
    return documents.groups()


def halves(length, count, seed=0):
    """Pairs of windows of one text that overlap by half."""
    chance = random.Random(seed)
    for _ in range(count):
        text = chance.choice(TEXTS)
        start = chance.randrange(len(text) - length * 3 // 2)
        yield text[start : start + length], text[start + length // 2 : start + length // 2 + length]


def test_identical_texts_share_a_group_and_others_do_not():
    texts = ["", "a", "one two three", " ".join(map(str, range(200))), "another text altogether, of some length"]
    groups = grouped(texts * 3)
    np.testing.assert_array_equal(groups, np.tile(np.arange(5), 3))


def test_case_space_and_rulers_make_no_difference():
    text = TEXTS[0][:400]
    altered = text.upper().replace(" ", "  ").replace("\n", " \n ")
    assert len(set(grouped([text, altered, "=" * 300 + text, text[:200] + "-----" + text[200:]]).tolist())) == 1


@pytest.mark.parametrize(("length", "rate"), [(430, 0.99), (200, 0.99), (130, 0.99), (100, 0.98)])
def test_windows_that_overlap_by_half_nearly_always_share_a_group(length, rate):
    pairs = [grouped(pair) for pair in halves(length, 500)]
    assert np.mean([a == b for a, b in pairs]) >= rate


def test_a_short_piece_shares_the_group_of_the_window_that_holds_it():
    chance, found = random.Random(1), []
    for _ in range(300):
        text = chance.choice(TEXTS)
        start = chance.randrange(len(text) - 500)
        a, b = grouped([text[start : start + 500], text[start + 150 : start + 300]])
        found.append(a == b)
    assert np.mean(found) >= 0.95


def test_unrelated_texts_nearly_never_share_a_group():
    """One window of each topic, far from what introduces it."""
    windows = [text[700:1130] for text in TEXTS]
    sizes = np.bincount(grouped(windows), minlength=len(windows))
    assert (sizes[sizes > 0] == 1).mean() >= 0.95
    assert sizes.max() <= 5


def test_a_few_changed_words_make_no_other_document():
    chance = random.Random(2)
    same = []
    for text in TEXTS[:50]:
        words = text[:600].split()
        for at in chance.sample(range(len(words)), 3):
            words[at] = "changed"
        a, b = grouped([text[:600], " ".join(words)])
        same.append(a == b)
    assert np.mean(same) >= 0.95


def test_groups_are_connected_through_others():
    text = TEXTS[0]
    chain = [text[start : start + 400] for start in range(0, 1001, 200)]
    assert set(grouped([*chain, "unrelated words that nobody else has"])[:-1].tolist()) == {0}


def test_strange_texts_do_no_harm():
    texts = [
        "\ud800",
        "\0",
        "�",
        "x" * 100_000,
        "ab" * 50_000,
        "  \n\t ",
        "日本語のとても長い文章です。" * 20,
        "\U0001f600" * 500,
    ]
    assert len(grouped(texts)) == len(texts)
    assert grouped([]).tolist() == []


def test_connected_components():
    rng = np.random.default_rng(0)
    for n, m in ((1, 0), (10, 4), (200, 120), (2000, 3000)):
        left, right = rng.integers(0, n, m), rng.integers(0, n, m)
        label = list(range(n))  # relabelled until nothing changes: slow and plain
        for _ in range(n):
            before = list(label)
            for a, b in zip(left.tolist(), right.tolist(), strict=True):
                label[a] = label[b] = min(label[a], label[b])
            if label == before:
                break
        assert connected(n, left, right).tolist() == label
    chain = np.arange(99_999)
    assert (connected(100_000, chain[::-1], chain[::-1] + 1) == 0).all()


def test_sketches_are_small():
    documents = Documents()
    chance = random.Random(3)
    for _ in range(300):
        text = chance.choice(TEXTS)
        start = chance.randrange(len(text) - 430)
        documents.add(text[start : start + 430])
    assert len(documents._fingerprints) / 300 < 24
