import pytest

from labeler.errors import InputError
from labeler.evidence.importers.registry import open_foreign
from tests.fakes.foreign.contexts import line, save_contexts
from tests.fakes.foreign.sample import FEATURES, save_rows


def context(tokens=(" a", " b"), activations=(0.0, 1.0), **more):
    return {"tokens": list(tokens), "activations": list(activations), **more}


def read(tmp_path, *rows):
    return list(open_foreign(save_rows(tmp_path / "contexts.jsonl", list(rows))).features())


def test_all_that_a_line_says_is_kept(tmp_path):
    feature = next(iter(open_foreign(save_contexts(tmp_path)).features()))
    assert [(window.document, window.stratum) for window in feature.windows] == [("d0", "high"), ("d1", "high")]
    assert feature.population == {"high": 12, "none": 900}
    assert feature.promoted == ((" cats", 2.5), (" dog", 1.25), ("mouse", 0.5))
    assert (feature.density, feature.max_activation) == (0.125, 9.5)


def test_only_the_index_and_the_contexts_are_needed(tmp_path):
    (feature, dead) = read(tmp_path, {"index": 4, "contexts": [context()]}, {"index": 5, "contexts": []})
    assert (feature.windows[0].document, feature.windows[0].stratum) == (None, None)
    assert (feature.population, feature.promoted, feature.density, feature.max_activation) == ({}, (), None, None)
    assert dead.windows == ()


def test_the_same_words_in_two_documents_are_two_contexts(tmp_path):
    same = [context(document="a"), context(document="b"), context(document="a"), context(), context()]
    (feature,) = read(tmp_path, {"index": 0, "contexts": same})
    assert [window.document for window in feature.windows] == ["a", "b", None]


def test_documents_in_a_context_are_parted_where_nothing_is_counted(tmp_path):
    row = {"index": 0, "contexts": [context([" a", "<|endoftext|>", " b"], [1.0, 0.0, 2.0], document="row 7")]}
    (feature,) = read(tmp_path, row)
    assert [(window.tokens, window.document) for window in feature.windows] == [((" a",), "row 7"), ((" b",), "row 7")]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"index": "x"}, "'index' is 'x'"),
        ({"contexts": None}, "no 'contexts'; expected a list, which may be empty"),
        ({"contexts": [context(stratum="high")]}, None),
        ({"contexts": [context()]}, "a context without 'stratum'"),
        ({"contexts": [context(stratum="low")]}, "the stratum 'low' is not in 'population'"),
        ({"contexts": [context(stratum="high")], "population": None}, "the stratum 'high' is not in 'population'"),
        ({"population": {"high": 1, "none": 5}}, "2 contexts of stratum 'high', but its 'population' is 1"),
        ({"population": {"high": 2}}, None),
        ({"population": {"high": -2}}, "population: 'high' is -2, expected a count"),
        ({"population": {"high": 2.0}}, r"population: 'high' is 2\.0, expected a count"),
        ({"population": {"high": "2"}}, "population: 'high' is '2', expected a count"),
        ({"population": {"high": None}}, "population: a stratum without a count"),
        ({"population": [2]}, "population: a list where an object was expected"),
        ({"contexts": [context([" a", "<bos>"], stratum="high")]}, None),
        (
            {"contexts": [context(["a", "<s>", "b"], [1, 0, 0], stratum="high")]},
            "a context that holds several documents",
        ),
        ({"contexts": [context(document=["d"])]}, r"contexts\[0\]: 'document' is a list, expected a string"),
        ({"promoted": [["a"]]}, r"'promoted' must be a list of \[token, logit\]"),
        ({"promoted": {"a": 1}}, "'promoted' is an object, expected a list"),
        ({"promoted": [["a", "b"]]}, "'promoted logits' holds 'b' where a number was expected"),
        ({"promoted": [[1, 2]]}, "'promoted tokens' holds 1 where a string was expected"),
        ({"density": 1.01}, "'density' is 1.01, expected a share"),
        ({"max_activation": [3]}, "'max_activation' holds a list where a number was expected"),
    ],
)
def test_what_is_wrong_with_a_line_is_named(tmp_path, changes, message):
    row = line(0, FEATURES[0]) | changes
    if message is None:
        assert len(read(tmp_path, row)) == 1
    else:
        with pytest.raises(InputError, match=r"contexts\.jsonl, line 2.*" + message):
            read(tmp_path, {"index": 7, "contexts": []}, row)


def test_a_context_that_is_given_twice_counts_once_against_the_population(tmp_path):
    row = {"index": 0, "contexts": [context(stratum="all", document="d")] * 3, "population": {"all": 1}}
    (feature,) = read(tmp_path, row)
    assert len(feature.windows) == 1


def test_an_index_may_stand_only_once(tmp_path):
    with pytest.raises(InputError, match="line 3: feature 4 for the second time"):
        read(tmp_path, *({"index": index, "contexts": []} for index in (4, 5, 4)))


def test_names_can_be_written_again(tmp_path):
    row = {"index": 0, "contexts": [context(document="a\0", stratum="\ud800")], "population": {"\ud800": 3}}
    (feature,) = read(tmp_path, row)
    assert (feature.windows[0].document, feature.windows[0].stratum) == ("a\ufffd", "\ufffd")
    assert feature.population == {"\ufffd": 3}


@pytest.mark.parametrize("suffix", [".jsonl", ".jsonl.gz"])
def test_a_folder_that_holds_one_is_one(tmp_path, suffix):
    path = save_contexts(tmp_path, suffix=suffix)
    assert path.parent == tmp_path
    assert [f.index for f in open_foreign(tmp_path).features()] == [f.index for f in open_foreign(path).features()]
