"""A model, dictionaries and a corpus become evidence: what is stored is what the model computes."""

import json
import random
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from labeler.errors import InputError
from labeler.evidence.collect import forward as passing
from labeler.evidence.collect.collect import CollectRequest, Wanted, collect, fitting
from labeler.evidence.dictionaries import load_dictionary
from labeler.evidence.store.states import encoded
from labeler.features import SPLITS
from labeler.models.encoder import load_encoder
from labeler.models.hooks import HookPoint
from labeler.models.language import load_language_model
from tests.fakes.dictionary import save_dictionary, weights
from tests.fakes.shallow_encoder import shallow_encoder
from tests.fakes.tiny_model import save_tiny_model, tiny_language_model

PROSE = "the cat sat on the mat and then they ate the other bread while a breath of air stood over there".split()


@pytest.fixture(scope="module", autouse=True)
def short_pieces():
    """The same for all collections here, for batches of other shapes round otherwise in bfloat16."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(passing, "PIECE_TOKENS", 3_000)
        yield


@pytest.fixture(scope="module", autouse=True)
def quick_states(short_pieces, tmp_path_factory):
    """Ten collections encode the same contexts, and but one test looks at what became of them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))  # what means nothing must not be kept
        patch.setattr("labeler.models.encoder.load_encoder", shallow_encoder)
        yield


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    folder = tmp_path_factory.mktemp("own")
    save_tiny_model(folder / "model")
    save_dictionary(folder / "sae")
    save_dictionary(
        folder / "second",
        weights(n=48, seed=1),
        d_sae=48,
        k=3,
        metadata={"model_name": "tiny", "hook_name": "layers.1.mlp", "prepend_bos": False},
    )
    rng = random.Random(0)
    lines = [json.dumps({"id": f"d{i}", "text": " ".join(rng.choices(PROSE, k=150))}) for i in range(120)]
    (folder / "corpus.jsonl").write_text("\n".join(lines))
    return folder


def request(own, *wanted, tokens=None):
    return CollectRequest(
        model=str(own / "model"),
        wanted=tuple(
            Wanted(dictionary=str(d) if d == "neurons" else str(own / d), name=n, hook=h) for d, n, h in wanted
        ),
        corpus=str(own / "corpus.jsonl"),
        tokens=tokens,
    )


def content(store):
    """All that a store says of its features, file names and times aside."""
    found = []
    for index in store.indices.tolist():
        evidence = store.evidence(index)
        contexts = [(c.document, c.text, c.activations.tolist()) for c in evidence.contexts]
        found.append((sorted(contexts), evidence.population.tolist(), evidence.statistics.n_firing, evidence.promoted))
    return found


@pytest.fixture(scope="module")
def whole(own, tmp_path_factory):
    return collect(request(own, ("sae", "whole", None)), tmp_path_factory.mktemp("dictionaries"))[0]


@torch.inference_mode()
def test_every_activation_at_hand_is_what_model_and_dictionary_say(own, whole):
    model, dictionary = load_language_model(str(own / "model")), load_dictionary(own / "sae")
    hook = HookPoint.parse(dictionary.hook)
    texts = {line["id"]: line["text"] for line in map(json.loads, (own / "corpus.jsonl").read_text().splitlines())}
    truth = {}
    for document, text in texts.items():
        ids = model.tokenise(text)[0]
        for start in range(0, len(ids), 128):
            window = torch.tensor([[model.bos_id, *ids[start : start + 128].tolist()]])
            acts = dictionary.encode(model.activations(window, [hook])[0][0, 1:]).numpy()
            for at in range(0, len(acts), 32):
                piece = ids[start + at : start + at + 32].tolist()
                truth[document, tuple(piece)] = acts[at : at + 32]
    ids = whole.rows.whole("tokens")
    for index in range(0, 64, 7):
        found = whole.read(index)
        for row, length, activations in zip(found.contexts, found.lengths, found.activations, strict=True):
            expected = truth[whole.rows.document(int(row)), tuple(ids[row, :length].tolist())][:, index]
            # Batches of other shapes round otherwise in bfloat16, and a feature at the edge of the top k may fall out.
            close = np.isclose(activations[:length], expected, rtol=0.05, atol=0.05)
            assert close.mean() > 0.9


def test_it_is_measured_whether_promoted_tokens_say_anything(whole):
    lens = whole.manifest.lens
    assert lens.low <= lens.auc <= lens.high
    assert 8 <= lens.n_features <= 64
    assert whole.evidence(3).lens == lens


def test_silent_contexts_are_all_the_others(whole):
    for split in SPLITS:
        frame = whole.frame(5, split)
        assert frame.weight.sum() == pytest.approx((whole.rows.split == SPLITS.index(split)).sum())


def test_several_dictionaries_in_one_pass_give_what_each_gives_alone(own, whole, tmp_path):
    both = collect(request(own, ("sae", "one", None), ("second", "two", None)), tmp_path / "both")
    [alone] = collect(request(own, ("second", "two", None)), tmp_path / "alone")
    assert content(both[0]) == content(whole)
    assert content(both[1]) == content(alone)
    assert both[1].manifest.hook == "layers.1.mlp"


