import json
from dataclasses import replace

import pytest
import torch

from labeler.demo import sample_dictionary
from labeler.errors import InputError
from labeler.evidence.dictionaries import load_dictionary
from tests.fakes.dictionary import gate, inputs, random_weights, save_dictionary, weights


def test_topk_keeps_the_k_largest_and_nothing_negative(tmp_path):
    dictionary = load_dictionary(save_dictionary(tmp_path / "sae"))
    x = torch.randn(50, 32)
    acts = dictionary.encode(x)
    pre = x @ weights()["W_enc"]
    for row, wanted in zip(acts, pre.topk(4).values.relu(), strict=True):
        torch.testing.assert_close(row[row > 0].sort(descending=True).values, wanted[wanted > 0])


def test_standard_is_a_relu_and_jumprelu_has_a_threshold(tmp_path):
    x = torch.randn(50, 32)
    tensors = {**weights(), "b_enc": torch.full((64,), -0.5), "b_dec": torch.full((32,), 0.1)}
    standard = load_dictionary(save_dictionary(tmp_path / "s", tensors, architecture="standard"))
    torch.testing.assert_close(standard.encode(x), ((x - 0.1) @ tensors["W_enc"] - 0.5).relu())
    tensors["threshold"] = torch.full((64,), 0.7)
    jump = load_dictionary(
        save_dictionary(tmp_path / "j", tensors, architecture="jumprelu", apply_b_dec_to_input=False)
    )
    pre = x @ tensors["W_enc"] - 0.5
    torch.testing.assert_close(jump.encode(x), pre * (pre > 0.7))


def test_gated_has_a_gate_and_a_magnitude_of_one_product(tmp_path):
    w, g, x = random_weights(), gate(), inputs()
    tensors = {**{name: w[name] for name in ("W_enc", "W_dec", "b_dec")}, **g}
    dictionary = load_dictionary(save_dictionary(tmp_path / "sae", tensors, architecture="gated"))
    product = (x - w["b_dec"]) @ w["W_enc"]
    magnitude = (product * g["r_mag"].exp() + g["b_mag"]).relu()
    torch.testing.assert_close(dictionary.encode(x), magnitude * (product + g["b_gate"] > 0), atol=1e-5, rtol=1e-5)


def test_a_batchtopk_that_was_not_finished_counts_by_its_global_threshold(tmp_path):
    w, x = random_weights(), inputs()
    tensors = {**{name: w[name] for name in ("W_enc", "W_dec", "b_enc", "b_dec")}, "topk_threshold": torch.tensor(0.8)}
    folder = save_dictionary(tmp_path / "sae", tensors, architecture="batchtopk", k=4.5)
    pre = (x - w["b_dec"]) @ w["W_enc"] + w["b_enc"]
    torch.testing.assert_close(load_dictionary(folder).encode(x), pre * (pre > 0.8))


def test_rescaling_by_the_decoders_norm_decides_what_is_largest_and_leaves_the_reconstruction(tmp_path):
    w, x = random_weights(), inputs()
    del w["threshold"]
    dictionary = load_dictionary(save_dictionary(tmp_path / "sae", w, rescale_acts_by_decoder_norm=True))
    norms = w["W_dec"].norm(dim=-1)
    pre = ((x - w["b_dec"]) @ w["W_enc"] + w["b_enc"]) * norms
    acts = torch.zeros_like(pre).scatter(-1, pre.topk(4).indices, pre.topk(4).values.relu())
    torch.testing.assert_close(dictionary.encode(x), acts)
    torch.testing.assert_close(dictionary.decode(acts), (acts / norms) @ w["W_dec"] + w["b_dec"])


@pytest.mark.parametrize(
    "norm", ["layer_norm", "constant_norm_rescale", "expected_average_only_in", "none", None, False]
)
def test_inputs_are_normalised_before_the_bias_is_taken_off(tmp_path, norm):
    w, x = random_weights(), inputs()
    dictionary = load_dictionary(
        save_dictionary(tmp_path / "sae", w, architecture="standard", normalize_activations=norm)
    )
    if norm == "layer_norm":
        centred = x - x.mean(-1, keepdim=True)
        normed = centred / (centred.std(-1, keepdim=True) + 1e-5)
    elif norm == "constant_norm_rescale":
        normed = x / x.norm(dim=-1, keepdim=True) * 32**0.5
    else:
        normed = x
    torch.testing.assert_close(dictionary.encode(x), ((normed - w["b_dec"]) @ w["W_enc"] + w["b_enc"]).relu())


