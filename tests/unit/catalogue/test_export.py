"""Files of exported rows: whole or not at all, and harmless whatever the labels say."""

from __future__ import annotations

import csv
import json
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labeler.catalogue.database import clean_text
from labeler.catalogue.export import FORMATS, check_free, format_for, writer
from labeler.errors import InputError

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
        assert writer("jsonl")(rows, path) == len(rows)
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
        assert writer("csv")(rows, path) == len(rows)
        with path.open(encoding="utf-8", newline="") as file:
            read = list(csv.DictReader(file))

    assert len(read) == len(rows)
    for cells, wanted in zip(read, rows, strict=True):
        assert int(cells["index"]) == wanted["index"]
        assert cells["run"] == "0123456789ab"
        for name in ("label", "description", "explainer"):
            text = clean_text(wanted[name] or "")
            assert not cells[name].startswith(("=", "+", "-", "@", "\t", "\r"))
            assert cells[name] in (text, f"'{text}")
        for key, score in wanted["scores"].items():
            assert cells[f"{key}.state"] == score["state"]
            if cells[f"{key}.value"]:
                assert float(cells[f"{key}.value"]) == score["value"]


def test_csv_has_the_columns_of_every_score_of_any_row(tmp_path):
    rows = [
        {"index": 0, "state": "dead", "scores": {}, "statistics": {"density": 0.0, "max_activation": 0.0}},
        {"index": 1, "state": "labelled", "label": "-5", "scores": {"detection": {"value": -0.5, "state": "ok"}}}
        | {"controls": {"beats_lookup": False, "against_lookup": "alike"}, "same_label": [3, 7]},
    ]

    writer("csv")(rows, tmp_path / "out.csv")

    assert (tmp_path / "out.csv").read_text().splitlines() == [
        "index,state,label,description,explainer,detection.value,detection.low,detection.high,"
        "detection.null_percentile,detection.state,beats_lookup,against_lookup,same_label,density,max_activation,usd,run",
        "0,dead,,,,,,,,,,,,0.0,0.0,,",
        "1,labelled,'-5,,,-0.5,,,,ok,False,alike,3 7,,,,",
    ]


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
        writer(name)(rows(), path)

    # Then the file is untouched and nothing lies beside it
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("name", FORMATS)
def test_a_path_that_cannot_be_written_is_said(name, tmp_path):
    for path in (tmp_path, tmp_path / "missing" / "out", Path("/dev/null"), tmp_path / ("n" * 300)):
        with pytest.raises(InputError, match="cannot write"):
            writer(name)([{"index": 0}], path)


def test_a_link_keeps_pointing_to_the_file_that_is_written(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "file")

    writer("jsonl")([{"index": 0}], tmp_path / "link")

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
