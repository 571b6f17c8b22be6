"""What a person may give as an option in Python, and what is refused by name."""

import dataclasses
import inspect
from typing import get_type_hints

import numpy as np
import pytest

import labeler
from labeler import api
from labeler.cli import label as command
from labeler.errors import InputError
from labeler.options import Labelling, Options, Scoring
from labeler.pipeline.config import RunConfig
from labeler.settings import Settings
from tests.fakes.environment import clean
from tests.fakes.evidence import make_store

LEXICAL = {"explainers": "lexical", "simulators": "lexical"}


@pytest.fixture
def toy(tmp_path, monkeypatch):
    clean(monkeypatch)
    store = make_store(tmp_path)
    return api.Dictionary("toy", store, Settings(_env_file=None, home=tmp_path))


def test_a_name_is_as_good_as_a_list_of_one():
    assert Options(explainers="lexical").explainers == ("lexical",)
    assert Options(simulators=np.array(["lexical", "embedding"])).simulators == ("lexical", "embedding")
    assert Options(scorers=[]).scorers == ()


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("explainers", 3),
        ("simulators", [3]),
        ("scorers", {"a": 1}),
        ("contexts", 2.5),
        ("contexts", "80"),
        ("foreign", -1),
        ("seed", -1),
        ("seed", None),
        ("precision", "0.1"),
        ("precision", float("nan")),
        ("below", True),
        ("mode", "fast"),
        ("escalate", ["lexical"]),
        ("prompts", "explain.j2"),
        ("budget", 0),
        ("budget", -1),
        ("budget", float("nan")),
        ("budget", float("inf")),
        ("budget", "5"),
        ("budget", True),
    ],
)
def test_what_is_no_option_is_refused_by_name(option, value):
    with pytest.raises(InputError, match=f"^{option}") as caught:
        Options(**{option: value})
    assert "\n" not in str(caught.value)


def test_numbers_of_numpy_are_kept_as_pythons_own():
    options = Options(contexts=np.int64(40), precision=np.float32(0.5), budget=np.float64(2))
    assert [type(value) for value in (options.contexts, options.precision, options.budget)] == [int, float, float]


def test_every_option_is_written_down_with_its_default_once():
    stated = {each.name: each.default for each in dataclasses.fields(Options)}
    for call in (labeler.Dictionary.label, labeler.Dictionary.plan, labeler.Dictionary.requests):
        parameters = inspect.signature(call).parameters
        assert not any(one.kind is inspect.Parameter.VAR_KEYWORD for one in parameters.values())
        assert all(one.annotation != inspect.Parameter.empty for name, one in parameters.items() if name != "self")
        assert all(one.default == stated[name] for name, one in parameters.items() if name in stated)
    assert stated.keys() <= inspect.signature(labeler.Dictionary.label).parameters.keys()
    stored = {each.name: each.default for each in dataclasses.fields(RunConfig)}
    for name in ("contexts", "precision", "foreign", "seed", "mode", "escalate", "below"):
        assert stored[name] == stated[name]
    typed = inspect.signature(command.label).parameters
    assert [typed[name].default for name in ("contexts", "precision", "seed", "below")] == [80, 0.15, 0, 0.2]


def test_what_is_handed_on_is_typed_as_what_is_kept():
    kept, handed_on = get_type_hints(Options), get_type_hints(Labelling)
    assert handed_on == kept
    assert get_type_hints(Scoring).items() <= kept.items()
    scored = inspect.signature(labeler.Dictionary.score).parameters
    assert get_type_hints(Scoring).keys() <= scored.keys()
    assert (scored["simulators"].default, "escalate" in scored) == (None, False)


def test_the_same_options_plan_a_run_show_its_requests_and_begin_it(toy):
    model = "openai:m@http://127.0.0.1:9/v1"
    options = {"explainer": model, "simulators": "lexical", "contexts": 40, "mode": "batch", "below": 0.3}
    (plan,) = toy.plan(3, **options)
    assert (plan.mode, plan.features) == ("batch", 1)
    assert [one.mode for one in toy.plan(3, batch=True, **options)] == ["direct", "batch"]
    assert [one.backend for one in toy.requests(3, **options)] == [model]


def test_a_name_that_nobody_knows_is_refused_as_python_does(toy):
    for call in (toy.label, toy.plan, labeler.label):
        with pytest.raises(TypeError, match=r"^(label|plan)\(\) .*unexpected keyword argument 'explaner'"):
            call(*((toy,) if call is labeler.label else ()), explaner="lexical")
    with pytest.raises(TypeError, match="unexpected keyword argument 'escalate'"):
        toy.score({3: "penny"}, escalate="lexical")


def test_a_run_takes_them_as_they_come(toy):
    for given, meant in ((np.arange(2), [0, 1]), (3, [3]), ("0-1,3", [0, 1, 3])):
        run = toy.label(features=given, **LEXICAL)
        assert run.indices() == meant
    config = toy.label(3, explainer="lexical", simulator=["lexical"]).record.config["labelling"]
    assert (config["explainers"], config["simulators"]) == (["lexical"], ["lexical"])
    assert toy.score({np.int64(3): "penny"}, features=3, simulators="lexical").indices() == [3]
    assert [one.features for one in toy.plan(np.array([1, 3]), **LEXICAL)] == [2]
    assert toy.evidence(np.int64(3)).index == 3
    assert toy.label([toy[1], toy[3]], **LEXICAL).indices() == [1, 3]


def test_rows_are_asked_for_as_features_are(toy):
    run = toy.label([1, 3, 4], **LEXICAL)
    run.work()
    for given, meant in ((3, [3]), (np.array([3, 4]), [3, 4]), ("0-3", [1, 3]), (None, [1, 3, 4])):
        assert [row["index"] for row in toy.catalogue(given)] == meant
        assert [row["index"] for row in run.rows(given)] == meant
    assert "simulation.lexical" in [score.key for score in run.scores(np.int64(3))]
    assert run.retry("refusal") == 0
    with pytest.raises(InputError, match="'odd' is no kind of failure"):
        run.retry("odd")
    with pytest.raises(InputError, match="budget nan is no amount"):
        run.resume(budget=float("nan"))


def test_what_is_wrong_is_told_before_anything_is_stored(toy):
    wrong = [
        ({"features": 99}, "feature 99 is out of range"),
        ({"features": -1}, "feature -1 is out of range"),
        ({"features": 2**70}, "is out of range"),
        ({"features": []}, "no features"),
        ({"budget": -2}, "budget -2"),
        ({"budget": 5, "explainers": "openai:m@http://127.0.0.1:9/v1", "mode": "offline"}, "a budget cannot be kept"),
        ({"budget": 5, "explainers": "openai:m@http://example.org/v1"}, "budget needs the price of openai:m"),
        ({"explainer": "lexical"}, "explainer and explainers are the same option"),
    ]
    for options, named in wrong:
        with pytest.raises(InputError, match=named):
            toy.label(**{**LEXICAL, **options})
    with pytest.raises(InputError, match=r"1\.0 is no feature index"):
        toy.evidence(1.0)
    assert toy.runs() == []