@pytest.mark.parametrize("jump", [False, True])
@pytest.mark.parametrize("skip", [False, True])
def test_transcoders_read_here_and_write_there(tmp_path, jump, skip):
    w, x = random_weights(), inputs()
    tensors = {"W_enc": w["W_enc"], "b_enc": w["b_enc"], "W_dec": torch.randn(64, 20), "b_dec": torch.randn(20)}
    if jump:
        tensors["threshold"] = w["threshold"]
    if skip:
        tensors["W_skip"] = torch.randn(20, 32)
    about = {"model_name": "m", "hook_name": "blocks.1.mlp.hook_in", "hook_name_out": "blocks.1.hook_mlp_out"}
    dictionary = load_dictionary(
        save_dictionary(
            tmp_path / "sae",
            tensors,
            architecture="jumprelu_" * jump + "skip_" * skip + "transcoder",
            d_out=20,
            metadata=about,
        )
    )
    pre = x @ w["W_enc"] + w["b_enc"]
    acts = pre * (pre > w["threshold"]) if jump else pre.relu()
    torch.testing.assert_close(dictionary.encode(x), acts)
    torch.testing.assert_close(dictionary.decode(acts), acts @ tensors["W_dec"] + tensors["b_dec"])
    assert (dictionary.hook, dictionary.hook_out) == ("blocks.1.mlp.hook_in", "blocks.1.hook_mlp_out")


def test_files_of_before_version_6_are_read(tmp_path):
    folder = save_dictionary(tmp_path / "sae")
    old = {"d_in": 32, "d_sae": 64, "model_name": "gpt2-small", "hook_point": "blocks.2.hook_resid_pre"}
    topk = {"activation_fn_str": "topk", "activation_fn_kwargs": {"k": 3}, "normalize_activations": False}
    (folder / "cfg.json").write_text(json.dumps({**old, **topk}))
    dictionary = load_dictionary(folder)
    assert (dictionary.model, dictionary.hook) == ("gpt2-small", "blocks.2.hook_resid_pre")
    assert (dictionary.encode(inputs()) > 0).sum(-1).unique().tolist() == [3]


def test_what_the_configuration_does_not_say_is_left_open(tmp_path):
    dictionary = load_dictionary(save_dictionary(tmp_path / "sae", metadata={}))
    assert (dictionary.model, dictionary.hook, dictionary.hook_out) == ("", "", "")


def test_weights_of_half_precision_are_computed_in_single(tmp_path):
    half = {name: tensor.bfloat16() for name, tensor in weights().items()}
    dictionary = load_dictionary(save_dictionary(tmp_path / "sae", half, architecture="standard"))
    x = inputs()
    torch.testing.assert_close(dictionary.encode(x), (x @ half["W_enc"].float()).relu())
    assert dictionary.encode(x.bfloat16()).dtype == torch.float32


def test_tokens_of_outlying_norm_activate_nothing(tmp_path):
    metadata = {"model_name": "tiny", "hook_name": "blocks.0.hook_resid_post", "max_norm": 10.0}
    dictionary = load_dictionary(save_dictionary(tmp_path / "sae", metadata=metadata))
    x = torch.randn(2, 32)
    x[1] *= 1000
    acts = dictionary.encode(x)
    assert acts[0].sum() > 0
    assert acts[1].sum() == 0


def broken(**changes: torch.Tensor) -> dict[str, torch.Tensor]:
    return {**weights(), **changes}


@pytest.mark.parametrize(
    ("tensors", "config", "message"),
    [
        (broken(W_dec=torch.zeros(64, 31)), {}, r"W_dec has shape \[64, 31\], expected \[64, 32\]"),
        (broken(b_enc=torch.zeros(63)), {}, r"b_enc has shape \[63\], expected \[64\]"),
        (broken(b_dec=torch.full((32,), float("nan"))), {}, "b_dec holds NaN or infinite numbers"),
        (broken(b_dec=torch.zeros(32, dtype=torch.int)), {}, "b_dec holds int32, expected floats"),
        (weights(), {"d_sae": 65}, r"W_enc has shape \[32, 64\], but cfg.json says d_in, d_sae = \[32, 65\]"),
        (weights(), {"k": 0}, "k is 0, expected 1 to 64"),
        (weights(), {"k": "many"}, "k is 'many'"),
        (weights(), {"k": True}, "k is True"),
        (weights(), {"architecture": "transformer"}, "architecture 'transformer' is not read"),
        (weights(), {"architecture": "abstopk"}, "architecture 'abstopk' is not read"),
        (weights(), {"architecture": "jumprelu"}, "no tensor threshold"),
        (weights(), {"architecture": "gated"}, "no tensor b_gate, r_mag, b_mag"),
        (weights(), {"architecture": "transcoder"}, "d_out is None, expected a whole number"),
        (weights(), {"normalize_activations": "covariance_whitening"}, "'covariance_whitening' is not read"),
        (weights(), {"normalize_activations": ["none"]}, "normalize_activations"),
        (weights(), {"metadata": []}, "metadata"),
        (weights(), {"metadata": {"model_name": "m", "hook_name": 5}}, "hook_name is 5, expected a string"),
        (weights(), {"metadata": {"model_name": "m", "hook_name": "h", "max_norm": "big"}}, "max_norm is 'big'"),
        ({"W_enc": torch.zeros(32, 64)}, {}, "no tensor W_dec, b_enc, b_dec"),
        (broken(W_enc=torch.zeros(32, 64, 1)), {}, "W_enc has 3 dimensions, expected 2"),
        (broken(W_enc=torch.zeros(0, 64)), {}, "W_enc has shape"),
    ],
)
def test_what_does_not_fit_is_named(tmp_path, tensors, config, message):
    with pytest.raises(InputError, match=message):
        load_dictionary(save_dictionary(tmp_path / "sae", tensors, **config))


