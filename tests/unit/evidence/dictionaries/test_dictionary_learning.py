import pytest
import torch

from labeler.errors import InputError
from labeler.evidence.dictionaries import load_dictionary
from tests.fakes.dictionary import (
    dictionary_learning_state,
    gate,
    inputs,
    random_weights,
    save_dictionary_learning,
    save_torch,
)

W, G, X = random_weights(), gate(), inputs()
CENTRED = (X - W["b_dec"]) @ W["W_enc"]
RAW = X @ W["W_enc"] + W["b_enc"]
NORMS = W["W_dec"].norm(dim=-1)


def over(pre, threshold):
    return pre * (pre > threshold)


def largest(pre, k):
    return torch.zeros_like(pre).scatter(-1, pre.topk(k).indices, pre.topk(k).values.relu())


EXPECTED = {
    "AutoEncoder": (CENTRED + W["b_enc"]).relu() * NORMS,
    "AutoEncoderNew": RAW.relu(),
    "AutoEncoderTopK": largest(CENTRED + W["b_enc"], 8),
    "BatchTopKSAE": over(CENTRED + W["b_enc"], 0.7),
    "MatryoshkaBatchTopKSAE": over(CENTRED + W["b_enc"], 0.7),
    "JumpReluAutoEncoder": over(RAW, W["threshold"]),
    "GatedAutoEncoder": (CENTRED * G["r_mag"].exp() + G["b_mag"]).relu() * (CENTRED + G["b_gate"] > 0),
}


@pytest.mark.parametrize("kind", EXPECTED)
def test_every_class_is_computed_by_its_formula(tmp_path, kind):
    dictionary = load_dictionary(save_dictionary_learning(tmp_path, kind))
    torch.testing.assert_close(dictionary.encode(X), EXPECTED[kind], atol=1e-5, rtol=1e-5)
    assert (dictionary.model, dictionary.hook) == ("tiny", "blocks.1.hook_resid_post")


def test_an_autoencoder_of_any_decoder_reconstructs_what_it_would_unnormalised(tmp_path):
    dictionary = load_dictionary(save_dictionary_learning(tmp_path, "AutoEncoder"))
    assert dictionary.W_dec is not None
    torch.testing.assert_close(dictionary.W_dec.norm(dim=-1), torch.ones(64))
    plain = (CENTRED + W["b_enc"]).relu() @ W["W_dec"] + W["b_dec"]
    torch.testing.assert_close(dictionary.decode(dictionary.encode(X)), plain, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("kind", sorted(set(EXPECTED) - {"AutoEncoderTopK", "BatchTopKSAE"}))
def test_without_a_configuration_the_tensors_tell_the_class(tmp_path, kind):
    save_torch(tmp_path / "ae.pt", dictionary_learning_state(kind))
    torch.testing.assert_close(load_dictionary(tmp_path).encode(X), EXPECTED[kind], atol=1e-5, rtol=1e-5)


def test_where_the_tensors_do_not_tell_the_configuration_is_asked_for(tmp_path):
    save_torch(tmp_path / "ae.pt", dictionary_learning_state("BatchTopKSAE"))
    with pytest.raises(InputError, match=r"may be of AutoEncoderTopK or of BatchTopKSAE"):
        load_dictionary(tmp_path)


def test_a_topk_of_before_k_was_saved_has_it_in_its_configuration(tmp_path):
    folder = save_dictionary_learning(tmp_path, "AutoEncoderTopK", k=5)
    state = dictionary_learning_state("AutoEncoderTopK")
    del state["k"], state["threshold"]
    save_torch(folder / "ae.pt", state)
    torch.testing.assert_close(load_dictionary(folder).encode(X), largest(CENTRED + W["b_enc"], 5))


@pytest.mark.parametrize(
    ("trainer", "hook"),
    [
        ({"submodule_name": None}, "blocks.1.hook_resid_post"),
        ({"submodule_name": "mlp_layer1"}, "blocks.1.hook_mlp_out"),
        ({"submodule_name": "attn_layer1"}, "blocks.1.hook_attn_out"),
        ({"submodule_name": "embed"}, ""),
        ({"layer": None}, ""),
    ],
)
def test_the_hook_is_the_layer_that_was_trained_on(tmp_path, trainer, hook):
    assert load_dictionary(save_dictionary_learning(tmp_path, **trainer)).hook == hook


@pytest.mark.parametrize(
    ("kind", "trainer", "message"),
    [
        ("BatchTopKSAE", {"dict_class": "IdentityDict"}, "dict_class 'IdentityDict' is not read"),
        ("AutoEncoder", {"dict_class": "GatedAutoEncoder"}, "no tensor decoder_bias, r_mag, gate_bias, mag_bias"),
        ("AutoEncoder", {"layer": "first"}, "layer is 'first', expected a whole number"),
    ],
)
def test_what_does_not_fit_is_named(tmp_path, kind, trainer, message):
    with pytest.raises(InputError, match=message):
        load_dictionary(save_dictionary_learning(tmp_path, kind, **trainer))


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("k", torch.tensor(2.5), "k is 2.5, expected a whole number"),
        ("k", torch.tensor([1, 2]), "expected a single number"),
        ("k", torch.tensor(torch.inf), "k is inf, expected a finite number"),
        ("k", torch.tensor(0), "k is 0, expected 1 to 64"),
        ("b_dec", torch.zeros(31), r"b_dec has shape \[31\], expected \[32\]"),
        ("b_dec", "zero", "b_dec is no tensor"),
        ("decoder.weight", torch.zeros(32, 63), r"decoder.weight has shape \[32, 63\], expected \[32, 64\]"),
    ],
)
def test_tensors_that_do_not_fit_are_named(tmp_path, name, value, message):
    folder = save_dictionary_learning(tmp_path, "AutoEncoderTopK")
    save_torch(folder / "ae.pt", {**dictionary_learning_state("AutoEncoderTopK"), name: value})
    with pytest.raises(InputError, match=message):
        load_dictionary(folder)
