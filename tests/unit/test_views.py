"""A dictionary's features as a person looks at them in Python: by index, one after the other, as a table, as HTML."""

import html
import re
import sys
from html.parser import HTMLParser
from types import SimpleNamespace

import numpy as np
import pytest

from labeler import api, views
from labeler.errors import InputError, MissingExtraError
from labeler.features import Context, Evidence, Statistics
from labeler.notebook import escaped, shaded
from labeler.settings import Settings
from tests.fakes.environment import clean
from tests.fakes.evidence import make_store

LEXICAL = {"explainers": "lexical", "simulators": "lexical"}
HOSTILE = '</bdi><script>alert("x")</script>\u202e\ud800 &amp; \'"<img src=x onerror=alert(1)>\n'


@pytest.fixture(scope="module")
def toy(tmp_path_factory):
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        clean(patch)
        dictionary = api.Dictionary("toy", make_store(home), Settings(_env_file=None, home=home))
        dictionary.label([2, 3, 4], **LEXICAL).work()
        yield dictionary


def test_a_feature_is_had_by_its_index_with_its_evidence_and_its_label(toy):
    feature = toy[3]
    assert feature.evidence.index == feature.index == 3
    assert (feature.state, feature.label.text, str(feature.label)) == ("labelled", '"penny"', '"penny"')
    assert feature.label.headline == "simulation.lexical"
    assert feature.label.low <= feature.label.score <= feature.label.high
    assert repr(feature) == f"Feature(3 of 'toy': Label('\"penny\"', {feature.label.told}))"
    assert re.fullmatch(r"simulation\.lexical 0\.\d\d \[[01]\.\d\d [01]\.\d\d\]", feature.label.told)


def test_a_feature_without_a_label_says_so(toy):
    assert (toy[0].label, toy[0].state, repr(toy[0])) == (None, None, "Feature(0 of 'toy': no label yet)")
    assert (toy[np.int64(4)].label, toy[4].state) == (None, "dead")
    assert toy[4].reason.startswith("never fired in the ")


def test_a_label_has_all_its_scores_by_their_keys(toy):
    label = toy[3].label
    assert next(iter(label.scores)) == label.headline
    assert {key: vars(score) for key, score in label.scores.items()} == {
        key: {name: score[name] for name in ("value", "low", "high", "state", "reason", "null_percentile")}
        for key, score in label.row["scores"].items()
    }
    assert label.scores[label.headline].value == label.score


def test_a_feature_says_how_dense_it_is_and_what_it_promotes(toy):
    evidence = toy[3].evidence
    assert toy[3].density == evidence.statistics.density > 0
    assert toy[4].density == 0
    assert (evidence.lists_say, toy[3].promoted) == (None, evidence.promoted)
    said = views.Feature(toy, 3)
    vars(said)["evidence"] = SimpleNamespace(lists_say=False, promoted=(("x", 1.0),))
    assert said.promoted == ()


def test_a_feature_shows_itself_as_the_command_does(toy, capsys):
    toy[3].show(contexts=2)
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith('toy / 3  "penny"')
    assert sum(line.endswith((" · explain", " · select", " · score")) for line in said) == 2
    toy[0].show()
    assert "not labelled yet" in capsys.readouterr().out.splitlines()[0]
    with pytest.raises(InputError, match="contexts is 'many'; give a whole number, 0 or more"):
        toy[3].show("many")


def test_a_run_says_where_it_is(toy):
    (run,) = toy.runs()
    assert (run.state, repr(run)) == ("finished", f"Run('{run.id}' of 'toy': finished, 3 of 3 features done)")


def test_a_run_that_nobody_is_at_is_not_called_running(toy, monkeypatch):
    run = toy.label(0, **LEXICAL)
    later = run.record.created_at + 60
    monkeypatch.setattr("labeler.api.running.time.time", lambda: later)
    assert run.state == "stopped"
    run.cancel()
    assert repr(run).endswith(": cancelled, 0 of 1 features done)")