def test_damaged_files_are_named(tmp_path):
    folder = save_dictionary(tmp_path / "sae")
    whole = (folder / "sae_weights.safetensors").read_bytes()
    (folder / "sae_weights.safetensors").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match="not a readable safetensors file"):
        load_dictionary(folder)
    (folder / "cfg.json").write_text("{")
    with pytest.raises(InputError, match="not JSON"):
        load_dictionary(folder)
    (folder / "cfg.json").write_text(json.dumps([1]))
    with pytest.raises(InputError, match=r"cfg\.json"):
        load_dictionary(folder)
    (folder / "cfg.json").unlink()
    with pytest.raises(InputError, match=r"cfg\.json: no such file"):
        load_dictionary(folder)


@pytest.mark.parametrize(("hook", "centred"), [("blocks.0.hook_resid_post", True), ("blocks.0.attn.hook_z", False)])
def test_a_residual_stream_that_was_centred_in_training_is_centred_here(tmp_path, hook, centred):
    """TransformerLens's centred writing weights: as of GPT-2's best known dictionaries."""
    metadata = {
        "model_name": "tiny",
        "hook_name": hook,
        "model_from_pretrained_kwargs": {"center_writing_weights": True},
    }
    tensors = weights()
    plain = load_dictionary(save_dictionary(tmp_path / "plain", tensors))
    found = load_dictionary(save_dictionary(tmp_path / "centred", tensors, metadata=metadata))
    x = torch.randn(8, 32) + 3
    wanted = plain.encode(x - x.mean(dim=-1, keepdim=True) if centred else x)
    torch.testing.assert_close(found.encode(x), wanted)


@pytest.mark.parametrize(
    ("said", "bos"),
    [({}, True), ({"metadata": {"prepend_bos": False}}, False), ({"prepend_bos": False, "metadata": {}}, False)],
)
def test_it_says_whether_texts_began_with_a_first_token(tmp_path, said, bos):
    dictionary, usual = load_dictionary(save_dictionary(tmp_path / "a", **said)), save_dictionary(tmp_path / "b")
    assert dictionary.bos is bos
    assert (dictionary.fingerprint() == load_dictionary(usual).fingerprint()) is bos


@pytest.mark.parametrize(
    ("said", "window"),
    [
        ({}, None),
        ({"metadata": {"context_size": 64}}, 63),
        ({"metadata": {"context_size": 64, "prepend_bos": False}}, 64),
        ({"context_size": 1024, "prepend_bos": True, "metadata": {}}, 1023),
        ({"metadata": {"context_size": 129}}, 128),
    ],
)
def test_it_says_how_much_text_was_seen_at_once(tmp_path, said, window):
    dictionary = load_dictionary(save_dictionary(tmp_path / "a", **said))
    assert dictionary.window == window
    # Windows of 128 are what there was before anybody asked: such evidence is the same as ever.
    same = dictionary.fingerprint() == replace(dictionary, window=None).fingerprint()
    assert same is (window in (None, 128))


@pytest.mark.parametrize(
    ("stated", "excluded"), [(None, False), (False, False), (True, True), ([0, 2], (0, 2)), ([], ())]
)
def test_it_says_which_tokens_were_left_out(tmp_path, stated, excluded):
    dictionary = load_dictionary(save_dictionary(tmp_path / "a", metadata={"exclude_special_tokens": stated}))
    assert dictionary.excluded == excluded


def test_it_says_which_token_texts_began_with(tmp_path):
    named = load_dictionary(save_dictionary(tmp_path / "a", metadata={"first_token": "<|im_end|>"}))
    usual = load_dictionary(save_dictionary(tmp_path / "b"))
    assert (named.first_token, usual.first_token) == ("<|im_end|>", "")
    assert named.fingerprint() != usual.fingerprint()


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        ({"context_size": 1}, "context_size is 1; there must be a token beside the first"),
        ({"context_size": 0, "prepend_bos": False}, "context_size is 0; there must be a token"),
        ({"context_size": "long"}, "context_size is 'long', expected a whole number"),
        ({"exclude_special_tokens": [1.5]}, r"exclude_special_tokens is \[1\.5\], expected true or false"),
        ({"exclude_special_tokens": "yes"}, "exclude_special_tokens is 'yes', expected true or false"),
        ({"first_token": 3}, "first_token is 3, expected a string"),
    ],
)
def test_what_it_says_wrongly_of_its_texts_is_refused(tmp_path, metadata, message):
    folder = save_dictionary(tmp_path, metadata=metadata)
    with pytest.raises(InputError, match=message):
        load_dictionary(folder)


def test_the_sample_dictionary_says_what_it_was_trained_behind():
    sample = load_dictionary(sample_dictionary())
    assert (sample.first_token, sample.bos, sample.window, sample.excluded) == ("<|endoftext|>", True, 128, True)
