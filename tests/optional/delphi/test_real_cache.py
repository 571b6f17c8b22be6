import json

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file
from transformers import AutoModel

from labeler.evidence.importers.delphi import open_delphi
from tests.fakes.dictionary import save_dictionary
from tests.fakes.tiny_model import VOCABULARY, save_tiny_model
from tests.optional.delphi.reference import PYTHON, listed_by_delphi, write_cache

pytestmark = [pytest.mark.long, pytest.mark.skipif(not PYTHON, reason="LABELER_REFERENCE_DELPHI names no python")]

HOOK, LENGTH, K, BATCH = "layers.0", 64, 4, 8


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Delphi's own cache of 44 rows of random tokens, out of a tiny model and dictionary of random weights."""
    folder = tmp_path_factory.mktemp("delphi")
    save_tiny_model(folder / "model")
    save_dictionary(folder / "dictionary", k=K)
    np.save(folder / "tokens.npy", np.random.default_rng(0).integers(3, VOCABULARY, (44, LENGTH)))
    given = (folder / "model", folder / "dictionary", folder / "tokens.npy", HOOK, folder)
    figures = write_cache(PYTHON, *given, "--batch-size", str(BATCH))
    return folder, figures


@pytest.fixture(scope="module")
def cache(run):
    return open_delphi(run[0])


@pytest.fixture(scope="module")
def dense(cache):
    """[n_sequences, length, n_features] as the reader has it."""
    found = np.zeros((cache.n_sequences, LENGTH, cache.n_features), np.float32)
    for number in range(len(cache.ranges)):
        shard = cache.shard(number)
        found[shard.row, shard.position, shard.feature] = shard.value
    return found


def test_the_last_rows_that_fill_no_batch_are_not_cached(run, cache):
    assert (cache.hook, cache.n_features, cache.n_sequences, cache.sequence_length) == (HOOK, 64, 40, LENGTH)
    assert cache.model == str(run[0] / "model")
    assert cache.ranges == ((0, 11), (12, 24), (25, 37), (38, 50), (51, 63))
    np.testing.assert_array_equal(cache.tokens(0, 40), np.load(run[0] / "tokens.npy")[:40])
    assert run[1]["tokens"] == 40 * LENGTH


def test_the_files_are_as_the_hand_written_ones(run, cache):
    with safe_open(cache.file(1), framework="numpy") as shard:
        kinds = {name: shard.get_slice(name).get_dtype() for name in shard.keys()}  # noqa: SIM118
    assert kinds == {"locations": "U16", "activations": "F16", "tokens": "I64"}
    assert json.loads((cache.folder / "config.json").read_text()) == {
        "dataset_repo": "EleutherAI/SmolLM2-135M-10B",
        "dataset_split": "train[:1%]",
        "dataset_name": "",
        "dataset_column": "text",
        "batch_size": BATCH,
        "cache_ctx_len": LENGTH,
        "n_tokens": 44 * LENGTH,
        "n_splits": 5,
        "model_name": str(run[0] / "model"),
    }


@torch.inference_mode()
def test_the_cache_holds_what_the_dictionary_gives_on_every_token(run, cache, dense):
    model = AutoModel.from_pretrained(run[0] / "model", dtype=torch.float32)
    weights = load_file(run[0] / "dictionary" / "sae_weights.safetensors")
    residual = model(torch.from_numpy(cache.tokens(0, 40)), output_hidden_states=True).hidden_states[1]
    acts, features = ((residual - weights["b_dec"]) @ weights["W_enc"] + weights["b_enc"]).relu().topk(K)
    expected = torch.zeros(40, LENGTH, 64).scatter_(-1, features, acts)
    np.testing.assert_allclose(dense, expected, rtol=2e-3, atol=1e-5)
    assert (dense > 0).sum() == run[1]["nnz"]


def test_delphi_lists_the_windows_in_which_a_feature_fires_by_their_maximum(cache, dense):
    features = [0, 13, 40, 63]
    listed = listed_by_delphi(PYTHON, cache, features, n=1000)
    assert list(listed) == [feature for feature in features if dense[:, :, feature].any()]
    windows = cache.tokens(0, 40).reshape(-1, 32)
    for feature, found in listed.items():
        maxima = dense[:, :, feature].reshape(-1, 32).max(axis=1)
        assert [top for _, top in found] == sorted(maxima[maxima > 0].tolist(), reverse=True)
        expected = [(windows[i].tolist(), float(maxima[i])) for i in np.flatnonzero(maxima)]
        assert sorted(found) == sorted(expected)
