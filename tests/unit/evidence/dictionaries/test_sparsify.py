import pytest
import torch

from labeler.errors import InputError
from labeler.evidence.dictionaries import load_dictionary
from tests.fakes.dictionary import inputs, random_weights, save_json, save_sparsify


def test_topk_keeps_the_largest_of_a_relu(tmp_path):
    dictionary = load_dictionary(save_sparsify(tmp_path / "layers.3"))
    w, x = random_weights(), inputs()
    pre = ((x - w["b_dec"]) @ w["W_enc"] + w["b_enc"]).relu()
    acts = torch.zeros_like(pre).scatter(-1, pre.topk(8).indices, pre.topk(8).values)
    torch.testing.assert_close(dictionary.encode(x), acts)
    torch.testing.assert_close(dictionary.decode(acts), acts @ w["W_dec"] + w["b_dec"])


def test_groupmax_keeps_the_largest_of_every_group(tmp_path):
    dictionary = load_dictionary(save_sparsify(tmp_path / "layers.3", activation="groupmax", k=16))
    w, x = random_weights(), inputs()
    pre = ((x - w["b_dec"]) @ w["W_enc"] + w["b_enc"]).relu()
    groups = pre.view(len(x), 16, 4)
    acts = (groups * (groups == groups.amax(-1, keepdim=True))).view_as(pre)
    torch.testing.assert_close(dictionary.encode(x), acts)


def test_a_transcoder_reads_its_input_as_it_is(tmp_path):
    dictionary = load_dictionary(save_sparsify(tmp_path / "layers.3.mlp", transcode=True, k=64))
    w, x = random_weights(), inputs()
    torch.testing.assert_close(dictionary.encode(x), (x @ w["W_enc"] + w["b_enc"]).relu())


@pytest.mark.parametrize(
    ("folder", "transcode", "hook", "hook_out"),
    [
        ("layers.3", False, "layers.3", ""),
        ("gpt_neox.layers.12", False, "gpt_neox.layers.12", ""),
        ("h.0.mlp", False, "h.0.mlp", ""),
        ("layers.3.mlp", True, "layers.3.mlp.input", "layers.3.mlp"),
        ("embed_tokens", False, "", ""),
        ("elsewhere", False, "", ""),
    ],
)
def test_the_folder_is_named_after_its_module(tmp_path, folder, transcode, hook, hook_out):
    dictionary = load_dictionary(save_sparsify(tmp_path / folder, transcode=transcode))
    assert (dictionary.hook, dictionary.hook_out, dictionary.model) == (hook, hook_out, "")


def test_the_run_beside_names_the_model(tmp_path):
    save_json(tmp_path / "config.json", {"model": "org/tiny", "dataset": "…"})
    assert load_dictionary(save_sparsify(tmp_path / "layers.3")).model == "org/tiny"


@pytest.mark.parametrize(
    ("config", "run", "skip"),
    [
        ({"transcode": True}, {}, False),
        ({"transcode": None}, {"transcode": True}, False),
        ({"transcode": False}, {"transcode": True, "model": "org/tiny"}, False),
        ({"transcode": None}, {}, True),
    ],
)
def test_whoever_says_so_it_is_a_transcoder(tmp_path, config, run, skip):
    """Files of before February 2025 say it in the run's configuration alone, or by their skip."""
    save_json(tmp_path / "config.json", run)
    dictionary = load_dictionary(save_sparsify(tmp_path / "layers.3.mlp", skip=skip, **config))
    assert (dictionary.hook, dictionary.hook_out) == ("layers.3.mlp.input", "layers.3.mlp")
    assert dictionary.input.shift is None


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"num_latents": 65}, r"encoder.weight has shape \[64, 32\], but cfg.json says \[65, 32\]"),
        ({"d_in": 33}, "encoder.weight has shape"),
        ({"activation": "sinus"}, "activation 'sinus' is not read"),
        ({"signed": True}, r"\(signed\) is not read"),
        ({"activation": "groupmax", "k": 7}, "k is 7, expected a number of groups that divides 64"),
        ({"k": 65}, "k is 65, expected 1 to 64"),
        ({"transcode": "yes"}, "transcode is 'yes', expected true or false"),
    ],
)
def test_what_does_not_fit_is_named(tmp_path, config, message):
    with pytest.raises(InputError, match=message):
        load_dictionary(save_sparsify(tmp_path / "layers.3", **config))
