"""Files of exported rows: whole or not at all, and harmless whatever the labels say."""

from __future__ import annotations

import csv
import io
import json
import re
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labeler.catalogue.database import clean_text
from labeler.catalogue.export import FORMATS, check_free, format_for, write, writer
from labeler.errors import InputError
from labeler.printable import clean

hostile = st.text(st.characters(exclude_categories=())) | st.sampled_from(
    ["=1+1", "+A1", "-2", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "＝1", "a\0b", '"', "a,b", "x\u2028y", "\x85", "\ud800"]
)
score = st.fixed_dictionaries(
    {
        "value": st.none() | st.floats(),
        "low": st.none() | st.floats(),
        "high": st.none() | st.floats(),
        "null_percentile": st.none() | st.floats(0, 100),
        "state": st.sampled_from(["ok", "imprecise", "undefined", "failed", "unscored"]),
    }
)
row = st.fixed_dictionaries(
    {
        "index": st.integers(0, 2**31 - 1),
        "state": st.sampled_from(["labelled", "unclear", "failed", "dead", "skipped"]),
        "label": st.none() | hostile,
        "description": st.none() | hostile,
        "explainer": st.none() | hostile,
        "scores": st.dictionaries(st.sampled_from(["simulation.embedding", "detection"]), score),
        "statistics": st.fixed_dictionaries({"density": st.floats(0, 1), "max_activation": st.none() | st.floats()}),
        "cost": st.fixed_dictionaries({"usd": st.none() | st.floats(0, 10)}),
        "provenance": st.fixed_dictionaries({"run": st.just("0123456789ab")}),
    }
)


@given(st.lists(row, max_size=5))
@settings(max_examples=60, deadline=None)
def test_jsonl_comes_back_as_it_was_but_for_what_json_has_no_word_for(rows):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "out.jsonl"
        assert write(rows, "jsonl", path) == len(rows)
        data = path.read_bytes()

    assert b"\0" not in data
    assert b"\\u0000" not in data
    lines = data.decode().splitlines()
    assert len(lines) == len(rows)
    for line, wanted in zip(lines, rows, strict=True):
        read = json.loads(line, parse_constant=pytest.fail)
        assert read["index"] == wanted["index"]
        for name in ("label", "description", "explainer"):
            assert read[name] == (None if wanted[name] is None else clean_text(wanted[name]))


@given(st.lists(row, max_size=5))
@settings(max_examples=60, deadline=None)
def test_csv_comes_back_with_every_formula_defused(rows):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "out.csv"
        assert write(rows, "csv", path) == len(rows)
        with path.open(encoding="utf-8", newline="") as file:
            read = list(csv.DictReader(file))

    assert len(read) == len(rows)
    for cells, wanted in zip(read, rows, strict=True):
        assert int(cells["index"]) == wanted["index"]
        assert cells["run"] == "0123456789ab"
        for name in ("label", "description", "explainer"):
            text = clean(clean_text(wanted[name] or ""))
            assert not cells[name].startswith(("=", "+", "-", "@", "\t", "\r"))
            assert not re.search(r"[\x00-\x1f\x7f-\x9f]", cells[name])
            assert cells[name] in (text, f"'{text}")
        for key, score in wanted["scores"].items():
            assert cells[f"{key}.state"] == score["state"]
            if cells[f"{key}.value"]:
                assert float(cells[f"{key}.value"]) == score["value"]


SCORE = {"value": -0.5, "low": -0.6, "high": -0.4, "n_contexts": 80, "null_percentile": 97.5, "sampling": "drawn"}


def test_csv_has_the_columns_of_every_score_of_any_row_and_those_of_the_headline(tmp_path):
    rows = [
        {"index": 0, "state": "dead", "reason": "never fired", "scores": {}, "statistics": {"density": 0.0}},
        {"index": 1, "state": "labelled", "label": "-5", "headline": "detection"}
        | {"scores": {"detection": {**SCORE, "state": "imprecise", "reason": "luck"}}}
        | {"controls": {"beats_lookup": False, "against_lookup": "alike"}, "same_label": [3, 7]},
    ]

    write(rows, "csv", tmp_path / "out.csv")

    header, dead, labelled = csv.reader((tmp_path / "out.csv").read_text().splitlines())
    assert header == [
        *(
            "index",
            "state",
            "reason",
            "label",
            "description",
            "explainer",
            "confidence",
            "headline",
            "score",
            "low",
            "high",
        ),
        *("null_percentile", "n_contexts", "sampling", "score_state", "score_reason"),
        *("detection.value", "detection.low", "detection.high", "detection.null_percentile", "detection.n_contexts"),
        *("detection.state", "detection.reason", "beats_lookup", "against_lookup", "same_label", "density"),
        *("max_activation", "usd", "run"),
    ]
    said = [{name: cell for name, cell in zip(header, row, strict=True) if cell} for row in (dead, labelled)]
    score = {"low": "-0.6", "high": "-0.4", "null_percentile": "97.5", "n_contexts": "80"}
    assert said == [
        {"index": "0", "state": "dead", "reason": "never fired", "density": "0.0"},
        {"index": "1", "state": "labelled", "label": "'-5", "headline": "detection", "score": "-0.5", **score}
        | {"sampling": "drawn", "score_state": "imprecise", "score_reason": "luck", "detection.value": "-0.5"}
        | {f"detection.{name}": cell for name, cell in score.items()}
        | {"detection.state": "imprecise", "detection.reason": "luck"}
        | {"beats_lookup": "False", "against_lookup": "alike", "same_label": "3 7"},
    ]


