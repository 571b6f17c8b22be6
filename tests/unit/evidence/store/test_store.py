import json
import shutil

import fsspec
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from labeler.errors import InputError
from labeler.evidence.sampling import split_of
from labeler.evidence.store.manifest import sha256_of
from labeler.evidence.store.store import EvidenceStore
from labeler.features import SPLITS
from tests.fakes.evidence import RULES, make_store, sentences


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return make_store(tmp_path_factory.mktemp("home"))


CONTEXTS = sentences(1500)


def truly_firing(feature: int) -> list[int]:
    return [i for i, words in enumerate(CONTEXTS) if max(RULES[feature](words)) > 0]


def test_counts_are_those_of_the_whole_corpus(store):
    for feature in range(len(RULES)):
        assert store.firing_contexts()[feature].sum() == len(truly_firing(feature))
        active = sum(value > 0 for words in CONTEXTS for value in RULES[feature](words))
        assert store.evidence(feature).statistics.n_firing == active
    population = store.evidence(1).population
    assert population.sum() == 1500
    by_split = np.bincount([split_of(f"document-{i // 10}") for i in range(1500)], minlength=3)
    np.testing.assert_array_equal(population.sum(axis=1), by_split)


def test_contexts_come_back_with_their_words_and_activations(store):
    for context in store.evidence(0).contexts:
        words = [token.strip() for token in context.tokens]
        np.testing.assert_allclose(context.activations, RULES[0](words), rtol=1e-3)
        assert SPLITS.index(context.split) == split_of(context.document)


def test_contexts_are_ordered_by_strength_and_splits_share_no_document(store):
    evidence = store.evidence(2)
    maxima = [context.maximum for context in evidence.contexts]
    assert maxima == sorted(maxima, reverse=True)
    documents = [{context.document for context in evidence.of(split)} for split in SPLITS]
    assert not documents[0] & documents[1]
    assert not documents[0] & documents[2]
    assert not documents[1] & documents[2]


@pytest.mark.parametrize("split", SPLITS)
def test_a_frame_adds_up_to_its_split_of_the_corpus(store, split):
    for feature in range(len(RULES)):
        frame = store.frame(feature, split)
        population = store.evidence(feature).population[SPLITS.index(split)]
        assert frame.weight.sum() == pytest.approx(population.sum())
        assert frame.weight[frame.firing].sum() == pytest.approx(population[1:].sum())


def test_a_frame_of_several_splits_is_theirs_put_together(store):
    for feature in range(len(RULES)):
        together, parts = store.frame(feature, SPLITS), [store.frame(feature, split) for split in SPLITS]
        assert sorted(together.contexts) == sorted(row for part in parts for row in part.contexts)
        stands_for = {row: (w, f) for p in parts for row, w, f in zip(p.contexts, p.weight, p.firing, strict=True)}
        found = zip(together.contexts, together.weight, together.firing, strict=True)
        assert {row: (w, f) for row, w, f in found} == stands_for
        population = store.evidence(feature).population
        assert together.weight.sum() == pytest.approx(population.sum())
        assert together.weight[together.firing].sum() == pytest.approx(population[:, 1:].sum())


def test_in_each_stratum_of_a_frame_of_several_splits_all_contexts_stand_for_as_many(store):
    for feature in range(len(RULES) - 1):
        frame = store.frame(feature, SPLITS)
        strongest = frame.truth.max(axis=1)
        for stratum in set(frame.stratum[frame.firing]):
            here = frame.stratum == stratum
            assert len(set(frame.weight[here])) == 1
            assert len(set(store.rows.split[frame.contexts[here]])) == 1
            assert strongest[here].min() * 1.0001 >= strongest[frame.stratum < stratum - 2].max(initial=0)


def test_silent_contexts_of_a_frame_were_looked_up(store):
    frame = store.frame(3, "score")
    for row, fires in zip(frame.contexts, frame.firing, strict=True):
        words = [token.strip() for token in store.rows.strings(row)]
        assert (max(RULES[3](words)) > 0) == fires


def test_an_index_out_of_range_is_named(store):
    with pytest.raises(InputError, match="feature 5 is out of range: 'toy' has features 0 to 4"):
        store.evidence(5)
    with pytest.raises(InputError, match="feature -1 is out of range"):
        store.frame(-1, "score")


def test_a_reading_holds_what_the_contexts_hold(store):
    found = store.read(0)
    for row, length, activations in zip(found.contexts, found.lengths, found.activations, strict=True):
        words = [token.strip() for token in store.rows.strings(row)]
        np.testing.assert_allclose(activations[:length], RULES[0](words), rtol=1e-3)
        assert not activations[length:].any()


