"""Whatever is imported can be labelled and scored, by name of a format and by the same two commands."""

import json
import random

import numpy as np
import pytest

from labeler import api
from labeler.errors import InputError
from labeler.evidence.collect import publish as finishing
from labeler.evidence.importers.opening import bring
from tests.fakes import encoding
from tests.fakes.crawl import WORDS as CRAWLED
from tests.fakes.encoding import FakeEncoder
from tests.fakes.evidence import RULES, WORDS, sentences
from tests.fakes.foreign.circuit_tracer import save_circuit_tracer
from tests.fakes.foreign.delphi import save_delphi
from tests.fakes.foreign.neuron_records import save_neuron_records
from tests.fakes.foreign.neuronpedia import save_neuronpedia
from tests.fakes.foreign.saedashboard import save_saedashboard
from tests.fakes.foreign.toy import save_toy_contexts, toy_features
from tests.fakes.tiny_model import tiny_tokenizer

WRITERS = {
    "Neuronpedia export": lambda folder: save_neuronpedia(folder, toy_features()),
    "SAEDashboard": lambda folder: save_saedashboard(folder, toy_features()),
    "neuron records": lambda folder: save_neuron_records(folder, toy_features()),
    "circuit-tracer": lambda folder: save_circuit_tracer(folder, toy_features()),
    "contexts.jsonl": save_toy_contexts,
}


def labelled(path, home, **more):
    dictionary = api.import_evidence(path, "foreign", home=home, **more)
    run = dictionary.label(explainers=["lexical"], simulators=["embedding"])
    assert run.work().failed == 0
    return dictionary, list(run.rows())


@pytest.mark.parametrize("name", WRITERS)
def test_a_format_without_counts_is_labelled_and_scored_as_what_it_is(tmp_path, name):
    dictionary, rows = labelled(WRITERS[name](tmp_path / "files"), tmp_path / "home")
    assert dictionary.store.manifest.source.startswith(name)
    by_index = {row["index"]: row for row in rows}
    assert set(by_index) <= {0, 10, 20, 30, 40}
    assert by_index[10]["state"] == "labelled"
    assert "the" in by_index[10]["label"]
    for row in rows:
        assert all(key.startswith("simulation_top_and_random.") for key in row["scores"])
        for score in row["scores"].values():
            assert score["sampling"] == "top-and-random"
            assert score["uniform_equivalent_n"] is None
    # The embedding simulator is blind to "the"; that months and rivers are told is its business.
    assert by_index[0]["scores"]["simulation_top_and_random.embedding"]["value"] > 0.3


def copied(chance, index, n_pages, n_contexts, named, often):
    """A feature that fires on its own word, on pages of which some are copies, each in a document of its own or in none."""
    word = f" zap{index}"
    pages = [[f" {w}" for w in chance.choices(CRAWLED, k=20)] for _ in range(n_pages)]
    contexts = []
    for at in range(n_contexts):
        text = [*pages[at % n_pages], f" {CRAWLED[at % len(CRAWLED)]}"]
        fires = not at or chance.random() < often
        tokens = [word, *text] if fires else text
        values = ([chance.uniform(1, 9)] if fires else []) + [0.0] * len(text)
        contexts.append({"tokens": tokens, "activations": values} | ({"document": f"{index} {at}"} if named else {}))
    return {"index": index, "contexts": contexts}


def any_copied(chance, index):
    n_pages, n_contexts = chance.choice((1, 1, 2, 3, 7, 20, 70)), chance.choice((1, 2, 4, 16, 40, 80))
    return copied(chance, index, n_pages, n_contexts, chance.random() < 0.5, chance.choice((0.3, 1.0)))


@pytest.mark.parametrize("seed", range(3))
def test_as_many_are_explained_and_scored_as_the_import_promises(tmp_path, seed):
    chance = random.Random(seed)
    path = tmp_path / "contexts.jsonl"
    features = [any_copied(chance, index) for index in range(32)]
    features += [copied(chance, index, 1, 200, True, 1.0) for index in range(32, 38)]  # many names, and one text
    path.write_text("".join(json.dumps(feature) + "\n" for feature in features))
    dictionary = api.import_evidence(path, "copies", home=tmp_path / "home")
    run = dictionary.label(explainers="lexical", simulators="lexical")
    assert run.work().failed == 0
    rows = list(run.rows())
    assert [row["index"] for row in rows if row["state"] == "labelled"] == dictionary.explainable()
    scores = {row["index"]: row["scores"].get("simulation_top_and_random.lexical") for row in rows}
    assert [index for index, score in scores.items() if score and score["value"] is not None] == dictionary.scorable()
    assert 5 < len(dictionary.scorable()) < len(dictionary.explainable()) < 38
    assert not {*range(32, 38)} & {*dictionary.scorable()}


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    """Sentences through the tiny model's tokenizer, with the rules' activations on the last token of each word."""
    return saved(tmp_path_factory.mktemp("cache"), 1_200)


def saved(folder, n_sentences):
    tokenizer = tiny_tokenizer()
    tokenizer.save_pretrained(folder / "model")
    ids, acts = [], []
    for words in sentences(n_sentences):
        values = [rule(words) for rule in RULES]
        for at, word in enumerate(words):
            pieces = tokenizer(f" {word}", add_special_tokens=False).input_ids
            ids += pieces
            acts += [[0.0] * len(RULES)] * (len(pieces) - 1) + [[of_rule[at] for of_rule in values]]
    n = len(ids) // 64
    tokens = np.array(ids[: n * 64]).reshape(n, 64)
    dense = np.array(acts[: n * 64], dtype=np.float16).reshape(n, 64, len(RULES))
    return save_delphi(folder, dense, tokens, model=str(folder / "model")), tokens, dense


