from typing import Any

import pytest

from labeler.errors import InputError
from labeler.evidence.importers.registry import open_foreign
from tests.fakes.foreign.neuronpedia import activation_rows, feature_row, save_neuronpedia
from tests.fakes.foreign.sample import FEATURES, save_rows


def read(path):
    return {feature.index: feature for feature in open_foreign(path).features()}


def test_the_origin_says_where_it_is_from(tmp_path):
    origin = open_foreign(save_neuronpedia(tmp_path)).origin
    assert (origin.model, origin.hook, origin.corpus) == ("gpt2-small", "6-res-jb", "openwebtext")
    assert origin.n_tokens == 24 * 128


def test_without_features_the_activations_are_enough(tmp_path):
    save_rows(tmp_path / "activations" / "batch-0.jsonl", activation_rows(5, FEATURES[0]))
    origin = open_foreign(tmp_path).origin
    assert (origin.model, origin.hook, origin.n_tokens) == ("gpt2-small", "6-res-jb", None)
    found = read(tmp_path)
    assert list(found) == [5]
    assert found[5].promoted == ()
    assert found[5].max_activation is None
    assert len(found[5].windows) == 2


def test_without_activations_there_is_nothing_to_import(tmp_path):
    save_rows(tmp_path / "features" / "batch-0.jsonl", [feature_row(0)])
    with pytest.raises(InputError, match=r"features/ without activations/"):
        open_foreign(tmp_path)


def test_all_that_a_feature_row_says_is_kept(tmp_path):
    feature = read(save_neuronpedia(tmp_path))[3]
    assert feature.promoted == ((" cats", 2.5), (" dog", 1.25), ("mouse", 0.5))
    assert feature.suppressed == ((" the", -1.5), (",", -0.75))
    assert feature.density == 0.125
    assert feature.max_activation == 9.5
    assert feature.nearest == ((5, 0.5), (7, 0.25))  # closest first, without itself


def test_features_and_activations_need_not_be_in_like_batches(tmp_path):
    """Neuronpedia's own exporter sorts the one by the index as a string and parts the other by its number."""
    indices = range(40)
    by_string = sorted(indices, key=str)
    for batch in range(4):
        here = by_string[batch * 10 : batch * 10 + 10]
        rows = [feature_row(i, maxActApprox=100.0 + i) for i in here]
        save_rows(tmp_path / "features" / f"batch-{batch}.jsonl.gz", rows)
    for batch in range(2):
        rows = [
            row
            for i in indices[batch * 20 : batch * 20 + 20]
            if i % 2
            for row in activation_rows(i, [([f" word{i}"], [1.0])])
        ]
        save_rows(tmp_path / "activations" / f"batch-{batch}.jsonl.gz", rows)
    found = read(tmp_path)
    assert list(found) == [*range(1, 40, 2), *range(0, 40, 2)]  # those without activations come last
    for index, feature in found.items():
        assert feature.max_activation == 100.0 + index
        assert [window.tokens for window in feature.windows] == ([(f" word{index}",)] if index % 2 else [])


def test_rows_of_a_feature_need_not_follow_each_other_within_a_batch(tmp_path):
    cats, code = activation_rows(0, FEATURES[0]), activation_rows(3, FEATURES[3])
    rows = [row for pair in zip(cats, code, strict=True) for row in pair]
    save_rows(tmp_path / "activations" / "batch-0.jsonl", rows)
    assert {index: len(feature.windows) for index, feature in read(tmp_path).items()} == {0: 2, 3: 2}


def test_activations_of_one_feature_in_two_batches_are_refused(tmp_path):
    save_neuronpedia(tmp_path)
    save_rows(tmp_path / "activations" / "batch-1.jsonl", activation_rows(3, FEATURES[0]))
    with pytest.raises(InputError, match=r"activations/batch-1\.jsonl: feature 3 stands in an earlier batch too"):
        read(tmp_path)


def test_a_feature_that_is_listed_twice_is_refused(tmp_path):
    save_neuronpedia(tmp_path)
    save_rows(tmp_path / "features" / "batch-1.jsonl", [feature_row(3)])
    with pytest.raises(InputError, match=r"features/batch-1\.jsonl, line 1: feature 3 for the second time"):
        read(tmp_path)


