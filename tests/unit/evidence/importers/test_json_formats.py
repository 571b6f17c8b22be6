"""Formats of one feature a file."""

import pytest

from labeler.errors import InputError
from labeler.evidence.importers.registry import open_foreign
from tests.fakes.foreign import circuit_tracer, neuron_records
from tests.fakes.foreign.sample import FEATURES, save_json


def one(path, value):
    return next(iter(open_foreign(save_json(path, value)).features()))


def test_a_neuron_record_is_a_file_of_its_own(tmp_path):
    path = save_json(tmp_path / "12.json.gz", neuron_records.record(12, FEATURES[12]))
    foreign = open_foreign(path)
    assert foreign.origin.hook == "layer 5"
    assert [feature.index for feature in foreign.features()] == [12]


def test_a_neurons_negative_activations_are_none(tmp_path):
    record = neuron_records.record(0, [(["a", "b", "c"], [-0.17, 0.0, 2.5])])
    assert one(tmp_path / "0.json", record).windows[0].activations.tolist() == [0, 0, 2.5]


def test_quantiles_may_be_missing(tmp_path):
    record = neuron_records.record(0, FEATURES[0], random_sample_by_quantile=None, quantile_boundaries=None, mean=...)
    assert len(one(tmp_path / "0.json", record).windows) == 2


def test_the_folder_of_a_layer_and_the_folder_above_it_are_the_same(tmp_path):
    neuron_records.save_neuron_records(tmp_path, layer=7)
    for path in (tmp_path, tmp_path / "7"):
        foreign = open_foreign(path)
        assert foreign.origin.hook == "layer 7"
        assert [feature.index for feature in foreign.features()] == [0, 3, 12]


def test_several_layers_are_several_dictionaries(tmp_path):
    neuron_records.save_neuron_records(tmp_path, layer=7)
    neuron_records.save_neuron_records(tmp_path, layer=11)
    with pytest.raises(InputError, match=r"holds 2 layers; give the folder of one, such as .*/7"):
        open_foreign(tmp_path)


def test_a_record_of_another_layer_is_refused(tmp_path):
    neuron_records.save_neuron_records(tmp_path)
    save_json(tmp_path / "5" / "99.json", neuron_records.record(99, FEATURES[0], layer=6))
    with pytest.raises(InputError, match=r"99\.json: of no model at layer 6, but 0\.json is of no model at layer 5"):
        list(open_foreign(tmp_path).features())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"neuron_id": ...}, "neuron_id: missing where an object was expected"),
        ({"neuron_id": [1, 2]}, "neuron_id: a list where an object was expected"),
        ({"neuron_id": {"layer_index": 0}}, "neuron_id: 'neuron_index' is missing"),
        ({"random_sample": [[]]}, r"random_sample\[0\]: a list where an object was expected"),
        ({"random_sample_by_quantile": [{}]}, r"'random_sample_by_quantile\[0\]' is an object, expected a list"),
        ({"random_sample_by_quantile": [[3]]}, r"random_sample_by_quantile\[0\]\[0\]: 3 where an object was expected"),
        ({"random_sample": [{"tokens": ["a"], "activations": []}]}, "1 'tokens' but 0 'activations'"),
    ],
)
def test_what_is_wrong_with_a_neuron_record_is_named(tmp_path, changes, message):
    with pytest.raises(InputError, match=r"0\.json.*" + message):
        one(tmp_path / "0.json", neuron_records.record(0, FEATURES[0], **changes))


def test_a_circuit_tracer_feature_is_a_file_of_its_own(tmp_path):
    path = save_json(tmp_path / "12.json", circuit_tracer.feature(12, FEATURES[12]))
    foreign = open_foreign(path)
    assert foreign.origin.hook == "relu-4"
    (feature,) = foreign.features()
    assert (feature.index, feature.density, feature.max_activation) == (12, 0.125, 9.5)
    assert feature.promoted == ((" cats", 0.0), (" dog", 0.0), ("mouse", 0.0))
    assert feature.suppressed == ((" the", 0.0), (",", 0.0))


def test_an_example_in_several_quantiles_is_one_window(tmp_path):
    assert len(one(tmp_path / "0.json", circuit_tracer.feature(0, FEATURES[0])).windows) == 2


def test_a_maximum_below_zero_is_none(tmp_path):
    silent = circuit_tracer.feature(0, [(["a"], [-1.0])], act_max=-1.0)
    assert one(tmp_path / "0.json", silent).max_activation == 0.0


def test_files_of_two_transcoders_are_refused(tmp_path):
    circuit_tracer.save_circuit_tracer(tmp_path)
    save_json(tmp_path / "99.json", circuit_tracer.feature(99, [], transcoder_id="relu-5"))
    with pytest.raises(InputError, match=r"99\.json: of no model at relu-5"):
        list(open_foreign(tmp_path).features())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"index": "x"}, "'index' is 'x'"),
        ({"top_logits": [["a", 1.0]]}, "'top_logits' holds a list where a string was expected"),
        ({"examples_quantiles": [{"examples": [{"tokens": ["a"]}]}]}, "'tokens_acts_list' is missing"),
        ({"act_max": "big"}, "'act_max' holds 'big'"),
        ({"activation_frequency": 47}, "'activation_frequency' is 47, expected a share"),
    ],
)
def test_what_is_wrong_with_a_circuit_tracer_file_is_named(tmp_path, changes, message):
    with pytest.raises(InputError, match=r"0\.json.*: " + message):
        one(tmp_path / "0.json", circuit_tracer.feature(0, FEATURES[0]) | changes)


def test_an_index_that_two_files_claim_is_refused(tmp_path):
    circuit_tracer.save_circuit_tracer(tmp_path)
    save_json(tmp_path / "99.json", circuit_tracer.feature(12, []))
    with pytest.raises(InputError, match=r"99\.json: feature 12 for the second time"):
        list(open_foreign(tmp_path).features())


def test_tokens_are_spelled_alike_over_files(tmp_path):
    """A file of two tokens shows too little; its neighbours show how they are spelled."""
    save_json(tmp_path / "0.json", circuit_tracer.feature(0, [(["Ġthe", "Ġcat"], [0.0, 1.0])], top_logits=["Ġdog"]))
    save_json(tmp_path / "1.json", circuit_tracer.feature(1, [(["x", "âĢ", "Ļ", "s"], [0.0, 1.0, 0.0, 0.0])]))
    found = list(open_foreign(tmp_path).features())
    assert found[0].promoted[0][0] == " dog"
    assert found[1].windows[0].tokens == ("x", "’", "", "s")
