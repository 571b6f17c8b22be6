"""How scores of a catalogue are compared: known answers, what is left out, what is said where nothing can be."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from eval import agreement
from eval.__main__ import app
from eval.agreement import Confusion, columns, compare, pairs, too_little
from labeler.errors import InputError

VERDICTS = st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=40)


def score(value, percentile=None, sampling="everything at hand"):
    return {"value": value, "null_percentile": percentile, "sampling": sampling, "state": "ok"}


def rows(**scores):
    """A catalogue in which feature i has the i-th of every score's values; None where it has none."""
    length = max(map(len, scores.values()))
    return [
        {
            "index": index,
            "scores": {
                key.replace("__", "."): values[index] for key, values in scores.items() if values[index] is not None
            },
        }
        for index in range(length)
    ]


def test_scores_are_compared_over_the_features_that_have_both():
    first = [score(float(i)) for i in range(20)]
    second = [score(float(-i)) for i in range(20)]
    first[3], second[7] = score(None), None
    second[11] = score(50.0)
    [pair] = pairs(columns(rows(simulation__a=first, detection=second), "population"))
    assert (pair.first, pair.second, pair.sampling) == ("detection", "simulation.a", "population")
    assert pair.correlation.n == 18
    kept = [i for i in range(20) if i not in (3, 7)]
    expected = np.corrcoef([kept.index(i) for i in kept], np.argsort(np.argsort([50 if i == 11 else -i for i in kept])))
    assert pair.correlation.value == pytest.approx(expected[0, 1])
    assert -1 <= pair.correlation.low <= pair.correlation.value <= pair.correlation.high <= 1


def test_a_feature_counts_by_its_index_and_not_by_its_place():
    values = np.random.default_rng(0).normal(size=30)
    catalogue = rows(a=[score(v) for v in values], b=[score(v) for v in values])
    for row in catalogue[::2]:
        del row["scores"]["a"]
    for row in catalogue[:10]:
        row["scores"].pop("b")
    [pair] = pairs(columns(catalogue, "population"))
    assert (pair.correlation.n, pair.correlation.value) == (10, 1.0)


def test_good_is_to_beat_nearly_all_foreign_labels():
    first = [score(0.5, 95.0), score(0.5, 99.0), score(0.5, 94.9), score(0.5, 10.0), score(0.5, None)]
    second = [score(0.9, 100.0), score(0.9, 50.0), score(0.9, 97.0), score(0.9, 20.0), score(0.9, 99.0)]
    [pair] = pairs(columns(rows(a=first, b=second), "population"))
    assert pair.good == Confusion(both=1, first_only=1, second_only=1, neither=1)
    assert pair.good.n == 4  # of the last feature one score has no null to say it by


def test_or_to_reach_a_value_that_is_given():
    first = [score(0.2), score(0.3), score(0.4), score(None)]
    second = [score(0.3), score(0.29), score(0.9), score(0.9)]
    [pair] = pairs(columns(rows(a=first, b=second), "population"), good_at=0.3)
    assert pair.good == Confusion(both=1, first_only=1, second_only=1, neither=0)


def test_the_two_kinds_of_sampling_never_meet():
    some = [score(float(i)) for i in range(12)]
    unweighted = [score(float(i), sampling="top-and-random") for i in range(12)]
    catalogue = rows(simulation__a=some, auprc__a=some, simulation_top_and_random__a=unweighted)
    found = columns(catalogue, "population")
    assert {(column.score, column.sampling) for column in found} == {
        ("simulation.a", "population"),
        ("auprc.a", "population"),
        ("simulation_top_and_random.a", "top-and-random"),
    }
    assert [(pair.first, pair.second) for pair in pairs(found)] == [("auprc.a", "simulation.a")]


def test_where_nobody_counted_the_corpus_all_scores_are_of_that_kind():
    catalogue = rows(
        simulation_top_and_random__a=[score(float(i), sampling="top-and-random") for i in range(12)],
        detection=[score(float(i), sampling="half firing") for i in range(12)],
    )
    [pair] = pairs(columns(catalogue, "top-and-random"))
    assert pair.sampling == "top-and-random"


def test_only_numbers_are_kept_of_a_row():
    [column] = columns(rows(a=[score(0.5, 90.0), score(0.7)]), "population")
    assert column.index.itemsize + column.value.itemsize + column.percentile.itemsize == 24
    assert np.isnan(column.percentile[1])


