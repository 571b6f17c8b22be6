"""The demo's table at any width: what it is about is never cut, and where a feature fires is told without colours too."""

import io
import types

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from labeler.cli.demo import recorded_table, table
from labeler.cli.demo_table import FeatureTable, Line, Snippet, snippet
from labeler.llm.providers.offline import NOT_RECORDED
from tests.fakes.evidence import RULES, make_store

SCORE = "0.74 [-0.25 0.80] ~"
LABEL = "the word penny, weaker on other small coins of Great Britain and Ireland"
SNIPPET = Snippet("he found a bent and rusty ", "penny", " in the pocket of his coat")


def lines_of(table, width, **options):
    console = Console(width=width, file=io.StringIO(), **options)
    console.print(table)
    return console.file.getvalue().splitlines()


def one(label=LABEL, beneath=SNIPPET):
    figures = [Text(SCORE), Text("100%"), Text("0.31"), Text("0.55")]
    names = ("simulated", "null", "encoder", "words")
    return FeatureTable("1 feature", names, [Line(4095, Text(label), figures, beneath)], [])


@given(width=st.integers(36, 200))
def test_feature_label_and_score_are_whole_at_any_width(width):
    shown = lines_of(one(), width)
    assert all(cell_len(line) <= width for line in shown)
    text = " ".join(" ".join(shown).split())
    assert "4095" in text
    assert SCORE in text
    assert all(
        any(word in line.split() for line in shown) for word in LABEL.replace(",", ", ").split() if "," not in word
    )
    assert "⟦penny⟧" in text


@given(
    width=st.integers(36, 160),
    parts=st.tuples(*[st.text(st.characters(exclude_categories=["Cc", "Cs", "Zl", "Zp"]), max_size=80)] * 3),
)
def test_text_of_any_script_stays_on_its_line(width, parts):
    beneath = [line for line in lines_of(one(beneath=Snippet(*parts)), width) if "⟦" in line]
    assert len([line for line in beneath if line.startswith(" " * 7)]) <= 1
    assert all(cell_len(line) <= width for line in beneath)


@pytest.mark.parametrize("width", [80, 100, 120])
def test_at_usual_widths_the_figures_stand_beside_the_label(width):
    (row,) = [line for line in lines_of(one(), width) if "4095" in line]
    assert row.split()[1:4] == ["the", "word", "penny,"]
    assert row.rstrip().endswith("0.55")
    assert SCORE in row


@pytest.mark.parametrize(
    ("options", "marks"),
    [
        ({}, True),
        ({"force_terminal": True, "color_system": "truecolor"}, False),
        ({"force_terminal": True, "color_system": "truecolor", "no_color": True}, True),
        ({"force_terminal": True, "_environ": {"TERM": "dumb"}}, True),
    ],
)
def test_marks_stand_where_no_colour_does(options, marks):
    shown = "\n".join(lines_of(one(), 100, **options))
    assert ("⟦penny⟧" in shown) is marks
    assert "penny" in shown


def test_the_marked_token_is_the_strongest_and_text_cannot_set_marks():
    context = types.SimpleNamespace(
        tokens=("a ⟦b⟧", " c", "\n", " d"), activations=np.array([1.0, 0, 3, 2]), split="score"
    )
    evidence = types.SimpleNamespace(of=lambda split: (context,), contexts=(context,))
    assert snippet(evidence) == Snippet("a [b] c", "↵", " d")
    assert snippet(types.SimpleNamespace(of=lambda split: (), contexts=())) is None


@pytest.fixture(scope="module")
def dictionary(tmp_path_factory):
    store = make_store(tmp_path_factory.mktemp("home"), rules=RULES)
    return types.SimpleNamespace(store=store, evidence=store.evidence)


def row(state, scores=None, label=None, reason=None):
    return {"index": 0, "state": state, "label": label, "reason": reason, "scores": scores or {}, "explainer": "x"}


def score(value, state="ok", reason=None):
    return {"value": value, "low": value, "high": value, "state": state, "reason": reason, "null_percentile": None}


def test_why_a_feature_failed_stands_below_it(dictionary):
    shown = lines_of(recorded_table([row("failed", reason="means.safetensors: missing")], dictionary), 80)
    assert any("failed" in line for line in shown)
    assert any("means.safetensors: missing" in line for line in shown)
    assert not any("⟦" in line for line in shown)


def test_a_score_that_was_not_recorded_is_said_to_be_none_and_the_others_are_shown(dictionary):
    scores = {
        "simulation.sparse": score(None, "unscored", f"recorded:claude: {NOT_RECORDED}"),
        "simulation.embedding": score(0.31),
        "simulation.lexical": score(0.55),
    }
    shown = lines_of(recorded_table([row("labelled", scores, "the word penny")], dictionary), 80)
    (line,) = [line for line in shown if "penny" in line and "not recorded" in line]
    assert line.split()[-2:] == ["0.31", "0.55"]
    assert any("⟦" in line for line in shown)


def test_what_is_left_out_of_a_picture_is_said(dictionary):
    rows = [row("labelled", label="a"), row("labelled", label="b"), row("labelled", label="c")]
    assert any("… and 2 more features" in line for line in lines_of(recorded_table(rows, dictionary, 1), 100))
    assert not any("more features" in line for line in lines_of(recorded_table(rows, dictionary), 100))


@pytest.mark.parametrize("width", [60, 80, 120])
def test_the_live_demo_s_table_is_whole_too(dictionary, width):
    scores = {"simulation.likelihood": score(0.42), "simulation.embedding": score(0.31)}
    shown = lines_of(table([{**row("labelled", scores, "the word penny"), "explainer": "lexical"}], dictionary), width)
    text = " ".join(" ".join(shown).split())
    for whole in ("the word penny", "0.42 [0.42 0.42]", "0.31", "lexical", "likelihood"):
        assert whole in text
