import pytest
import torch

from labeler.errors import InputError
from labeler.evidence.dictionaries import load_dictionary
from tests.fakes.dictionary import inputs, random_weights, save_openai


def test_topk_reads_a_layer_normed_input(tmp_path):
    dictionary = load_dictionary(save_openai(tmp_path / "8.pt"))
    w, x = random_weights(), inputs()
    centred = x - x.mean(-1, keepdim=True)
    pre = (centred / (centred.std(-1, keepdim=True) + 1e-5) - w["b_dec"]) @ w["W_enc"] + w["b_enc"]
    acts = torch.zeros_like(pre).scatter(-1, pre.topk(8).indices, pre.topk(8).values.relu())
    torch.testing.assert_close(dictionary.encode(x), acts)
    torch.testing.assert_close(dictionary.decode(acts), acts @ w["W_dec"] + w["b_dec"])


def test_the_older_ones_are_relus_of_the_input_as_it_is(tmp_path):
    dictionary = load_dictionary(save_openai(tmp_path / "8.pt", activation="ReLU", activation_state_dict={}))
    w, x = random_weights(), inputs()
    torch.testing.assert_close(dictionary.encode(x), ((x - w["b_dec"]) @ w["W_enc"] + w["b_enc"]).relu())


def test_a_folder_will_do_where_it_holds_one_file(tmp_path):
    one = load_dictionary(save_openai(tmp_path / "8.pt"))
    assert load_dictionary(tmp_path).fingerprint() == one.fingerprint()
    save_openai(tmp_path / "9.pt")
    with pytest.raises(InputError, match=r"holds 2 files of OpenAI \(8.pt, 9.pt\); name one of them"):
        load_dictionary(tmp_path)


def test_a_published_path_tells_the_hook_point(tmp_path):
    path = tmp_path / "sparse-autoencoder/gpt2-small/resid_post_mlp_v5_32k/autoencoders/8.pt"
    dictionary = load_dictionary(save_openai(path))
    assert (dictionary.model, dictionary.hook) == ("openai-community/gpt2", "blocks.8.hook_resid_post")
    other = load_dictionary(save_openai(tmp_path / "8.pt"))
    assert (other.model, other.hook) == ("", "")


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"activation": "Sine"}, "activation 'Sine', then 'ReLU', is not read"),
        ({"activation_state_dict": {"k": 8, "postact_fn": "Identity"}}, "then 'Identity', is not read"),
        ({"activation_state_dict": {"k": 0}}, "k is 0, expected 1 to 64"),
        ({"activation_state_dict": {"k": torch.tensor(8)}}, "expected a whole number"),
        ({"activation_state_dict": 8}, "activation_state_dict is 8, expected an object"),
        ({"pre_bias": torch.zeros(31)}, r"pre_bias has shape \[31\], expected \[32\]"),
    ],
)
def test_what_does_not_fit_is_named(tmp_path, changed, message):
    with pytest.raises(InputError, match=message):
        load_dictionary(save_openai(tmp_path / "8.pt", **changed))
