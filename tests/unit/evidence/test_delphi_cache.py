"""A cache in which rows repeat one another: what two splits would share is left out, with what is active there."""

import numpy as np
import pytest

from labeler.evidence.importers.delphi import open_delphi
from labeler.evidence.importers.delphi_store import CachePart
from tests.fakes.crawl import WORDS, leaks
from tests.fakes.foreign.delphi import save_delphi

VOCABULARY = ["<mark>", *(f" {word}" for word in WORDS)]


def part_of(folder, tokens):
    rng = np.random.default_rng(0)
    activations = rng.random((*tokens.shape, 4)) * (rng.random((*tokens.shape, 4)) < 0.2)
    save_delphi(folder, activations.astype(np.float16), tokens, splits=2)
    return CachePart(open_delphi(folder), VOCABULARY, np.arange(len(VOCABULARY)) == 0), activations


@pytest.mark.parametrize("marked", [False, True])
def test_rows_that_repeat_others_are_parted_from_no_copy_of_theirs(tmp_path, marked):
    rng = np.random.default_rng(1)
    tokens = rng.integers(1, len(VOCABULARY), (60, 96))
    tokens[20:40] = tokens[:20]  # copies
    tokens[40:, 40:72] = tokens[:20, 10:42]  # pieces of others, that lie otherwise over the contexts
    if marked:
        tokens[:, 0] = 0
    part, activations = part_of(tmp_path, tokens)
    tables = list(part.contexts())
    texts = [text for table in tables for text in table.texts()]
    splits = np.concatenate([table.split for table in tables])
    assert leaks(texts, splits.tolist()) == 0
    assert part.n_contexts == len(texts) == part.seen.n_contexts
    assert part.seen.splits == tuple(np.bincount(splits, minlength=3))
    assert 0.75 < len(texts) / (60 * 3) < 1
    # What is active stands on the tokens that it stood on.
    wanted = {}
    for row, position, feature in zip(*np.nonzero(activations.astype(np.float16)), strict=True):
        at = (int(tokens[row, position]), float(np.float16(activations[row, position, feature])))
        wanted[at] = wanted.get(at, 0) + 1
    ids = np.concatenate([table.tokens for table in tables])
    pairs, _ = part.between(0, 4)
    rows = np.repeat(pairs.ordinal, pairs.count)
    for token, value in zip(ids[rows, pairs.position].tolist(), pairs.value.tolist(), strict=True):
        wanted[token, value] -= 1
    assert min(wanted.values()) >= 0
    assert len(rows) > 0.75 * np.count_nonzero(activations)