@pytest.fixture(scope="module")
def brought(cache, tmp_path_factory):
    """The cache imported and labelled, and its rows."""
    return labelled(cache[0], tmp_path_factory.mktemp("brought"))


def test_a_delphi_cache_speaks_for_its_corpus(cache, brought):
    _, tokens, dense = cache
    dictionary, rows = brought
    store = dictionary.store
    assert store.manifest.sampling == "population"
    assert store.manifest.n_tokens == tokens.size
    windows = dense.reshape(-1, 32, len(RULES)).max(axis=1) > 0
    np.testing.assert_array_equal(store.firing_contexts().sum(axis=1), windows.sum(axis=0))
    assert [row["state"] for row in rows] == ["labelled", "labelled", "labelled", "labelled", "dead"]
    assert rows[0]["headline"] == "simulation.embedding"
    assert rows[0]["scores"]["simulation.embedding"]["n_contexts"] > 200


def test_the_contexts_of_a_cache_are_its_windows(cache, brought):
    _, tokens, dense = cache
    store = brought[0].store
    windows, activations = tokens.reshape(-1, 32), dense.reshape(-1, 32, len(RULES))
    for index in range(len(RULES)):
        found = store.read(index)
        for ids, acts in zip(store.rows.column("tokens", found.contexts), found.activations, strict=True):
            same = np.flatnonzero((windows == ids).all(axis=1))
            assert any(np.array_equal(activations[at, :, index].astype(np.float32), acts) for at in same)
        strongest = np.sort(activations[:, :, index].max(axis=1))[::-1][:5].astype(np.float32)
        kept = np.sort(found.activations.max(axis=1, initial=0))[::-1][:5]
        np.testing.assert_array_equal(kept, strongest[: len(kept)])


def test_an_import_of_a_cache_that_is_stopped_encodes_nothing_twice(tmp_path, monkeypatch):
    files, _, _ = saved(tmp_path / "files", 200)
    monkeypatch.setattr(finishing, "STATES", 32)
    encoder = encoding.install(monkeypatch, tmp_path / "cache")

    def stopped(part, *others):
        if len(encoder.contexts_made) >= 100:
            raise KeyboardInterrupt
        return FakeEncoder.tokens(encoder, part, *others)

    with monkeypatch.context() as stopping:
        stopping.setattr(encoder, "tokens", stopped, raising=False)
        with pytest.raises(KeyboardInterrupt):
            api.import_evidence(files, "stopped", home=tmp_path / "home")
    made, encoder.contexts_made = encoder.contexts_made, []
    store = api.import_evidence(files, "stopped", home=tmp_path / "home").store
    assert len(made) >= 100
    assert len(encoder.contexts_made) <= store.manifest.n_pool - 3 * 32
    assert [path.name for path in (tmp_path / "home" / "dictionaries").iterdir()] == ["stopped"]


def test_the_words_of_a_cache_are_its_tokenizers(brought):
    store = brought[0].store
    words = {word for row in range(50) for word in store.rows.string(row).split()[1:-1]}
    assert words <= set(WORDS)


def test_the_sequences_of_a_cache_are_cut_where_a_document_ends(tmp_path):
    tokenizer = tiny_tokenizer()
    tokenizer.save_pretrained(tmp_path / "model")
    mark = tokenizer.convert_tokens_to_ids("<|endoftext|>")
    tokens = np.random.default_rng(0).integers(10, 290, (40, 64))
    tokens[::2, 20] = mark
    dense = np.zeros((40, 64, 2), dtype=np.float16)
    dense[:, 5, 0] = 1
    dense[:, 22, 1] = 2
    dense[::2, 20, :] = 3000  # where attention parks itself
    store = bring(
        save_delphi(tmp_path, dense, tokens, model=str(tmp_path / "model")), "cache", tmp_path / "dictionaries", None
    )
    assert store.manifest.n_tokens == tokens.size - 20
    assert store.summary["maximum"].tolist() == [1, 2]
    assert mark not in store.rows.whole("tokens")
    lengths = store.rows.whole("lengths")
    assert lengths[:4].tolist() == [20, 11, 32, 32]
    for row, values in zip(store.read(1).contexts, store.read(1).activations, strict=True):
        assert values.argmax() == (1 if lengths[row] == 11 else 22)
    # A document goes on over the end of a sequence until the next mark.
    documents = [store.rows.document(row) for row in range(7)]
    assert len(set(documents[1:5])) == 1
    assert documents[0] != documents[1]


def test_a_cache_without_text_is_refused(tmp_path):
    tokenizer = tiny_tokenizer()
    tokenizer.save_pretrained(tmp_path / "model")
    marks = np.full((4, 32), tokenizer.convert_tokens_to_ids("<|endoftext|>"))
    path = save_delphi(tmp_path, np.zeros((4, 32, 2)), marks, splits=1, model=str(tmp_path / "model"))
    with pytest.raises(InputError, match="no text, only marks between documents"):
        bring(path, "cache", tmp_path / "dictionaries", None)
    assert not list((tmp_path / "dictionaries").iterdir())