def test_more_tokens_are_added_to_what_is_there(own, whole, tmp_path):
    [some] = collect(request(own, ("sae", "growing", None), tokens=4_000), tmp_path)
    assert 4_000 <= some.manifest.n_tokens < 4_000 + 128  # a window at most
    [same] = collect(request(own, ("sae", "growing", None), tokens=2_000), tmp_path)
    assert same.manifest == some.manifest
    [all_of_it] = collect(request(own, ("sae", "growing", None)), tmp_path)
    assert content(all_of_it) == content(whole)
    [again] = collect(request(own, ("sae", "growing", None)), tmp_path)
    assert again.manifest == all_of_it.manifest
    assert [path.name for path in tmp_path.iterdir()] == ["growing"]


@pytest.mark.parametrize("tokens", [2_900, 3_001])
def test_what_was_asked_for_is_read_and_no_window_more(own, tmp_path, tokens):
    [store] = collect(request(own, ("sae", "some", None), tokens=tokens), tmp_path)
    found = store.manifest.collected
    assert (found.tokens, found.asked, found.ended) == (store.manifest.n_tokens, tokens, False)
    assert tokens <= found.tokens < tokens + 128
    assert 0 < found.documents < 120


def test_of_the_last_piece_no_pass_is_made_in_which_nothing_is_wanted(own, tmp_path, monkeypatch):
    monkeypatch.setitem(passing.ROWS, "cpu", 2)
    told = []

    def hear(stage, done, of, unit=""):
        if stage == "reading the corpus":
            told.append((done, of))

    [store] = collect(request(own, ("sae", "some", None), tokens=4_000), tmp_path, hear)
    assert told[0] == (0, 4_000)
    assert store.manifest.n_tokens <= told[-1][0] == told[-1][1] < 4_000 + 4 * 2 * 129  # windows of a few lengths


def test_dictionaries_with_different_amounts_go_on_together(own, whole, tmp_path):
    collect(request(own, ("sae", "more", None), tokens=4_321), tmp_path)
    collect(request(own, ("second", "less", None), tokens=1_234), tmp_path)
    both = collect(request(own, ("second", "less", None), ("sae", "more", None), tokens=5_555), tmp_path)
    assert {5_555 <= store.manifest.n_tokens < 5_555 + 128 for store in both} == {True}
    assert both[0].manifest.collected == both[1].manifest.collected
    both = collect(request(own, ("second", "less", None), ("sae", "more", None)), tmp_path)
    assert content(both[1]) == content(whole)


def test_one_that_is_ahead_waits_for_the_others(own, whole, tmp_path):
    collect(request(own, ("sae", "ahead", None), tokens=4_000), tmp_path)
    both = collect(request(own, ("sae", "ahead", None), ("second", "behind", None)), tmp_path)
    assert content(both[0]) == content(whole)
    assert both[1].manifest.n_tokens == whole.manifest.n_tokens


@pytest.mark.parametrize(
    ("said", "first", "size", "excluded"),
    [
        ({"context_size": 40}, "bos", 39, ()),
        ({"context_size": 50, "prepend_bos": False}, None, 50, ()),
        ({"context_size": 4_000, "first_token": "<|endoftext|>"}, "separator", None, ()),
        ({"exclude_special_tokens": [7, 9, 30]}, "bos", 128, (7, 9, 30)),
        ({"exclude_special_tokens": True}, "bos", 128, ()),
    ],
)
def test_text_is_read_as_the_dictionary_says_that_it_was_trained(own, tmp_path, said, first, size, excluded):
    metadata = {"model_name": "tiny", "hook_name": "blocks.0.hook_resid_post", **said}
    save_dictionary(tmp_path / "sae", metadata=metadata)
    [store] = collect(request(own, (tmp_path / "sae", "trained", None), tokens=3_000), tmp_path / "dictionaries")
    model, dictionary = load_language_model(str(own / "model")), load_dictionary(tmp_path / "sae")
    size = size or model.longest - 1
    begin = {"bos": [model.bos_id], "separator": [model.separator_id], None: []}[first]
    lines = (own / "corpus.jsonl").read_text().splitlines()
    texts = {line["id"]: line["text"] for line in map(json.loads, lines[:40])}
    truth = {}
    for document, text in texts.items():
        ids = model.tokenise(text)[0]
        for start in range(0, len(ids), size):
            here = ids[start : start + size]
            window = torch.tensor([[*begin, *here.tolist()]])
            acts = dictionary.encode(model.activations(window, [HookPoint.parse(dictionary.hook)])[0][0, len(begin) :])
            acts[np.isin(here, excluded)] = 0
            for at in range(0, len(here), 32):
                truth[document, tuple(here[at : at + 32].tolist())] = acts[at : at + 32].numpy()
    ids, close = store.rows.whole("tokens"), []
    for index in range(0, 64, 7):
        found = store.read(index)
        for row, length, activations in zip(found.contexts, found.lengths, found.activations, strict=True):
            expected = truth.get((store.rows.document(int(row)), tuple(ids[row, :length].tolist())))
            assert expected is not None or store.rows.document(int(row)) not in texts
            if expected is not None:
                close.append(np.isclose(activations[:length], expected[:, index], rtol=0.05, atol=0.05).mean())
                assert not activations[:length][np.isin(ids[row, :length], excluded)].any()
    assert np.mean(close) > 0.95
    assert len(close) > 50