@pytest.mark.parametrize("harm", ["cut", "altered", "gone"])
def test_a_truncated_altered_or_missing_file_is_refused_by_name(tmp_path, harm):
    make_store(tmp_path, n=200)
    file = tmp_path / "dictionaries" / "toy" / "features-00000.safetensors"
    whole = file.read_bytes()
    if harm == "gone":
        file.unlink()
    else:
        file.write_bytes(whole[:-7] if harm == "cut" else whole[:-7] + b"\x00" + whole[-6:])
    with pytest.raises(InputError, match=r"features-00000\.safetensors: damaged"):
        EvidenceStore(file.parent).evidence(0)


def test_a_folder_without_a_manifest_is_no_store(tmp_path):
    with pytest.raises(InputError, match="no evidence here"):
        EvidenceStore(tmp_path)


def test_a_copied_folder_reads_the_same(tmp_path, store):
    copied = EvidenceStore(shutil.copytree(store.shelf.place, tmp_path / "elsewhere"))
    assert copied.manifest.fingerprint == store.manifest.fingerprint
    np.testing.assert_array_equal(copied.read(1).activations, store.read(1).activations)


def test_it_reads_from_a_url_as_from_a_folder(store, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    memory = fsspec.filesystem("memory")
    memory.put(store.shelf.place, "/bucket/toy", recursive=True)
    far = EvidenceStore("memory://bucket/toy")
    assert far.evidence(2).contexts[0].text == store.evidence(2).contexts[0].text
    np.testing.assert_array_equal(far.frame(2, "score").truth, store.frame(2, "score").truth)
    memory.pipe_file("/bucket/toy/summary.safetensors", b"changed on the way")
    shutil.rmtree(tmp_path / "labeler")
    with pytest.raises(InputError, match=r"memory://bucket/toy/summary\.safetensors: damaged"):
        EvidenceStore("memory://bucket/toy").evidence(2)


def test_a_manifest_cannot_name_a_file_outside_the_store(tmp_path):
    make_store(tmp_path, n=50)
    manifest = tmp_path / "dictionaries" / "toy" / "manifest.json"
    stored = json.loads(manifest.read_text())
    stored["files"]["../../secret"] = {"sha256": "0" * 64, "bytes": 1}
    stored["shards"][0]["file"] = "../../secret"
    manifest.write_text(json.dumps(stored))
    with pytest.raises(InputError, match="outside the store"):
        EvidenceStore(manifest.parent).read(0)


@pytest.mark.parametrize(
    "change",
    [
        {"n_features": "many"},
        {"length": 2**45},
        {"length": -1},
        {"sampling": "guessed"},
        {"model": None},
        {"files": {"summary.safetensors": {"sha256": "/etc/passwd", "bytes": 1}}},
        {"shards": [{"file": "features-00000.safetensors", "n": -3}]},
    ],
)
def test_a_manifest_that_cannot_be_is_refused(tmp_path, change):
    make_store(tmp_path, n=50)
    manifest = tmp_path / "dictionaries" / "toy" / "manifest.json"
    manifest.write_text(json.dumps({**json.loads(manifest.read_text()), **change}))
    with pytest.raises(InputError, match=r"manifest\.json: not the manifest of evidence"):
        EvidenceStore(manifest.parent)


@pytest.mark.parametrize(
    ("file", "harm"),
    [
        ("features-00000", lambda arrays: arrays["value"].fill(np.nan)),
        ("features-00000", lambda arrays: arrays["context"].fill(2**31)),
        ("features-00000", lambda arrays: arrays["position"].fill(200)),
        ("features-00000", lambda arrays: arrays["offsets"].fill(0)),
        ("contexts-00000", lambda arrays: arrays["text_start"].fill(0)),
    ],
)
def test_a_file_that_is_whole_but_makes_no_sense_is_refused(tmp_path, file, harm):
    """Its checksum is right: whoever wrote it wrote it so."""
    make_store(tmp_path, n=200)
    folder = tmp_path / "dictionaries" / "toy"
    path = folder / f"{file}.safetensors"
    arrays = {name: array.copy() for name, array in load_file(path).items()}
    harm(arrays)
    save_file(arrays, path)
    manifest = json.loads((folder / "manifest.json").read_text())
    manifest["files"][path.name] = {"sha256": sha256_of(path), "bytes": path.stat().st_size}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(InputError, match=f"{file}.safetensors: damaged"):
        EvidenceStore(folder).evidence(0)