def test_runs_and_dictionaries_may_be_kept_in_sets(toy):
    (run, *_) = toy.runs()
    assert {run, toy.run(run.id)} == {run}
    assert {toy, api.Dictionary("toy", toy.store, toy._settings)} == {toy}


def test_several_are_had_by_a_range_of_indices_and_the_last_by_a_negative_one(toy):
    assert [one.index for one in toy[1:3]] == [1, 2]
    assert [(one.index, one.state) for one in toy[-3:]] == [(2, "labelled"), (3, "labelled"), (4, "dead")]
    assert [one.index for one in toy[::2]] == [0, 2, 4]
    assert (toy[-1].index, toy[-5].index, toy[7:], toy[3:3]) == (4, 0, [], [])


@pytest.mark.parametrize("index", [5, -6, 1.0, "3", slice(0, "2"), None])
def test_what_is_no_feature_is_named(toy, index):
    with pytest.raises(InputError, match=r"is out of range|is no feature index"):
        toy[index]
    assert index not in toy


def test_a_dictionary_is_as_long_as_it_has_features_and_gives_all_of_them(toy):
    assert len(toy) == 5
    assert 3 in toy
    assert [(one.index, one.label and one.label.text, one.state) for one in toy] == [
        (0, None, None),
        (1, None, None),
        (2, toy[2].label.text, "labelled"),
        (3, '"penny"', "labelled"),
        (4, None, "dead"),
    ]


def test_to_look_at_a_dictionary_makes_no_database(tmp_path):
    fresh = api.Dictionary("toy", make_store(tmp_path), Settings(_env_file=None, home=tmp_path))
    assert [one.label for one in fresh] == [None] * 5
    assert fresh[3].label is None
    assert not (tmp_path / "labeler.db").exists()


def test_a_table_has_a_row_a_feature_labelled_or_not(toy):
    pytest.importorskip("pandas")
    table = toy.to_pandas()
    assert table["index"].tolist() == [0, 1, 2, 3, 4]
    named = (
        "state label description explainer confidence score low high score_state score_reason against_lookup headline "
        "density max_activation usd null_percentile n_contexts sampling run "
        "simulation.lexical.state simulation.lexical.null_percentile"
    )
    assert set(named.split()) <= set(table.columns)
    penny = table[table["index"] == 3].iloc[0]
    assert (penny.label, penny.explainer, penny.headline) == ('"penny"', "lexical", "simulation.lexical")
    assert penny.score == penny["simulation.lexical.value"] == toy[3].label.score
    assert (penny.score_state, penny.score_reason) == (toy[3].label.state, toy[3].label.reason)
    assert penny.against_lookup == toy[3].row["controls"]["against_lookup"]
    assert penny.density == toy.evidence(3).statistics.density
    assert table["label"].isna().tolist() == [True, True, False, False, True]
    assert table["score"].dtype == "float64"
    assert table["max_activation"].notna().all()


def test_a_table_of_pandas_and_one_of_csv_have_the_same_columns_and_say_the_same(toy, tmp_path):
    pandas = pytest.importorskip("pandas")
    table = toy.to_pandas()
    assert toy.export(tmp_path / "rows.csv") == 3
    read = pandas.read_csv(tmp_path / "rows.csv")
    assert list(read.columns) == list(table.columns)
    labelled = table[table["state"].notna()].reset_index(drop=True)
    for name in (
        "index",
        "state",
        "reason",
        "headline",
        "score",
        "low",
        "null_percentile",
        "n_contexts",
        "simulation.lexical.low",
    ):
        pandas.testing.assert_series_equal(labelled[name], read[name], check_dtype=False)
    assert labelled["low"].notna().any()


