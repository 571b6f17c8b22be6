"""A cache that Delphi itself made, imported: the same top contexts that Delphi lists, and scores for its corpus."""

from collections import Counter

import numpy as np
import pytest

from labeler import api
from labeler.evidence.importers.delphi import open_delphi
from labeler.evidence.sampling import TOP
from tests.fakes.dictionary import save_dictionary
from tests.fakes.tiny_model import VOCABULARY, save_tiny_model
from tests.optional.delphi.reference import PYTHON, listed_by_delphi, write_cache

pytestmark = [pytest.mark.long, pytest.mark.skipif(not PYTHON, reason="LABELER_REFERENCE_DELPHI names no python")]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("delphi")
    save_tiny_model(folder / "model")
    save_dictionary(folder / "dictionary", k=4)
    # Of the vocabulary only what the tokenizer has: the model is a little wider.
    np.save(folder / "tokens.npy", np.random.default_rng(0).integers(3, VOCABULARY - 10, (160, 64)))
    write_cache(PYTHON, folder / "model", folder / "dictionary", folder / "tokens.npy", "layers.0", folder)
    return folder


def test_the_top_contexts_are_those_that_delphi_lists(run, tmp_path):
    store = api.import_evidence(run, "cache", home=tmp_path).store
    features = list(range(0, 64, 3))
    listed = listed_by_delphi(PYTHON, open_delphi(run), features, TOP)
    assert len(listed) > 15
    for index, windows in listed.items():
        found = store.read(index)
        peaks = found.activations.max(axis=1)
        order = np.argsort(-peaks, kind="stable")[: len(windows)]
        np.testing.assert_allclose(peaks[order], [top for _, top in windows], rtol=1e-3)
        # Those that are as strong as the last come in any order: only what is stronger must be the same.
        last = windows[-1][1]
        ids = store.rows.column("tokens", found.contexts[order])
        ours = Counter(tuple(row) for row, peak in zip(ids.tolist(), peaks[order], strict=True) if peak > last * 1.001)
        theirs = Counter(tuple(window) for window, top in windows if top > last * 1.001)
        assert ours == theirs


def test_it_is_labelled_and_scored_for_its_corpus(run, tmp_path):
    dictionary = api.import_evidence(run, "cache", home=tmp_path)
    assert dictionary.store.manifest.sampling == "population"
    labelling = dictionary.label(range(0, 64, 8), explainers=["lexical"], simulators=["embedding"])
    assert labelling.work().failed == 0
    assert all(row["headline"] == "simulation.embedding" for row in labelling.rows())