def test_a_hostile_label_can_do_nothing_to_who_prints_the_csv(tmp_path):
    hostile = "\x1b]0;title\x07\x1b[31mred\x9b2J\u202eback\nnext\tcell"
    row = {"index": 1, "label": hostile, "reason": hostile, "headline": hostile}
    write([row | {"scores": {hostile: {"reason": hostile, "state": "ok"}}}], "csv", tmp_path / "out.csv")
    said = (tmp_path / "out.csv").read_text()
    assert said.count("]0;title[31mred2Jback⏎next cell") == 12
    assert not set(said) & set("\x1b\x07\x9b\u202e\t")
    assert len(said.splitlines()) == 2


@pytest.mark.parametrize("name", FORMATS)
def test_an_open_file_gets_what_a_named_one_gets(name, tmp_path):
    rows = [{"index": 0, "label": "a, b"}, {"index": 1, "label": "é"}]
    file = io.StringIO(newline="")
    assert write(rows, name, file) == write(rows, name, tmp_path / "out") == 2
    assert file.getvalue().encode() == (tmp_path / "out").read_bytes()


@pytest.mark.parametrize("name", FORMATS)
def test_a_file_is_whole_or_as_it_was(name, tmp_path):
    # Given a file, and rows of which the second cannot be had
    path = tmp_path / "out"
    path.write_text("before")

    def rows():
        yield {"index": 0}
        raise RuntimeError("the database went away")

    # When they are written
    with pytest.raises(RuntimeError):
        write(rows(), name, path)

    # Then the file is untouched and nothing lies beside it
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("name", FORMATS)
def test_a_path_that_cannot_be_written_is_said(name, tmp_path):
    for path in (tmp_path, tmp_path / "missing" / "out", Path("/dev/null"), tmp_path / ("n" * 300)):
        with pytest.raises(InputError, match="cannot write"):
            write([{"index": 0}], name, path)


def test_a_link_keeps_pointing_to_the_file_that_is_written(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "file")

    write([{"index": 0}], "jsonl", tmp_path / "link")

    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "file").read_text() == '{"index": 0}\n'


def test_an_unknown_format_is_said_with_those_that_are_known():
    with pytest.raises(InputError, match="'xlsx' is not an export format; use one of: jsonl, csv"):
        writer("xlsx")


@pytest.mark.parametrize(
    ("file", "named", "meant"),
    [
        ("rows.csv", None, "csv"),
        ("rows.CSV", None, "csv"),
        ("rows.jsonl", None, "jsonl"),
        ("rows", None, "jsonl"),
        ("rows", "csv", "csv"),
        ("rows.csv", "csv", "csv"),
        ("rows.txt", "csv", "csv"),
        ("v1.2/rows", None, "jsonl"),
    ],
)
def test_a_file_s_ending_says_its_format_where_nobody_does(file, named, meant):
    assert format_for(Path(file), named) == meant


@pytest.mark.parametrize(
    ("file", "named", "says"),
    [
        ("rows.csv", "jsonl", "'rows.csv' ends as csv does, and the format is jsonl"),
        ("rows.jsonl", "csv", "'rows.jsonl' ends as jsonl does, and the format is csv"),
        ("rows.xlsx", None, "no export ends in .xlsx .*; name a file that ends in .jsonl or .csv"),
        ("rows.csv.gz", None, "no export ends in .gz"),
        ("rows.csv", "xml", "'xml' is not an export format"),
    ],
)
def test_an_ending_that_is_another_s_or_nobody_s_is_refused(file, named, says):
    with pytest.raises(InputError, match=says):
        format_for(Path(file), named)


def test_a_file_that_is_there_is_named(tmp_path):
    check_free(tmp_path)
    check_free(tmp_path / "rows.csv")
    (tmp_path / "rows.csv").write_text("mine")
    (tmp_path / "link").symlink_to(tmp_path / "rows.csv")
    for path in (tmp_path / "rows.csv", tmp_path / "link"):
        with pytest.raises(InputError, match=f"'{path}' is there already"):
            check_free(path)
