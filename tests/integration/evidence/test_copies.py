"""No text that the explainer may be shown is scored, whatever the documents are called that it stands in."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest

from labeler import api
from labeler.errors import InputError
from labeler.evidence.collect.collect import CollectRequest, Wanted, collect
from labeler.evidence.near_misses import evidence_with_near_misses
from labeler.evidence.store.manifest import write_json
from labeler.features import SPLITS
from labeler.models.language import load_language_model
from tests.fakes.collecting import quick_collections
from tests.fakes.crawl import crawl, leaks
from tests.fakes.tiny_model import save_tiny_model


@pytest.fixture(scope="module", autouse=True)
def quick(tmp_path_factory):
    with quick_collections(tmp_path_factory.mktemp("cache"), 4_000):
        yield


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    folder = tmp_path_factory.mktemp("own")
    save_tiny_model(folder / "model")
    rows = ({"text": text} for _, text in crawl(70, copies=0.3, overlaps=0.2, footers=0.2, words=60))
    (folder / "corpus.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def request(own, name, tokens=None):
    neurons = Wanted(dictionary="neurons", name=name, hook="blocks.1.mlp.hook_post")
    return CollectRequest(model=str(own / "model"), wanted=(neurons,), corpus=str(own / "corpus.jsonl"), tokens=tokens)


@pytest.fixture(scope="module")
def whole(own, tmp_path_factory):
    return collect(request(own, "whole"), tmp_path_factory.mktemp("dictionaries"))[0]


def test_no_split_has_a_passage_of_another(whole):
    rows = np.arange(len(whole.rows))
    assert leaks([whole.rows.string(row) for row in rows], whole.rows.split.tolist()) == 0
    assert {int(split) for split in whole.rows.split} == {0, 1, 2}


def test_no_feature_is_scored_on_what_its_explainer_may_be_shown(whole):
    for index in whole.indices[:16].tolist():
        evidence = evidence_with_near_misses(whole, index)
        contexts = [*evidence.contexts, *evidence.near_misses]
        assert leaks([c.text for c in contexts], [SPLITS.index(c.split) for c in contexts]) == 0


def test_what_is_left_out_is_counted_nowhere(whole):
    kept = sum(whole.rows.column("lengths", np.arange(len(whole.rows))).astype(int))
    assert (whole.manifest.n_contexts, whole.manifest.n_tokens) == (len(whole.rows), kept)
    for index in (0, 7):
        frames = [whole.frame(index, split) for split in SPLITS]
        assert sum(frame.weight.sum() for frame in frames) == pytest.approx(whole.manifest.n_contexts)


def test_what_is_left_out_is_told(own, whole, tmp_path):
    texts = [json.loads(line)["text"] for line in (own / "corpus.jsonl").read_text().splitlines()]
    ids = [load_language_model(str(own / "model")).encode(text) for text in texts]
    every = sum(-(-min(128, len(one) - at) // 32) for one in ids for at in range(0, len(one), 128))
    found = whole.manifest.collected
    assert found.left_out == every - whole.manifest.n_contexts > 0
    assert (found.documents, found.contexts, found.ended) == (len(texts), whole.manifest.n_contexts, True)
    collect(request(own, "steps", 3_000), tmp_path)
    [in_steps] = collect(request(own, "steps", 10**6), tmp_path)
    assert in_steps.manifest.collected == replace(found, asked=10**6)
    assert api.Dictionary("steps", in_steps, None).collected == in_steps.manifest.collected


def test_a_collection_in_steps_parts_copies_as_one_in_one_go_does(own, whole, tmp_path):
    for tokens in (3_000, None):
        [store] = collect(request(own, "steps", tokens), tmp_path)
    rows = np.arange(len(whole.rows))
    assert [store.rows.string(row) for row in rows] == [whole.rows.string(row) for row in rows]
    np.testing.assert_array_equal(store.rows.split, whole.rows.split)


def test_evidence_that_went_by_name_alone_is_opened_but_not_added_to(own, tmp_path):
    [store] = collect(request(own, "old", 3_000), tmp_path)
    stated = store.manifest.stored()
    del stated["progress"]["settings"]["splits"]
    for nobody_counted in ("n_documents", "n_left_out"):
        del stated["progress"]["seen"][nobody_counted]
    write_json(tmp_path / "old" / "manifest.json", stated)
    opened = collect(request(own, "old", 3_000), tmp_path)[0].manifest
    assert opened.n_tokens == store.manifest.n_tokens
    assert opened.collected == replace(store.manifest.collected, documents=None, left_out=None)
    with pytest.raises(InputError, match=r"'old' exists and was collected from something else \(splits differ\)"):
        collect(request(own, "old", 8_000), tmp_path)


def test_a_label_that_was_held_out_was_so_by_text(whole, tmp_path):
    """What a row says of its label is true of the texts that its score was made on."""
    home = tmp_path / "home"
    shutil.copytree(whole.shelf.place, home / "dictionaries" / "n")
    opened = api.open("n", home=home)
    opened.label(range(8), explainers=["lexical"], simulators=["lexical"]).work()
    rows = [row for row in opened.catalogue() if row["state"] == "labelled" and row["provenance"]["held_out"]]
    assert rows
    for row in rows:
        evidence = opened.evidence(row["index"])
        parts = {split: [c.text for c in evidence.contexts if c.split == split] for split in ("explain", "score")}
        texts = [text for split in parts for text in parts[split]]
        assert leaks(texts, [at for at, split in enumerate(parts) for _ in parts[split]]) == 0