@pytest.mark.parametrize(
    ("cells", "agreed", "kappa"),
    [
        ((20, 5, 10, 15), 0.7, 0.4),  # the textbook's: .7 observed, .5 by chance
        ((45, 15, 25, 15), 0.6, 3 / 23),
        ((10, 0, 0, 10), 1.0, 1.0),
        ((0, 10, 10, 0), 0.0, -1.0),
        ((10, 10, 10, 10), 0.5, 0.0),
        ((10, 0, 0, 0), 1.0, None),  # both say yes to all: chance would too
        ((0, 0, 0, 0), None, None),
    ],
)
def test_kappa_is_the_agreement_beyond_chance(cells, agreed, kappa):
    both, first, second, neither = cells
    found = Confusion(both=both, first_only=first, second_only=second, neither=neither)
    assert found.agreement == agreed
    assert found.kappa == (None if kappa is None else pytest.approx(kappa))


@given(VERDICTS)
def test_a_confusion_counts_every_feature_once_and_kappa_is_symmetric(verdicts):
    first, second = (np.array(side) for side in zip(*verdicts, strict=True))
    found, other = Confusion.of(first, second), Confusion.of(second, first)
    assert found.n == len(verdicts)
    assert (found.first_only, found.second_only) == (other.second_only, other.first_only)
    assert found.kappa == other.kappa
    assert found.agreement == (first == second).mean()
    if found.kappa is not None:
        assert -1 <= found.kappa <= 1
        assert (found.kappa == 1) == bool((first == second).all())


def test_what_is_too_little_is_said_in_one_line():
    one = columns(rows(a=[score(float(i)) for i in range(20)]), "population")
    few = columns(rows(a=[score(0.1), score(0.2)], b=[score(0.1), score(0.2)]), "population")
    assert "no scores yet" in too_little([], [])
    assert "one score, a" in too_little(one, pairs(one))
    assert "has 2 features that share two scores" in too_little(few, pairs(few))
    apart = columns(
        rows(a=[score(0.1)] * 12, simulation_top_and_random__b=[score(0.1, sampling="top-and-random")] * 12),
        "population",
    )
    assert "has 0 features that share two scores" in too_little(apart, pairs(apart))


class Shelved:
    """A dictionary as the command sees it."""

    def __init__(self, catalogue):
        self._catalogue = catalogue
        self.store = type("Store", (), {"manifest": type("Manifest", (), {"sampling": "population"})})

    def catalogue(self):
        return iter(self._catalogue)


@pytest.fixture
def shelved(monkeypatch):
    def put(catalogue):
        monkeypatch.setattr(agreement.api, "open", lambda name: Shelved(catalogue))

    return put


def test_the_command_tells_people_and_programs_the_same(shelved):
    rng = np.random.default_rng(0)
    values = rng.normal(size=(2, 60))
    percentiles = rng.choice([50.0, 99.0], size=(2, 60))
    shelved(
        rows(
            simulation__a=[score(v, p) for v, p in zip(values[0], percentiles[0], strict=True)],
            detection=[score(v, p) for v, p in zip(values[0] + values[1], percentiles[1], strict=True)],
            auprc__a=[score(v) for v in values[1]],
        )
    )
    told = CliRunner().invoke(app, ["agreement", "mine", "--json"])
    assert told.exit_code == 0
    found = json.loads(told.stdout)
    assert found["good"] == {"null_percentile": 95.0}
    by_names = {(pair["first"], pair["second"]): pair for pair in found["pairs"]}
    assert set(by_names) == {("auprc.a", "detection"), ("auprc.a", "simulation.a"), ("detection", "simulation.a")}
    assert by_names["auprc.a", "detection"]["good"]["n"] == 0
    assert by_names["auprc.a", "detection"]["good"]["kappa"] is None
    pair = by_names["detection", "simulation.a"]
    assert pair["good"]["both"] == int(((percentiles == 99).sum(axis=0) == 2).sum())
    assert pair["spearman"]["n"] == 60
    shown = CliRunner().invoke(app, ["agreement", "mine"]).stdout
    assert f"{pair['spearman']['value']:+.2f} [{pair['spearman']['low']:+.2f}" in shown
    assert f"{pair['good']['kappa']:.2f}" in shown
    by_value = json.loads(CliRunner().invoke(app, ["agreement", "mine", "--json", "--good-at", "0"]).stdout)
    assert by_value["good"] == {"value": 0.0}
    assert all(pair["good"]["n"] == 60 for pair in by_value["pairs"])


def test_the_command_refuses_what_cannot_be_compared(shelved):
    shelved([])
    told = CliRunner().invoke(app, ["agreement", "mine"])
    assert isinstance(told.exception, InputError)
    assert str(told.exception) == "'mine' has no scores yet; make some with `labeler label`"


def test_interval_and_counts_do_not_depend_on_the_order_of_rows():
    rng = np.random.default_rng(1)
    catalogue = rows(
        a=[score(v, 100 * abs(v)) for v in rng.random(40)], b=[score(v, 100 * abs(v)) for v in rng.random(40)]
    )
    in_order = columns(catalogue, "population")
    mixed = columns([catalogue[i] for i in rng.permutation(40)], "population")
    assert compare(*in_order, None, 0) == compare(*mixed, None, 0)
