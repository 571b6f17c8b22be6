import json

import pytest
import torch

from labeler.errors import InputError
from labeler.evidence.dictionaries import load_dictionary
from tests.fakes.dictionary import save_dictionary, weights


def test_topk_keeps_the_k_largest_and_nothing_negative(tmp_path):
    dictionary = load_dictionary(save_dictionary(tmp_path / "sae"))
    x = torch.randn(50, 32)
    acts = dictionary.encode(x)
    pre = x @ dictionary.W_enc
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
        (weights(), {"d_sae": 65}, r"W_enc has shape \[32, 64\], but cfg.json says d_in, d_sae = \[32, 65\]"),
        (weights(), {"k": 0}, "k is 0, expected 1 to 64"),
        (weights(), {"k": "many"}, "k is 'many'"),
        (weights(), {"architecture": "transformer"}, "architecture 'transformer' is not read"),
        (weights(), {"architecture": "jumprelu"}, "no tensor threshold"),
        (weights(), {"metadata": {}}, "no model_name and hook_name"),
        (weights(), {"metadata": []}, "metadata"),
        (weights(), {"metadata": {"model_name": "m", "hook_name": 5}}, "no model_name and hook_name"),
        (weights(), {"metadata": {"model_name": "m", "hook_name": "h", "max_norm": "big"}}, "max_norm is 'big'"),
        ({"W_enc": torch.zeros(32, 64)}, {}, "no tensor W_dec, b_enc, b_dec"),
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


def test_folders_of_no_family_are_named(tmp_path):
    with pytest.raises(InputError, match="no dictionary folder at"):
        load_dictionary(tmp_path / "none")
    with pytest.raises(InputError, match="no dictionary of a known family"):
        load_dictionary(tmp_path)
