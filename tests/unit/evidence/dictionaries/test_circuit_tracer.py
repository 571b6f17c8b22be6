import pytest
import torch

from labeler.errors import InputError
from labeler.evidence.dictionaries import load_dictionary
from tests.fakes.dictionary import inputs, random_weights, save_circuit_tracer, save_safetensors

# Every line doubles the one before where keys are merged: with forty, no memory would do.
MERGED = "a0: &a0 {k: v}\n" + "".join(f"a{i}: &a{i} {{<<: [*a{i - 1}, *a{i - 1}]}}\n" for i in range(1, 40))
MERGED += "model_name: {}\n"


def test_jumprelu_where_there_are_thresholds(tmp_path):
    dictionary = load_dictionary(save_circuit_tracer(tmp_path))
    w, x = random_weights(), inputs()
    pre = x @ w["W_enc"] + w["b_enc"]
    acts = pre * (pre > w["threshold"])
    torch.testing.assert_close(dictionary.encode(x), acts)
    torch.testing.assert_close(dictionary.decode(acts), acts @ w["W_dec"] + w["b_dec"])


def test_relu_where_there_are_none(tmp_path):
    dictionary = load_dictionary(save_circuit_tracer(tmp_path, thresholds=False))
    w, x = random_weights(), inputs()
    torch.testing.assert_close(dictionary.encode(x), (x @ w["W_enc"] + w["b_enc"]).relu())


def test_one_layer_of_many_is_named_by_its_file(tmp_path):
    folder = save_circuit_tracer(tmp_path, layers=5)
    third = load_dictionary(folder / "layer_3.safetensors")
    assert third.model == "org/tiny"
    assert (third.hook, third.hook_out) == ("blocks.3.mlp.hook_in", "blocks.3.hook_mlp_out")
    torch.testing.assert_close(third.W_dec, random_weights(seed=3)["W_dec"])
    with pytest.raises(InputError, match=r"holds 5 files of circuit-tracer \(layer_0.safetensors, .*…\); name one"):
        load_dictionary(folder)


def test_without_a_configuration_the_weights_are_read_alone(tmp_path):
    folder = save_circuit_tracer(tmp_path)
    (folder / "config.yaml").unlink()
    dictionary = load_dictionary(folder)
    assert (dictionary.model, dictionary.hook, dictionary.hook_out) == ("", "", "")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("model_name: [", "not YAML"),
        ("- 1\n- 2", "expected an object"),
        ("feature_input_hook: {a: 1}", "feature_input_hook is {'a': '1'}, expected a string"),
        ("model_name: !!python/object/apply:os.system [exit]", r"model_name is \['exit'\], expected a string"),
        (MERGED, "model_name is {}, expected a string"),
        ("[" * 5000, "not YAML"),
    ],
)
def test_a_configuration_of_another_kind_is_named(tmp_path, text, message):
    folder = save_circuit_tracer(tmp_path)
    (folder / "config.yaml").write_text(text)
    with pytest.raises(InputError, match=message):
        load_dictionary(folder)


def test_thresholds_that_would_be_overlooked_are_refused(tmp_path):
    w = random_weights()
    tensors = {"W_enc": w["W_enc"].T, "W_dec": w["W_dec"], "b_enc": w["b_enc"], "b_dec": w["b_dec"]}
    save_safetensors(tmp_path / "layer_0.safetensors", {**tensors, "log_thresholds": w["threshold"]})
    with pytest.raises(InputError, match="log_thresholds are not read"):
        load_dictionary(tmp_path)