def test_neurons_need_no_file_and_have_both_signs(own, tmp_path):
    hook = "blocks.0.mlp.hook_post"
    [store] = collect(request(own, ("neurons", "neurons", hook), tokens=3_000), tmp_path)
    assert store.n_features == 2 * 64  # the tiny model's MLP has 64 neurons
    assert store.firing_contexts()[6].sum()
    rows = {int(row): acts for row, acts in zip(store.read(6).contexts, store.read(6).activations, strict=True)}
    for row, acts in zip(store.read(7).contexts, store.read(7).activations, strict=True):
        if int(row) in rows:
            assert not (acts * rows[int(row)]).any()  # a neuron is never positive and negative at once
    assert store.evidence(6).promoted[0][0] == store.evidence(7).suppressed[0][0]


def test_a_hook_point_can_be_named_and_must_fit(own, tmp_path):
    [store] = collect(request(own, ("sae", "moved", "blocks.1.hook_resid_post"), tokens=3_000), tmp_path)
    assert store.manifest.hook == "blocks.1.hook_resid_post"
    with pytest.raises(InputError, match=r"reads 32 dimensions, but at blocks\.0\.mlp\.hook_post .* has 64"):
        collect(request(own, ("sae", "wrong", "blocks.0.mlp.hook_post")), tmp_path)
    with pytest.raises(InputError, match="layers 0 to 1"):
        collect(request(own, ("sae", "wrong", "layers.9")), tmp_path)
    with pytest.raises(InputError, match="name it with `hook`"):
        collect(request(own, ("neurons", "wrong", None)), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["moved"]


def test_the_same_name_from_something_else_is_refused(own, whole, tmp_path):
    collect(request(own, ("sae", "mine", None), tokens=3_000), tmp_path)
    with pytest.raises(
        InputError, match=r"'mine' exists and was collected from something else \(dictionary, hook differ\)"
    ):
        collect(request(own, ("second", "mine", None)), tmp_path)


def test_the_embeddings_of_the_pool_are_stored_once_and_are_the_encoders(own, tmp_path, monkeypatch):
    monkeypatch.setattr("labeler.models.encoder.load_encoder", load_encoder)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    [store] = collect(request(own, ("sae", "encoded", None), tokens=3_000), tmp_path)
    rows = np.flatnonzero(store.rows.pool_place >= 0)[:40]
    stored = np.moveaxis(store.states.times(rows, np.eye(384, dtype=np.float32)), 0, -1)
    assert stored.shape == (40, 32, 384)
    for batch, states in encoded(store.rows, rows, 32):
        np.testing.assert_allclose(stored[np.searchsorted(rows, batch)], states, atol=2e-3)
    words = store.lexicon.of(rows)
    used = np.unique(words[words >= 0])
    spelled = [store.lexicon.spelled[word].decode() for word in used]
    np.testing.assert_allclose(store.word_vectors(used), load_encoder().texts(spelled), atol=2e-3)
    assert store.manifest.files.keys() >= {"words.safetensors", "places-00000.safetensors", "vectors.safetensors"}


@pytest.mark.parametrize(("name", "centres"), [("gpt2", True), ("llama", False)])
def test_only_a_model_with_layer_norms_has_its_residual_stream_centred(tmp_path, name, centres):
    metadata = {
        "model_name": "tiny",
        "hook_name": "blocks.0.hook_resid_post",
        "model_from_pretrained_kwargs": {"center_writing_weights": True},
    }
    dictionary = load_dictionary(save_dictionary(tmp_path / "sae", metadata=metadata))
    assert fitting(dictionary, tiny_language_model(name)).input.centre is centres


def test_a_kill_while_the_work_is_swept_away_leaves_a_store_that_can_be_gone_on_with(own, whole, tmp_path, monkeypatch):
    """What the sweeping had not reached must not be taken for an unfinished collection."""
    swept = shutil.rmtree

    def killed(path, *arguments, **options):
        if ".collecting-" in str(path) and "store" not in Path(path).name and Path(path).exists():
            for file in sorted(Path(path).rglob("pairs-*"))[-1:]:
                file.unlink()
            raise KeyboardInterrupt
        swept(path, *arguments, **options)

    monkeypatch.setattr("labeler.evidence.collect.publish.shutil.rmtree", killed)
    with pytest.raises(KeyboardInterrupt):
        collect(request(own, ("sae", "swept", None), tokens=4_000), tmp_path)
    monkeypatch.undo()
    [store] = collect(request(own, ("sae", "swept", None)), tmp_path)
    assert content(store) == content(whole)
    assert [path.name for path in tmp_path.iterdir()] == ["swept"]
