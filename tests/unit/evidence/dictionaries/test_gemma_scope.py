import numpy as np
import pytest
import torch

from labeler.errors import InputError
from labeler.evidence.dictionaries import load_dictionary
from tests.fakes.dictionary import inputs, random_weights, save_gemma_scope


def test_jumprelu_on_the_input_as_it_is(tmp_path):
    dictionary = load_dictionary(save_gemma_scope(tmp_path))
    w, x = random_weights(), inputs()
    pre = x @ w["W_enc"] + w["b_enc"]
    acts = pre * (pre > w["threshold"])
    torch.testing.assert_close(dictionary.encode(x), acts)
    torch.testing.assert_close(dictionary.decode(acts), acts @ w["W_dec"] + w["b_dec"])


@pytest.mark.parametrize(
    ("path", "model", "hook", "hook_out"),
    [
        ("gemma-scope-2b-pt-res/layer_20/width_16k/x", "google/gemma-2-2b", "blocks.20.hook_resid_post", ""),
        (
            "models--google--gemma-scope-9b-it-res/snapshots/abc/layer_9/width_16k/x",
            "google/gemma-2-9b-it",
            "blocks.9.hook_resid_post",
            "",
        ),
        ("gemma-scope-2b-pt-mlp/layer_3/width_16k/x", "google/gemma-2-2b", "blocks.3.hook_mlp_out", ""),
        ("gemma-scope-2b-pt-att/layer_3/width_16k/x", "google/gemma-2-2b", "blocks.3.attn.hook_z", ""),
        (
            "gemma-scope-2b-pt-transcoders/layer_3/width_16k/x",
            "google/gemma-2-2b",
            "blocks.3.ln2.hook_normalized",
            "blocks.3.hook_mlp_out",
        ),
        ("gemma-scope-2b-pt-res/somewhere", "google/gemma-2-2b", "", ""),
        ("layer_3/width_16k/x", "", "", ""),
    ],
)
def test_the_path_tells_what_it_belongs_to(tmp_path, path, model, hook, hook_out):
    dictionary = load_dictionary(save_gemma_scope(tmp_path / path))
    assert (dictionary.model, dictionary.hook, dictionary.hook_out) == (model, hook, hook_out)


def test_those_of_embeddings_read_them_before_the_models_scaling(tmp_path):
    dictionary = load_dictionary(save_gemma_scope(tmp_path / "gemma-scope-2b-pt-res/embedding/width_4k/x"))
    w, x = random_weights(), inputs()
    pre = x / 32**0.5 @ w["W_enc"] + w["b_enc"]
    acts = pre * (pre > w["threshold"])
    torch.testing.assert_close(dictionary.encode(x), acts)
    torch.testing.assert_close(dictionary.decode(acts), (acts @ w["W_dec"] + w["b_dec"]) * 32**0.5)
    assert dictionary.hook == "hook_embed"


def test_small_names_compression_other_orders_and_half_precision_are_read(tmp_path):
    arrays = {name: tensor.numpy() for name, tensor in random_weights().items()}
    arrays["w_enc"] = np.asfortranarray(arrays.pop("W_enc"))
    arrays["w_dec"] = arrays.pop("W_dec").astype(">f4")
    arrays["b_enc"] = arrays["b_enc"].astype(np.float64)
    np.savez_compressed(tmp_path / "params.npz", **arrays)
    (tmp_path / "plain").mkdir()
    plain = load_dictionary(save_gemma_scope(tmp_path / "plain"))
    assert load_dictionary(tmp_path).fingerprint() == plain.fingerprint()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"threshold": np.zeros(63, np.float32)}, r"threshold has shape \[63\], expected \[64\]"),
        ({"W_dec": np.zeros((63, 32), np.float32)}, r"W_dec has shape \[63, 32\], expected \[64, 32\]"),
        ({"W_enc": np.zeros((32, 64), np.int32)}, "expected floats"),
        ({"W_enc": np.array([{"a": 1}])}, "expected floats"),
        ({"b_enc": np.full(64, 1e300)}, "b_enc holds NaN or infinite numbers"),
        ({"W_enc": None}, "no tensor W_enc"),
    ],
)
def test_what_does_not_fit_is_named(tmp_path, change, message):
    arrays = {name: tensor.numpy() for name, tensor in random_weights().items()} | change
    np.savez(tmp_path / "params.npz", **{name: array for name, array in arrays.items() if array is not None})
    with pytest.raises(InputError, match=message):
        load_dictionary(tmp_path)