def test_rows_of_another_source_are_refused(tmp_path):
    save_neuronpedia(tmp_path)
    save_rows(tmp_path / "activations" / "batch-1.jsonl", activation_rows(99, FEATURES[0], layer="7-res-jb"))
    with pytest.raises(InputError, match=r"of source '7-res-jb', but the export is of '6-res-jb'"):
        read(tmp_path)


def test_bins_are_recomputed_by_not_being_read(tmp_path):
    """Real exports have windows without any activation under a bin of 29.9 to 44.8."""
    silent = activation_rows(0, [([" a", " b"], [0.0, 0.0])], binMin=29.9, binMax=44.8, binContains=0.1, maxValue=40.0)
    save_rows(tmp_path / "activations" / "batch-0.jsonl", silent)
    (window,) = read(tmp_path)[0].windows
    assert not window.activations.any()


def test_documents_within_a_window_are_parted(tmp_path):
    rows = activation_rows(0, [(["▁end", "<bos>", "▁A", "▁start"], [1.0, 99.0, 0.0, 2.0])])
    save_rows(tmp_path / "activations" / "batch-0.jsonl", rows)
    found = read(tmp_path)[0].windows
    assert [(window.tokens, window.activations.tolist()) for window in found] == [
        ((" end",), [1.0]),
        ((" A", " start"), [0.0, 2.0]),
    ]


@pytest.mark.parametrize("index", [7, "7"])
def test_an_index_is_a_number_or_a_string_of_digits(tmp_path, index):
    rows = [row | {"index": index} for row in activation_rows(7, FEATURES[0])]
    save_rows(tmp_path / "activations" / "batch-0.jsonl", rows)
    assert list(read(tmp_path)) == [7]


@pytest.mark.parametrize("index", ["-7", "7.0", "", " 7", "٧", "9" * 11, "2147483648", 7.0, -7, None, ["7"], True])
def test_any_other_index_is_refused_by_name(tmp_path, index):
    rows = [row | {"index": index} for row in activation_rows(7, FEATURES[0])]
    save_rows(tmp_path / "activations" / "batch-0.jsonl", rows)
    with pytest.raises(InputError, match=r"batch-0\.jsonl, line 1: 'index' is .*, expected a feature's index"):
        read(tmp_path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"topkCosSimIndices": [1]}, "must have one length"),
        ({"topkCosSimIndices": [1, 2, -3]}, r"topkCosSimIndices\[2\]: 'index' is -3"),
        ({"topkCosSimValues": [1, 2, "x"]}, "'topkCosSimValues' holds 'x'"),
        ({"maxActApprox": float("nan")}, "'maxActApprox' holds NaN"),
        ({"frac_nonzero": 2}, "'frac_nonzero' is 2, expected a share"),
    ],
)
def test_what_is_wrong_with_a_feature_row_is_named(tmp_path, changes, message):
    save_neuronpedia(tmp_path)
    save_rows(tmp_path / "features" / "batch-1.jsonl", [feature_row(50), feature_row(51, **changes)])
    with pytest.raises(InputError, match=r"features/batch-1\.jsonl, line 2.*" + message):
        read(tmp_path)


def test_rows_without_statistics_say_nothing(tmp_path):
    """Exporters write 0 for what they do not know."""
    save_rows(tmp_path / "activations" / "batch-0.jsonl", activation_rows(0, FEATURES[0]))
    nothing: dict[str, Any] = {
        "frac_nonzero": 0,
        "maxActApprox": 0,
        "topkCosSimIndices": None,
        "topkCosSimValues": None,
        "pos_str": [],
    }
    row = feature_row(0, **nothing, pos_values=[], neg_str=..., neg_values=...)
    save_rows(tmp_path / "features" / "batch-0.jsonl", [row])
    feature = read(tmp_path)[0]
    assert feature.density is None
    assert feature.max_activation == 3.5
    assert (feature.promoted, feature.suppressed, feature.nearest) == ((), (), ())


def test_empty_batches_hold_nothing(tmp_path):
    """A batch of dead features has no rows."""
    save_neuronpedia(tmp_path)
    save_rows(tmp_path / "activations" / "batch-1.jsonl.gz", [])
    assert len(read(tmp_path)) == 3
