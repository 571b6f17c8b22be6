"""Whether promoted tokens say anything is measured: where they do not, nobody is shown them."""

import dataclasses
import json
import random

import numpy as np
import pytest

from labeler.evidence.importers.opening import bring
from labeler.evidence.logit_lens import told_apart
from labeler.evidence.store.manifest import Manifest
from labeler.features import Lens

N, LISTED, VOCABULARY = 120, 10, 400


def lists(rng):
    return [rng.choice(VOCABULARY, LISTED, replace=False) for _ in range(N)]


def test_lists_that_foretell_what_follows_tell_features_apart():
    rng = np.random.default_rng(0)
    own = lists(rng)
    follows = [np.r_[rng.choice(one, 6), rng.integers(0, VOCABULARY, 30)] for one in own]
    found = told_apart(own, follows)
    assert found.low > 0.9
    assert found.says
    assert found.n_features == N


def test_lists_that_foretell_nothing_are_chance():
    """Also where some tokens follow everything, and some lists hold them."""
    inside = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        follows = [np.r_[rng.integers(0, 5, 20), rng.integers(0, VOCABULARY, 30)] for _ in range(N)]
        found = told_apart(lists(rng), follows)
        assert not found.says
        inside += found.low <= 0.5 <= found.high
    assert inside >= 34


def test_a_few_features_that_are_foretold_do_not_make_a_lens():
    rng = np.random.default_rng(1)
    own = lists(rng)
    follows = [np.r_[rng.choice(own[i], 6 if i < 6 else 0), rng.integers(0, VOCABULARY, 30)] for i in range(N)]
    assert not told_apart(own, follows).says


def test_short_lists_and_unlisted_tokens_count_for_nothing():
    padded = [np.array([1, 2, -1, -1]), np.array([3, -1, -1, -1]), np.array([-1, -1, -1, -1])]
    found = told_apart(padded, [np.array([1, 2, 1]), np.array([3, 3, 900]), np.array([1])])
    assert found.auc == pytest.approx((1 + 1 + 0.25) / 3, abs=1e-3)


def import_(tmp_path, foretells, n=40):
    rng = random.Random(0)
    words = [f" w{i}" for i in range(300)]
    rows = []
    for index in range(n):
        promoted = rng.sample(words, 10)
        contexts = []
        for _ in range(20):
            tokens = rng.choices(words, k=12)
            at = rng.randrange(10)
            if foretells:
                tokens[at + 1] = rng.choice(promoted)
            contexts.append({"tokens": tokens, "activations": [float(i == at) for i in range(12)]})
        rows.append({"index": index, "contexts": contexts, "promoted": [[token, 1.0] for token in promoted]})
    path = tmp_path / "contexts.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return bring(path, "lens", tmp_path / "dictionaries", None)


@pytest.mark.parametrize("foretells", [True, False])
def test_an_import_is_measured_and_shows_promoted_tokens_only_where_they_say_something(tmp_path, foretells):
    store = import_(tmp_path, foretells)
    evidence = store.evidence(3)
    assert store.manifest.lens.says is foretells
    assert store.manifest.lens.n_features == 40
    assert len(evidence.promoted) == 10
    assert evidence.telling == (evidence.promoted if foretells else ())


def test_where_it_could_not_be_measured_they_are_kept_back_but_with_evidence_of_before(tmp_path):
    store = import_(tmp_path, False, n=3)
    assert store.manifest.lens is None
    evidence = store.evidence(0)
    assert evidence.promoted
    assert evidence.telling == ()
    assert dataclasses.replace(evidence, scale=None).telling == evidence.promoted


def test_evidence_that_was_never_measured_keeps_its_identity(tmp_path):
    stored = import_(tmp_path, False).manifest.stored()
    assert Manifest.parse(json.dumps(stored), "here").lens == Lens(**stored["lens"])
    with_figure = Manifest.parse(json.dumps(stored), "here").fingerprint
    without = Manifest.parse(json.dumps({**stored, "lens": None}), "here").fingerprint
    del stored["lens"]
    assert Manifest.parse(json.dumps(stored), "here").fingerprint == without != with_figure
