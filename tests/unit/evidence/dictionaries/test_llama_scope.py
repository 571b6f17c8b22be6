import pytest
import torch

from labeler.errors import InputError
from labeler.evidence.dictionaries import load_dictionary
from tests.fakes.dictionary import D, inputs, random_weights, save_llama_scope


def test_inputs_and_outputs_are_scaled_and_the_threshold_with_the_inputs(tmp_path):
    dictionary = load_dictionary(save_llama_scope(tmp_path))
    w, x = random_weights(), inputs()
    scale_in, scale_out = D**0.5 / 3.5, D**0.5 / 2.5
    pre = scale_in * x @ w["W_enc"] + w["b_enc"]
    acts = pre * (pre > 0.2 * scale_in)
    torch.testing.assert_close(dictionary.encode(x), acts)
    torch.testing.assert_close(dictionary.decode(acts), (acts @ w["W_dec"] + w["b_dec"]) / scale_out)


def test_norms_that_are_in_the_weights_are_not_applied_again(tmp_path):
    dictionary = load_dictionary(
        save_llama_scope(tmp_path, norm_activation="inference", apply_decoder_bias_to_pre_encoder=True)
    )
    w, x = random_weights(), inputs()
    pre = (x - w["b_dec"]) @ w["W_enc"] + w["b_enc"]
    torch.testing.assert_close(dictionary.encode(x), pre * (pre > 0.2))


def test_it_says_where_it_reads_and_writes(tmp_path):
    folder = save_llama_scope(
        tmp_path / "Llama3_1-8B-Base-L8TC-8x",
        hook_point_in="blocks.8.ln2.hook_normalized",
        hook_point_out="blocks.8.hook_mlp_out",
    )
    transcoder = load_dictionary(folder)
    assert (transcoder.hook, transcoder.hook_out) == ("blocks.8.ln2.hook_normalized", "blocks.8.hook_mlp_out")
    assert transcoder.model == "meta-llama/Llama-3.1-8B"
    residual = load_dictionary(save_llama_scope(tmp_path / "mine"))
    assert (residual.hook, residual.hook_out, residual.model) == ("blocks.8.hook_resid_post", "", "")


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"act_fn": "topk"}, "act_fn 'topk' is not read"),
        ({"use_glu_encoder": True}, "is not read"),
        ({"d_sae": 63}, r"encoder.weight has shape \[64, 32\], but hyperparams.json says \[63, 32\]"),
        ({"jump_relu_threshold": None}, "jump_relu_threshold is None, expected a number"),
        ({"dataset_average_activation_norm": {"in": 0, "out": 1}}, "norm.in must be more than 0"),
        ({"dataset_average_activation_norm": {"in": 1}}, "out is None, expected a number"),
        ({"dataset_average_activation_norm": 3}, "expected an object"),
    ],
)
def test_what_does_not_fit_is_named(tmp_path, config, message):
    with pytest.raises(InputError, match=message):
        load_dictionary(save_llama_scope(tmp_path, **config))
