import json

import pytest

from labeler.errors import InputError
from labeler.evidence.importers.registry import open_foreign
from tests.fakes.foreign.real import shared_data
from tests.fakes.foreign.saedashboard import batch, feature, save_saedashboard
from tests.fakes.foreign.sample import FEATURES, save_json


def read(tmp_path, *features, **changes):
    save_json(tmp_path / "batch-0.json", batch(list(features), **changes))
    return list(open_foreign(tmp_path).features())


def test_the_origin_says_where_it_is_from(tmp_path):
    origin = open_foreign(save_saedashboard(tmp_path)).origin
    assert (origin.model, origin.hook, origin.corpus) == ("gpt2-small", "0-res-jb", "openwebtext")
    assert origin.n_tokens == 5000 * 128


def test_without_a_prompt_count_the_corpus_has_no_known_size(tmp_path):
    save_json(tmp_path / "batch-0.json", batch([feature(0, FEATURES[0], n_prompts_total=...)]))
    assert open_foreign(tmp_path).origin.n_tokens is None
    save_json(tmp_path / "batch-0.json", batch([]))
    assert open_foreign(tmp_path).origin.n_tokens is None


def test_bins_are_never_believed_and_windows_in_several_are_one(tmp_path):
    activations = [
        {"bin_min": 29.9, "bin_max": 44.8, "bin_contains": 0.5, "tokens": [" a", " b"], "values": [0.0, 0.0]},
        {"bin_min": -1, "bin_max": 2.0, "bin_contains": -1, "tokens": [" c", " d"], "values": [0.0, 2.0]},
        {"bin_min": 0, "bin_max": 0.1, "bin_contains": 0.9, "tokens": [" c", " d"], "values": [0.0, 2.0]},
    ]
    (found,) = read(tmp_path, feature(0, [], activations=activations))
    assert [window.activations.tolist() for window in found.windows] == [[0, 0], [0, 2]]
    assert all(window.stratum is None for window in found.windows)
    assert found.population == {}


def test_logits_are_ordered_by_strength(tmp_path):
    logits = {"pos_str": ["a", "b", "c"], "pos_values": [1.0, 3.0, 2.0], "neg_str": ["x", "y"], "neg_values": [-1, -2]}
    (found,) = read(tmp_path, feature(0, [], **logits))
    assert found.promoted == (("b", 3.0), ("c", 2.0), ("a", 1.0))
    assert found.suppressed == (("y", -2.0), ("x", -1.0))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"feature_index": ...}, r"features\[0\]: 'feature_index' is missing, expected a feature's index"),
        ({"feature_index": -1}, "'feature_index' is -1"),
        ({"feature_index": 1.5}, r"'feature_index' is 1\.5"),
        ({"feature_index": True}, "'feature_index' is True"),
        ({"feature_index": "x"}, "'feature_index' is 'x'"),
        ({"feature_index": 2**31}, "'feature_index' is 2147483648, expected a feature's index, 0 to 2147483647"),
        ({"feature_index": 10**300}, "'feature_index' is 1000"),
        ({"frac_nonzero": 1.5}, r"'frac_nonzero' is 1\.5, expected a share from 0 to 1"),
        ({"frac_nonzero": -0.5}, "a share from 0 to 1"),
        ({"frac_nonzero": "0.5"}, "'frac_nonzero' holds '0.5' where a number was expected"),
        ({"pos_str": ["a"]}, "1 'pos_str' but 3 'pos_values'"),
        ({"neg_values": [1, None]}, "'neg_values' holds missing where a number was expected"),
        ({"n_prompts_total": -1}, "'n_prompts_total' is -1, expected a count"),
        ({"activations": {}}, "'activations' is an object, expected a list"),
        ({"activations": [7]}, r"features\[0\], activations\[0\]: 7 where an object was expected"),
    ],
)
def test_what_is_wrong_with_a_feature_is_named(tmp_path, changes, message):
    with pytest.raises(InputError, match=r"batch-0\.json, .*" + message):
        read(tmp_path, feature(0, FEATURES[0], **changes))


@pytest.mark.parametrize(
    ("tokens", "values", "message"),
    [
        (["a", "b"], [1.0], "2 'tokens' but 1 'values'; there must be one for each"),
        (["a"], [float("nan")], "'values' holds NaN"),
        (["a"], [float("inf")], "'values' holds NaN, an infinite number"),
        (["a"], [1e39], "beyond single precision"),
        (["a"], [10**400], "beyond single precision"),
        (["a"], [True], "'values' holds True where a number was expected"),
        (["a"], [None], "'values' holds missing"),
        ([3], [1.0], "'tokens' holds 3 where a string was expected"),
        (None, [1.0], "'tokens' is missing, expected a list"),
        (["a"], None, "'values' is missing, expected a list"),
        ("abc", [1.0, 1.0, 1.0], "'tokens' is 'abc', expected a list"),
    ],
)
def test_what_is_wrong_with_a_window_is_named(tmp_path, tokens, values, message):
    activations = [{"tokens": [" fine"], "values": [1.0]}, {"tokens": tokens, "values": values}]
    with pytest.raises(InputError, match=r"features\[0\], activations\[1\]: .*" + message):
        read(tmp_path, feature(0, [], activations=activations))


def test_negative_activations_are_none(tmp_path):
    (found,) = read(tmp_path, feature(0, [([" a", " b", " c"], [-1.0, -0.0, 2.0])]))
    assert found.windows[0].activations.tolist() == [0, 0, 2]


def test_an_index_may_stand_only_once(tmp_path):
    save_saedashboard(tmp_path)
    save_json(tmp_path / "batch-9.json", batch([feature(7, []), feature(3, [])]))
    with pytest.raises(InputError, match=r"batch-9\.json: feature 3 for the second time"):
        list(open_foreign(tmp_path).features())


def test_batches_of_two_dictionaries_are_refused(tmp_path):
    save_saedashboard(tmp_path)
    save_json(tmp_path / "batch-9.json", batch([feature(7, [])], layer=1))
    with pytest.raises(InputError, match=r"batch-9\.json: of gpt2-small at 1-res-jb, but batch-0\.json is of"):
        list(open_foreign(tmp_path).features())


def test_the_real_output(tmp_path):
    folder = shared_data("saedashboard_gpt2_res_jb")
    foreign = open_foreign(folder)
    assert foreign.origin.n_tokens == 640_000
    features = list(foreign.features())
    raw = [f for n in (0, 1) for f in json.loads((folder / f"batch-{n}.json").read_text())["features"]]
    assert [feature.index for feature in features] == [0, 1, 2, 3]
    text = "".join(token for feature in features for window in feature.windows for token in window.tokens)
    assert not set(text) & set("Ġâ€ĢĻľ")
    assert "it’s" in text
    for found, old in zip(features, raw, strict=True):
        different = {(*a["tokens"], *a["values"]) for a in old["activations"]}
        assert len(different) < len(old["activations"])
        assert len(found.windows) >= len(different)  # more, where a window holds several documents
        peak = max(float(window.activations.max()) for window in found.windows)
        assert peak == pytest.approx(max(max(a["values"]) for a in old["activations"]))
        assert [value for _, value in found.promoted] == old["pos_values"]
    assert features[2].suppressed[0] == ("ケ", -0.743)