def test_without_pandas_it_says_what_to_install(toy, monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(MissingExtraError, match=r"needs the 'pandas' extra.*pip install") as caught:
        toy.to_pandas()
    assert "\n" not in str(caught.value)


class Elements(HTMLParser):
    """Every element's name, and every text."""

    def __init__(self, text):
        super().__init__()
        self.names, self.attributes, self.texts = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.names.append(tag)
        self.attributes += [name for name, _ in attrs]

    def handle_data(self, data):
        self.texts.append(data)


def test_a_dictionary_and_its_features_are_shown_as_html(toy):
    shown = Elements(toy._repr_html_())
    assert set(shown.names) == {"table", "tr", "th", "td"}
    assert {"toy", "5, 4 of them active somewhere"} <= set(shown.texts)
    feature = Elements(toy[3]._repr_html_())
    assert " penny" in feature.texts  # a token by itself: it is shaded
    assert '"penny"' in feature.texts
    assert "no label yet" in toy[0]._repr_html_()


def hostile_feature():
    tokens = tuple(HOSTILE[at : at + 3] for at in range(0, len(HOSTILE), 3))
    activations = np.arange(len(tokens), dtype=np.float32)
    context = Context(id=0, document=HOSTILE, split="score", tokens=tokens, activations=activations)
    statistics = Statistics(
        n_tokens=9, n_firing=9, density=0.1, max_activation=float(activations.max()), histogram=np.zeros(3, dtype=int)
    )
    evidence = Evidence(
        dictionary=HOSTILE,
        index=0,
        statistics=statistics,
        contexts=(context,),
        population=np.zeros((3, 3), dtype=int),
        promoted=((HOSTILE, 1.0),),
    )

    class Store:
        manifest = type("manifest", (), {"name": HOSTILE})

        def evidence(self, index):
            return evidence

    row = {
        "label": HOSTILE, "description": HOSTILE, "explainer": HOSTILE, "headline": "simulation.lexical", "state": "labelled",
        "reason": HOSTILE, "scores": {"simulation.lexical": {"value": 0.5, "low": 0.4, "high": 0.6, "state": "ok"}},
    }  # fmt: skip
    return views.Feature(SimpleNamespace(store=Store()), 0, row)


def test_text_of_others_stays_text_in_html():
    feature = hostile_feature()
    shown = feature._repr_html_()
    found = Elements(shown)
    assert set(found.names) <= {"div", "b", "bdi", "span", "table", "tr", "td"}
    assert set(found.attributes) <= {"style", "title"}
    assert "\u202e" not in shown
    shown.encode("utf-8")
    assert "\n" not in repr(feature)
    failed = views.Feature(feature.dictionary, 0, {**feature.row, "label": None})
    assert set(Elements(failed._repr_html_()).names) <= {"div", "b", "bdi", "span", "table", "tr", "td"}


def test_active_tokens_are_shaded_by_their_strength():
    context = Context(
        id=0, document="d", split="score", tokens=("<a", "> b", " c"), activations=np.array([2.0, 0, 4], np.float32)
    )
    shown = shaded(context, 4.0)
    spans = re.findall(r'<span title="([^"]*)" style="background:rgba\(255,165,0,([\d.]+)\)">([^<]*)</span>', shown)
    assert spans == [("2", "0.53", "&lt;a"), ("4", "0.90", " c")]
    assert html.unescape(re.sub("<[^>]*>", "", shown)) == "<a> b c"
    assert escaped("a\n<b>\u202e") == "a↵&lt;b&gt;␣"


def test_labels_at_hand_are_scored_as_a_mapping_of_json_and_as_a_table_of_pandas(toy):
    pandas = pytest.importorskip("pandas")
    table = pandas.DataFrame({"index": [2, 3], "label": ["flour", "a coin"]})
    for labels in ({"2": "flour", "3": "a coin"}, {2: "flour", 3: "a coin"}, table):
        run = toy.score(labels=labels, simulators="lexical")
        assert run.indices() == [2, 3]
        assert [one.label for index in (2, 3) for one in run.candidates(index)] == ["flour", "a coin"]
    with pytest.raises(InputError, match="'two' is no feature index"):
        toy.score(labels={"two": "war"})
    with pytest.raises(
        InputError, match="labels is a list; give a file's name, labels by the features' indices, or a table"
    ):
        toy.score(labels=[(2, "war")])
