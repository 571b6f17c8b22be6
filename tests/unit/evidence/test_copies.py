"""Copies of a text are one document, and no two splits have a passage in common."""

import random

import numpy as np
import pytest

from labeler.evidence.copies import LEFT_OUT, NOBODY, Owners, Splits, joined
from labeler.evidence.sampling import split_of
from labeler.features import SPLITS
from tests.fakes.crawl import FOOTER, contexts_of, crawl, leaks


def placed(documents, words=20, **settings):
    """Every context with its document and split, in order."""
    known, found = Splits(**settings), []
    for name, text in documents:
        pieces = contexts_of(text, words)
        found += [(name, piece, int(split)) for piece, split in zip(pieces, known.of(name, pieces), strict=True)]
    return found


def kept(found):
    inside = [(text, split) for _, text, split in found if split != LEFT_OUT]
    return [text for text, _ in inside], [split for _, split in inside]


def splits_by_document(found):
    splits = {}
    for name, _, split in found:
        if split != LEFT_OUT:
            splits.setdefault(name, set()).add(split)
    return splits


def test_documents_that_share_nothing_keep_the_splits_of_their_names():
    found = placed(crawl(400, copies=0, overlaps=0))
    # Ends of documents may by chance be the same word or two.
    long = [(name, split) for name, text, split in found if len(text) > 30]
    assert all(split == split_of(name) for name, split in long)
    assert {split for _, _, split in found} >= {0, 1, 2}


def test_no_two_splits_share_a_passage():
    found = placed(crawl(1_500))
    texts, splits = kept(found)
    assert leaks(texts, splits) == 0
    by_name = [split_of(name) for name, _, _ in found]
    assert leaks([text for _, text, _ in found], by_name) > 0.3 * len(found)  # what there was to find
    assert len(texts) > 0.97 * len(found)
    assert all(len(found) == 1 for found in splits_by_document(found).values())


@pytest.mark.parametrize("words", [5, 11, 20, 33])
def test_a_page_that_stands_thirty_times_has_one_split(words):
    page = "bread stone lamp door a window in paper bread lamp stone door window paper"
    documents = [(f"copy {i}", page) for i in range(30)] + list(crawl(60, copies=0, overlaps=0))
    random.Random(1).shuffle(documents)
    found = placed(documents, words)
    assert len({split for name, _, split in found if name.startswith("copy")}) == 1
    assert leaks(*kept(found)) == 0
    first = next(name for name, _ in documents if name.startswith("copy"))
    assert found[[name for name, _, _ in found].index(first)][2] == split_of(first)


@pytest.mark.parametrize(
    "altered",
    [
        lambda text: text.upper(),
        lambda text: text.replace(" ", "\n", 30),
        lambda text: "  " + text.replace(" ", "   "),
        lambda text: text.replace(" bread", " ------------ bread"),
        lambda text: "Posted on Monday. " + text,
        lambda text: " ".join(text.split()[7:]),
        lambda text: text.replace("zan", "other", 1),
    ],
)
def test_a_copy_that_was_touched_is_one(altered):
    (_, text), *_ = crawl(1, words=300)
    ours = [f"copy {i}" for i in range(12)]
    splits = splits_by_document(placed([("page", text), *((name, altered(text)) for name in ours)]))
    assert {next(iter(splits[name])) for name in ours} == splits["page"] == {split_of("page")}


@pytest.mark.parametrize(
    "word", ["鍋で野菜を煮てから味噌を入れる。", "Кошка спит на тёплой печи. ", "१२३ घर के पास नदी है। "]
)
def test_other_scripts_have_copies_too(word):
    chance = random.Random(0)
    page = [chance.choice(word) for _ in range(300)]
    known = Splits()
    texts = ["".join(page[at : at + 30]) for at in range(0, 300, 30)]
    found = {int(split) for i in range(10) for split in known.of(f"copy {i}", texts)}
    assert found == {split_of("copy 0")}


def test_what_everybody_has_does_not_chain_documents():
    documents = list(crawl(600, copies=0, overlaps=0, footers=0.9))
    found = placed(documents)
    splits = splits_by_document(found)
    assert sum(splits[name] == {split_of(name)} for name, _ in documents) == len(documents)
    with_footer = {split for _, text, split in found if FOOTER[10:80] in text}
    assert len(with_footer - {LEFT_OUT}) == 1
    assert leaks(*kept(found)) == 0


def test_a_document_in_several_passages_stays_whole():
    (_, first), (_, second) = crawl(2, copies=0, overlaps=0)
    names = [f"book {i}" for i in range(40)]
    for name in names:
        known = Splits()
        known.of("other", contexts_of(second))
        [split] = set(known.of(name, contexts_of(first)).tolist())
        assert split == split_of(name)
        # The second passage is another document's: where that one is of another split it is left out, never moved.
        assert set(known.of(name, contexts_of(second)).tolist()) == {split if split == split_of("other") else LEFT_OUT}


def test_strange_texts_do_no_harm():
    known = Splits()
    for number, texts in enumerate(([""], [" ", "\n"], ["\ud800"], ["\0"], ["x" * 100_000], ["İ" * 90], ["a"] * 500)):
        found = known.of(f"document {number}", texts)
        assert found.shape == (len(texts),)
        assert set(found.tolist()) <= {0, 1, 2, LEFT_OUT}


def test_owners_are_whoever_came_first():
    rng = np.random.default_rng(0)
    owners, truth = Owners(), {}
    for _ in range(200):
        marks = rng.integers(0, 2**64, 300, dtype=np.uint64)
        if truth:
            marks[:100] = rng.choice(np.array(list(truth)[:5_000], dtype=np.uint64), 100)
        split = int(rng.integers(len(SPLITS)))
        assert owners.of(marks).tolist() == [truth.get(mark, NOBODY) for mark in marks.tolist()]
        owners.claim(marks, split)
        for mark in marks.tolist():
            truth.setdefault(mark, split)
    assert owners.knows(marks).all()
    assert owners.bytes <= 8 * len(truth) / 0.35


def test_memory_is_bounded_and_what_is_forgotten_is_known_to_be():
    owners = Owners(most=1 << 12)
    rng = np.random.default_rng(1)
    marks = rng.integers(0, 2**64, 40_000, dtype=np.uint64)
    for start in range(0, len(marks), 500):
        owners.claim(marks[start : start + 500], 1)
    assert owners.bytes == 8 << 12
    knows = owners.knows(marks)
    assert 0.02 < knows.mean() < 0.1
    assert set(owners.of(marks[knows]).tolist()) == {1}
    assert set(owners.of(marks[~knows]).tolist()) == {NOBODY}


def test_long_copies_are_found_when_memory_is_short():
    documents = list(crawl(300, copies=0, overlaps=0))
    copies = [(f"copy of {name}", text) for name, text in documents]
    splits = splits_by_document(placed([*documents, *copies], most=1 << 11))
    followed = [splits[f"copy of {name}"] == splits[name] for name, _ in documents]
    assert np.mean(followed) > 0.9


def test_few_documents_are_joined_by_what_their_contexts_share():
    pages = [text for _, text in crawl(6, copies=0, overlaps=0)]
    texts = [contexts_of(text)[0] for text in pages]
    texts += [contexts_of(pages[0])[0] + " and more", contexts_of(pages[1])[1], "the end.", "The end. "]
    documents = np.array([10, 11, 12, 13, 14, 15, 20, 11, 30, 31])
    assert joined(texts, documents).tolist() == [10, 11, 12, 13, 14, 15, 10, 11, 30, 30]
    assert joined([], np.zeros(0, dtype=np.int64)).tolist() == []
