import pytest
import torch

from labeler.errors import InputError
from labeler.evidence.dictionaries import load_dictionary
from tests.fakes.dictionary import inputs, random_weights, save_gemma_scope_2, save_safetensors


def test_jumprelu_on_the_input_as_it_is(tmp_path):
    dictionary = load_dictionary(save_gemma_scope_2(tmp_path))
    w, x = random_weights(), inputs()
    pre = x @ w["W_enc"] + w["b_enc"]
    torch.testing.assert_close(dictionary.encode(x), pre * (pre > w["threshold"]))
    assert (dictionary.model, dictionary.hook) == ("google/gemma-3-1b-pt", "blocks.7.hook_resid_post")


@pytest.mark.parametrize(
    ("module", "hook"),
    [
        ("model.layers.7.output", "blocks.7.hook_resid_post"),
        ("model.layers.7.self_attn.o_proj.input", "blocks.7.attn.hook_z"),
        ("model.layers.7.post_feedforward_layernorm.output", "blocks.7.hook_mlp_out"),
        ("model.layers.7.somewhere", "model.layers.7.somewhere"),
    ],
)
def test_modules_are_named_as_transformerlens_names_them(tmp_path, module, hook):
    dictionary = load_dictionary(save_gemma_scope_2(tmp_path, hf_hook_point_in=module, hf_hook_point_out=module))
    assert (dictionary.hook, dictionary.hook_out) == (hook, "")


def test_a_transcoder_with_an_affine_skip_writes_elsewhere(tmp_path):
    folder = save_gemma_scope_2(
        tmp_path,
        hf_hook_point_in="model.layers.7.pre_feedforward_layernorm.output",
        hf_hook_point_out="model.layers.7.post_feedforward_layernorm.output",
        affine_connection=True,
    )
    w, x = random_weights(), inputs()
    tensors = {name.lower(): tensor for name, tensor in w.items()}
    save_safetensors(folder / "params.safetensors", {**tensors, "affine_skip_connection": torch.randn(32, 32)})
    dictionary = load_dictionary(folder)
    assert (dictionary.hook, dictionary.hook_out) == ("blocks.7.hook_mlp_in", "blocks.7.hook_mlp_out")
    acts = dictionary.encode(x)
    torch.testing.assert_close(dictionary.decode(acts), acts @ w["W_dec"] + w["b_dec"])


def test_without_a_configuration_the_weights_are_read_alone(tmp_path):
    folder = save_gemma_scope_2(tmp_path)
    (folder / "config.json").unlink()
    dictionary = load_dictionary(folder)
    assert (dictionary.n_features, dictionary.model, dictionary.hook) == (64, "", "")


def test_what_does_not_fit_is_named(tmp_path):
    with pytest.raises(InputError, match="architecture 'topk' is not read"):
        load_dictionary(save_gemma_scope_2(tmp_path, architecture="topk"))
    folder = save_gemma_scope_2(tmp_path)
    tensors = {name.lower(): tensor for name, tensor in random_weights().items()}
    save_safetensors(folder / "params.safetensors", {**tensors, "w_dec": torch.zeros(64, 4, 32)})
    with pytest.raises(InputError, match="w_dec has 3 dimensions, expected 2"):
        load_dictionary(folder)
