"""What a person may give as an argument, and what is refused by name: everywhere in the same words."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, strategies

import labeler
from labeler import api
from labeler.arguments import among_slice, indices_of, name_of, one_of, path_of, whole
from labeler.cli.options import in_the_commands_words
from labeler.errors import InputError
from labeler.settings import Settings
from tests.fakes.environment import clean
from tests.fakes.evidence import make_store

HERE = range(10)
LEXICAL = {"explainers": "lexical", "simulators": "lexical"}


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        (None, list(range(10))),
        (3, [3]),
        (np.int32(3), [3]),
        (torch.tensor(3), [3]),
        (np.arange(5), [0, 1, 2, 3, 4]),
        (torch.arange(2, 4), [2, 3]),
        (range(2), [0, 1]),
        ([1, np.int64(7)], [1, 7]),
        ((at for at in (4, 2)), [4, 2]),
        ({5, 1}, [1, 5]),
        ("0-2,9", [0, 1, 2, 9]),
    ],
)
def test_features_may_be_one_several_an_array_or_text(given, meant):
    found = indices_of(given, HERE)
    assert found == meant
    assert all(type(index) is int for index in found)


@pytest.mark.parametrize(
    ("given", "named"),
    [
        (1.5, "features is 1.5"),
        (True, "features is True"),
        (b"12", "features is"),
        ({3: "x"}, "features is"),
        ([1, 2.0], "features holds 2.0"),
        (np.array([1.0, 2.0]), "features holds 1.0"),
        (np.eye(3, dtype=int), r"features holds \[1, 0, 0\]"),
        (np.array([True, False]), "features is a mask"),
        (["3"], "features holds '3'"),
        ([None], "features holds None"),
        ("3-1", "'3-1' is no range"),
    ],
)
def test_what_are_no_features_is_refused_by_name(given, named):
    with pytest.raises(InputError, match=named) as caught:
        indices_of(given, HERE)
    assert "\n" not in str(caught.value)


@given(
    strategies.lists(strategies.integers(0, 40), min_size=1, unique=True).map(sorted),
    strategies.none() | strategies.integers(-60, 60),
    strategies.none() | strategies.integers(-60, 60),
    strategies.none() | strategies.integers(1, 7),
)
def test_a_slice_is_of_indices_and_counts_from_the_end_as_a_list_does(here, start, stop, step):
    found = among_slice(slice(start, stop, step), here)
    assert set(found) <= set(here)
    assert found == sorted(found)
    everything = list(range(40))
    assert among_slice(slice(start, stop, step), everything) == everything[start:stop:step]
    if start is None or start < 0:
        assert among_slice(slice(start, None), here) == here[start:]
    else:
        assert among_slice(slice(start, None), here) == [index for index in here if index >= start]


@pytest.mark.parametrize("wanted", [slice("a", None), slice(None, 2.0), slice(None, None, 0), slice(None, None, -1)])
def test_what_is_no_range_is_refused(wanted):
    with pytest.raises(InputError, match=r"is no feature index|^step is"):
        among_slice(wanted, HERE)


def test_what_is_right_comes_back_as_pythons_own():
    assert (whole(np.int64(3), "n", 0), type(whole(np.int64(3), "n"))) == (3, int)
    assert (path_of("a/b", "path"), path_of(Path("a/b"), "path")) == (Path("a/b"), Path("a/b"))
    assert (name_of("toy", "name", "a dictionary"), one_of("score", "split", ("score",))) == ("toy", "score")


@pytest.fixture(scope="module")
def toy(tmp_path_factory):
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        clean(patch)
        dictionary = api.Dictionary("toy", make_store(home), Settings(_env_file=None, home=home))
        dictionary.label([2, 3, 4], **LEXICAL).work()
        yield dictionary


ODD = [
    *(3, -1, 10**30, 2.5, float("nan"), True, "", "x", "a\nb", "a\0b", b"x", [], ["x"], {}, {1: "x"}, range(3)),
    *(np.int64(3), np.array([1, 2]), np.array("x"), torch.tensor([1.5]), Path("nowhere"), slice(1, 3), object(), None),
]
"""What somebody may hand over by mistake."""


@pytest.mark.parametrize("odd", ODD, ids=lambda odd: f"{type(odd).__name__}")
def test_whatever_is_handed_over_it_is_taken_or_refused_in_a_line(toy, odd, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run, nowhere = toy.runs()[0], tmp_path / "nowhere"
    calls = (
        lambda: labeler.open(odd, tmp_path),
        lambda: labeler.open("toy", odd),
        lambda: labeler.label(odd, 1),
        lambda: labeler.run(odd, tmp_path),
        lambda: labeler.dictionaries(odd),
        lambda: labeler.import_evidence(odd, "new", home=tmp_path),
        lambda: labeler.import_evidence(nowhere, odd, home=tmp_path),
        lambda: labeler.import_evidence(nowhere, "new", model=odd, home=tmp_path),
        lambda: collect(nowhere, name=odd),
        lambda: collect(nowhere, corpus=odd),
        lambda: collect(nowhere, dictionary=odd),
        lambda: collect(nowhere, hook=odd),
        lambda: collect(nowhere, tokens=odd),
        lambda: api.look(odd, home=tmp_path),
        lambda: toy[odd],
        lambda: toy.evidence(odd),
        lambda: toy.evidence(3).of(odd),
        lambda: toy.near_misses(odd, "explain", 2),
        lambda: toy.near_misses(3, odd, 2),
        lambda: toy.near_misses(3, "explain", odd),
        lambda: toy.spread(odd),
        lambda: toy.best(odd),
        lambda: toy.best(2, run=odd),
        lambda: toy.drawn(odd),
        lambda: toy.imported(odd),
        lambda: toy.run(odd),
        lambda: list(toy.catalogue(odd)),
        lambda: toy.report(odd),
        lambda: toy.spent(odd),
        lambda: toy.export(odd, force=True),
        lambda: toy.export("rows", odd, force=True),
        lambda: toy.requests(odd, explainers="openai:m@http://127.0.0.1:9/v1"),
        lambda: toy.requests(3, odd, explainers="openai:m@http://127.0.0.1:9/v1"),
        lambda: toy.requests(3, "simulate", label=odd, simulators="openai:m@http://127.0.0.1:9/v1"),
        lambda: toy.score(odd, simulators="lexical"),
        lambda: toy.score({3: odd}, simulators="lexical"),
        lambda: toy.plan(odd, **LEXICAL),
        lambda: list(run.rows(odd)),
        lambda: run.scores(odd),
        lambda: run.retry(odd),
        lambda: run.resume(odd),
        lambda: run.work(odd),
        lambda: run.export_requests(odd),
        lambda: run.import_answers(odd),
    )
    refused = [line for line in map(refusal, calls) if line is not None]
    assert not [line for line in refused if "--" in line or not line]


def refusal(call):
    try:
        call()
    except InputError as error:
        return str(error)


def collect(nowhere, **given):
    wanted = {"dictionary": nowhere, "corpus": nowhere, "name": "new", **given}
    return labeler.collect(model="smollm2-135m", home=nowhere, **wanted)


def together(wanted):
    return api.collect_together(model="smollm2-135m", wanted=wanted, corpus="sample", home="nowhere")


@pytest.mark.parametrize(
    ("call", "named"),
    [
        (lambda toy: labeler.open(3), "name is 3; give the name of a dictionary"),
        (lambda toy: labeler.open("toy", 3), "home is 3"),
        (lambda toy: labeler.open("a\nb"), r"name is 'a\\nb'"),
        (lambda toy: labeler.label(None, 1), "name is None"),
        (lambda toy: toy.spread("a"), "n is 'a'; give a whole number, 1 or more"),
        (lambda toy: toy.spread(-1), "n is -1; give a whole number, 1 or more"),
        (lambda toy: toy.best("x"), "n is 'x'; give a whole number, 0 or more"),
        (lambda toy: toy.best(-1), "n is -1"),
        (lambda toy: toy.drawn(-2), "n is -2"),
        (lambda toy: toy.evidence(3).of("train"), "split is 'train'; give one of explain, select, score"),
        (lambda toy: toy.near_misses(3, "train", 1), "split is 'train'"),
        (lambda toy: toy.near_misses(3, "explain", -1), "n is -1"),
        (lambda toy: toy.requests(3, "guess"), "stage is 'guess'; give one of explain, simulate, judge"),
        (lambda toy: toy.run(3), "run is 3; give the name of a run"),
        (lambda toy: toy.runs()[0].work(3), "watch is 3; give a function"),
        (lambda toy: toy.runs()[0].scores(0), "is not about feature 0"),
        (lambda toy: list(toy.runs()[0].rows([3, 1])), "is not about feature 1"),
        (lambda toy: list(toy.catalogue(9)), "feature 9 is out of range"),
        (lambda toy: collect(Path("nowhere"), corpus=["a text"]), "corpus is a list; give a file"),
        (lambda toy: collect(Path("nowhere"), progress=3), "progress is 3; give a function"),
        (lambda toy: labeler.import_evidence("nowhere", "new", home="nowhere", progress="x"), "progress is 'x'"),
        (lambda toy: together(["a"]), r"wanted is \['a'\]; give a dictionary and its hook point"),
        (lambda toy: together({"a": "neurons"}), "wanted is {'a': 'neurons'}"),
        (lambda toy: collect(Path("nowhere"), tokens=0), "cannot collect 0 tokens; give 1 or more"),
        (lambda toy: labeler.open("toi", "nowhere"), "make one with `labeler.collect` or"),
    ],
)
def test_it_is_named(toy, call, named):
    with pytest.raises(InputError, match=named) as caught:
        call(toy)
    assert "\n" not in str(caught.value)


def test_on_the_command_line_it_is_told_in_the_commands_words():
    assert in_the_commands_words("choose another `name`") == "choose another --as"
    assert in_the_commands_words("a `budget`, or `mode='offline'`") == "a --budget, or --offline"
    assert in_the_commands_words("say `hello`") == "say `hello`"
