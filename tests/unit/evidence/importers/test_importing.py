"""Foreign evidence becomes a store: whole or not at all, and only what was truly looked at counts as silent."""

import json
import random
import shutil

import numpy as np
import pytest

from labeler.errors import InputError
from labeler.evidence.importers.opening import bring
from labeler.evidence.sampling import split_of
from labeler.evidence.store.store import EvidenceStore
from labeler.features import SPLITS
from tests.fakes.crawl import WORDS, leaks
from tests.fakes.evidence import RULES
from tests.fakes.foreign.examples import EXAMPLES
from tests.fakes.foreign.mutations import mutate
from tests.fakes.foreign.toy import save_toy_contexts, toy_features
from tests.fakes.tiny_model import tiny_tokenizer


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    folder = tmp_path_factory.mktemp("import")
    return bring(save_toy_contexts(folder, toy_features()), "toy", folder / "dictionaries", None)


def write_lines(path, *rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def row(index, *windows, **more):
    contexts = [{"tokens": list(tokens), "activations": list(values)} for tokens, values in windows]
    return {"index": index, "contexts": contexts, **more}


def test_features_keep_their_indices_and_what_is_missing_is_named(store):
    assert store.indices.tolist() == [0, 10, 20, 30, 40]
    with pytest.raises(
        InputError, match=r"feature 7 is out of range: 'toy' has features 0 to 40 \(5 of them, not all\)"
    ):
        store.read(7)


@pytest.mark.parametrize("at", range(len(RULES)))
def test_every_window_comes_back_with_its_tokens_and_activations(store, at):
    found = store.read(10 * at)
    assert len(found.contexts)
    for context, length, activations in zip(found.contexts, found.lengths, found.activations, strict=True):
        words = [token.strip() for token in store.rows.strings(int(context))]
        np.testing.assert_allclose(activations[:length], RULES[at](words), rtol=1e-3)


@pytest.mark.parametrize("split", SPLITS)
def test_every_context_at_hand_stands_for_itself(store, split):
    frame = store.frame(10, split)
    assert set(frame.weight) == {1.0}
    assert frame.firing.any()
    assert (~frame.firing).any()
    assert not frame.truth[~frame.firing].any()


def test_one_text_is_one_document_and_serves_one_purpose(store):
    for index in store.indices.tolist():
        splits = {}
        for context in store.evidence(index).contexts:
            splits.setdefault(context.text, set()).add(context.split)
            splits.setdefault(context.document, set()).add(context.split)
            assert SPLITS.index(context.split) == store.splits(index)[context.id]
        assert all(len(found) == 1 for found in splits.values())


def test_a_text_under_many_names_is_one_document(tmp_path):
    chance = random.Random(0)
    texts = [[f" {word}" for word in chance.choices(WORDS, k=24)] for _ in range(60)]
    page = texts[0]
    named = [(f"copy {i}", [*page, f" {WORDS[i]}"]) for i in range(12)]
    named += [(f"quote {i}", [*page[8:], *(f" {word}" for word in chance.choices(WORDS, k=8))]) for i in range(12)]
    named += [(f"page {i}", text) for i, text in enumerate(texts[2:])]
    chance.shuffle(named)
    contexts = [
        {"tokens": text, "activations": [1.0] + [0.0] * (len(text) - 1), "document": name} for name, text in named
    ]
    path = write_lines(tmp_path / "contexts.jsonl", {"index": 0, "contexts": contexts})
    store = bring(path, "named", tmp_path / "dictionaries", None)
    found = store.evidence(0).contexts
    first = next(name for name, _ in named if name.startswith(("copy", "quote")))
    assert {c.split for c in found if c.document.startswith(("copy", "quote"))} == {SPLITS[split_of(first)]}
    assert {c.document for c in found} == {name for name, _ in named}
    pages = [c for c in found if c.document.startswith("page")]
    assert all(SPLITS.index(c.split) == split_of(c.document) for c in pages)
    assert len({c.split for c in pages}) == 3


@pytest.mark.parametrize("pages", [6, 20])
def test_copies_are_dealt_as_one_where_documents_are_few(tmp_path, pages):
    chance = random.Random(pages)
    texts = [[f" {word}" for word in chance.choices(WORDS, k=24)] for _ in range(pages)]
    named = [(f"page {i} {j}", [*text, f" {WORDS[j]}"]) for i, text in enumerate(texts) for j in range(1 + i % 3)]
    contexts = [
        {"tokens": text, "activations": [chance.uniform(1, 9)] + [0.0] * (len(text) - 1), "document": name}
        for name, text in named
    ]
    path = write_lines(tmp_path / "contexts.jsonl", {"index": 0, "contexts": contexts})
    store = bring(path, "few", tmp_path / "dictionaries", None)
    assert store.splits(0) is not store.rows.split
    assert store.halves(0) is (pages == 6)
    for half in (0, 1) if store.halves(0) else (None,):
        found = (store if half is None else store.fold(half)).evidence(0).contexts
        assert len(found) == len(named)
        assert len({c.split for c in found}) == (2 if pages == 6 else 3)
        assert leaks([c.text for c in found], [SPLITS.index(c.split) for c in found]) == 0


def test_a_passage_that_everybody_has_joins_nobody_and_leaks_nowhere(tmp_path):
    chance = random.Random(0)
    header = [
        f" {word}" for word in "you are a kind assistant that answers all that it is asked as well as it can".split()
    ]
    contexts = []
    for i in range(200):
        own = [[f" {word}" for word in chance.choices(WORDS, k=20)] for _ in range(3)]
        for text in ([*header, *own[0][:6]], own[1], own[2]):
            contexts.append({"tokens": text, "activations": [1.0] + [0.0] * (len(text) - 1), "document": f"d{i}"})
    path = write_lines(tmp_path / "contexts.jsonl", {"index": 0, "contexts": contexts})
    found = bring(path, "chat", tmp_path / "dictionaries", None).evidence(0).contexts
    assert all(SPLITS.index(c.split) == split_of(c.document) for c in found)
    assert len({c.split for c in found if "kind assistant" in c.text}) == 1
    assert sum("kind assistant" not in c.text for c in found) == 400


def test_it_says_that_nobody_counted(store):
    manifest = store.manifest
    assert (manifest.sampling, manifest.source, manifest.n_pool) == ("top-and-random", "contexts.jsonl", 0)
    assert np.isnan(store.density()).all() or (store.density() <= 1).all()


def test_population_counts_become_weights(tmp_path):
    texts = [([f" w{i}", " x"], [float(i % 3), 0.0]) for i in range(60)]
    contexts = [
        {"tokens": tokens, "activations": values, "stratum": "fires" if max(values) else "silent"}
        for tokens, values in texts
    ]
    population = {"fires": 80, "silent": 920}
    path = write_lines(tmp_path / "contexts.jsonl", {"index": 0, "contexts": contexts, "population": population})
    store = bring(path, "counted", tmp_path / "dictionaries", None)
    assert store.manifest.sampling == "population"
    frames = [store.frame(0, split) for split in SPLITS]
    assert sum(frame.weight.sum() for frame in frames) == pytest.approx(1000)
    assert sum(frame.weight[frame.firing].sum() for frame in frames) == pytest.approx(80)


def test_a_counted_stratum_without_a_context_cannot_be_spoken_for(tmp_path):
    contexts = [{"tokens": ["a"], "activations": [1.0], "stratum": "top"}]
    row = {"index": 0, "contexts": contexts, "population": {"top": 40, "silent": 99_960}}
    with pytest.raises(InputError, match="the stratum 'silent' counts 99960 contexts and none of them is here"):
        bring(write_lines(tmp_path / "contexts.jsonl", row), "x", tmp_path / "dictionaries", None)


def test_all_features_are_counted_or_none(tmp_path):
    counted = {
        "index": 1,
        "contexts": [{"tokens": ["a"], "activations": [1.0], "stratum": "s"}],
        "population": {"s": 9},
    }
    path = write_lines(tmp_path / "contexts.jsonl", row(0, (["a"], [1.0])), counted)
    with pytest.raises(InputError, match="feature 1 has a population, unlike those before"):
        bring(path, "mixed", tmp_path / "dictionaries", None)
    assert not list((tmp_path / "dictionaries").iterdir())


def test_more_features_can_be_added_and_those_before_stay_as_they_are(tmp_path):
    features = toy_features()
    first = save_toy_contexts(tmp_path / "a", {k: v for k, v in features.items() if k in (20, 40)})
    second = save_toy_contexts(tmp_path / "b", {k: v for k, v in features.items() if k in (0, 10, 30)})
    before = bring(first, "toy", tmp_path / "dictionaries", None).read(20).activations
    both = bring(second, "toy", tmp_path / "dictionaries", None)
    assert both.indices.tolist() == [0, 10, 20, 30, 40]
    np.testing.assert_array_equal(both.read(20).activations, before)
    whole = bring(save_toy_contexts(tmp_path / "c", features), "whole", tmp_path / "dictionaries", None)
    for index in whole.indices.tolist():
        assert sorted(c.text for c in both.evidence(index).contexts) == sorted(
            c.text for c in whole.evidence(index).contexts
        )


def test_the_same_files_are_imported_once(tmp_path):
    path = save_toy_contexts(tmp_path, toy_features(60))
    first = bring(path, "toy", tmp_path / "dictionaries", None).manifest
    assert bring(path, "toy", tmp_path / "dictionaries", None).manifest == first


def test_a_feature_that_is_there_already_is_refused_and_nothing_changes(tmp_path):
    dictionaries = tmp_path / "dictionaries"
    bring(write_lines(tmp_path / "contexts.jsonl", row(3, (["a", "b"], [1.0, 0.0]))), "toy", dictionaries, None)
    before = EvidenceStore(dictionaries / "toy").manifest
    again = write_lines(tmp_path / "contexts.jsonl", row(4, (["c"], [1.0])), row(3, (["d"], [2.0])))
    with pytest.raises(InputError, match="feature 3 is there already"):
        bring(again, "toy", dictionaries, None)
    assert EvidenceStore(dictionaries / "toy").manifest == before
    assert [path.name for path in dictionaries.iterdir()] == ["toy"]


def test_features_that_fire_together_are_a_group(tmp_path):
    rng = random.Random(0)
    words = [f" word{i}" for i in range(400)]
    texts = [rng.sample(words, 12) for _ in range(60)]
    same = [(text, [1.0 if i == 5 else 0.0 for i in range(12)]) for text in texts]
    twin = [(text, [0.0 if v == 0 else 2.0 for v in values]) for text, values in same]
    other = [(text, [1.0 if i == 9 else 0.0 for i in range(12)]) for text in texts]
    path = write_lines(tmp_path / "contexts.jsonl", row(1, *same), row(5, *other), row(8, *twin))
    store = bring(path, "toy", tmp_path / "dictionaries", None)
    assert store.near_duplicates(1) == (8,)
    assert store.near_duplicates(8) == (1,)
    assert store.near_duplicates(5) == ()
    assert store.nearest(1)[0][0] == 8


def test_long_windows_are_cut_and_what_is_silent_of_them_was_looked_at(tmp_path):
    values = [0.0] * 300
    values[150] = 3.0
    path = write_lines(tmp_path / "contexts.jsonl", row(0, ([f" w{i}" for i in range(300)], values)))
    found = bring(path, "long", tmp_path / "dictionaries", None).read(0)
    assert found.lengths.max() <= 64
    assert found.lengths.sum() == 300
    assert (found.activations.max(axis=1) > 0).sum() == 1


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
def test_a_damaged_file_leaves_a_whole_dictionary_or_none(tmp_path, example):
    kept = 0
    tokenizer = str(tmp_path / "tokenizer")
    tiny_tokenizer().save_pretrained(tokenizer)  # for the format that has ids only
    for number in range(40):
        folder = tmp_path / str(number)
        folder.mkdir()
        # The readers' own example counts a stratum that it has no context of, which an import refuses.
        ours = example.name == "contexts.jsonl"
        path = save_toy_contexts(folder, toy_features(6, with_silent=2)) if ours else example.write(folder)
        mutate(folder, random.Random(f"{example.name} {number}"))
        dictionaries = tmp_path / "dictionaries"
        try:
            store = bring(path, "damaged", dictionaries, tokenizer)
        except InputError:
            assert not list(dictionaries.glob("*"))
            continue
        assert store.health(verify=True) is None
        for index in store.indices.tolist():
            store.evidence(index)
            for split in SPLITS:
                store.frame(index, split)
        kept += 1
        shutil.rmtree(dictionaries)
    assert kept
