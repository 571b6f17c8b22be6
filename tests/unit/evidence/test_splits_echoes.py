"""Few documents that are dealt leave no text on both sides, where copies of it stand in which the feature is silent."""

import numpy as np
import pytest

from labeler.evidence.collect.compaction import Building
from labeler.evidence.copies import LEFT_OUT
from labeler.evidence.near_misses import evidence_with_near_misses
from labeler.evidence.sampling import split_of
from tests.fakes.crawl import leaks
from tests.fakes.evidence import on, pieces_of, sentences, write_built

N = 900


def twinned(n_firing):
    """Contexts in whose documents each pair has one split, and the rows of those that fire, and of their silent twins."""
    contexts = [list(words) for words in sentences(N)]
    by_split = [[at for at in range(N // 10) if split_of(f"document-{at}") == split] for split in (0, 2)]
    pairs = [(docs[2 * at], docs[2 * at + 1]) for at in range(n_firing // 2) for docs in by_split]
    fires, silent = [10 * one + 3 for one, _ in pairs], [10 * other + 4 for _, other in pairs]
    for number, (row, twin) in enumerate(zip(fires, silent, strict=True)):
        contexts[row] = [*contexts[row][:4], "penny", *sentences(1, seed=100 + number)[0][:3]]
        contexts[twin] = list(contexts[row])
    return contexts, fires, silent


@pytest.mark.parametrize("n_firing", [4, 8, 20])
def test_no_silent_copy_stands_on_the_other_side_of_what_was_dealt(tmp_path, n_firing):
    contexts, fires, silent = twinned(n_firing)
    firing = {id(contexts[row]) for row in fires}

    def rule(words):
        return [4.0 + at if id(words) in firing and word == "penny" else 0.0 for at, word in enumerate(words)]

    building = Building(tmp_path / "parts", 2)
    for table, pairs in pieces_of(contexts, (rule, on("the"))):
        building.add(table, pairs)
    store = write_built(building, tmp_path / "toy")
    assert store.halves(0) == (n_firing < 15)
    assert len(store.evidence(0).contexts) == n_firing
    left_out = np.flatnonzero(store.splits(0) == LEFT_OUT)
    assert set(left_out) & set(silent)
    assert not set(left_out) & set(fires)
    assert not (store.splits(1) == LEFT_OUT).any()  # it fires often, and is dealt nothing
    for part in (store.fold(0), store.fold(1)) if store.halves(0) else (store,):
        evidence = evidence_with_near_misses(part, 0)
        shown = [c.text for c in evidence.contexts if c.split == "explain"] + [c.text for c in evidence.near_misses]
        scored = [store.rows.string(int(row)) for row in part.frame(0, "score").contexts]
        assert shown
        assert scored
        assert leaks([*shown, *scored], [0] * len(shown) + [1] * len(scored)) == 0
