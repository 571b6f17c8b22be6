"""Labels out of files: every format, and one line for everything that is wrong with one."""

from __future__ import annotations

import csv
import gzip
import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from labeler.catalogue.export import write as export
from labeler.catalogue.label_files import of_mapping, of_table, read
from labeler.catalogue.label_files.base import MAX_LABEL
from labeler.catalogue.label_files.reading import MAX_CANDIDATES
from labeler.errors import InputError


def check(index):
    if not 0 <= index < 10:
        raise InputError(f"feature {index} is out of range: 'toy' has features 0 to 9")


def labels_of(path, **options):
    """index -> [(label, description, explainer)]"""
    found = read(path, check, **options).candidates
    return {index: [(c.label, c.description, c.explainer) for c in mine] for index, mine in found.items()}


def write(folder, name, *rows):
    path = folder / name
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def test_json_lines(tmp_path):
    path = write(
        tmp_path,
        "labels.jsonl",
        {"index": 3, "label": "months", "description": "Names of\nmonths."},
        {"index": "7", "label": "  the  word the "},
        {"index": 3, "label": "spring"},
    )
    assert labels_of(path) == {
        3: [("months", "Names of months.", "file:labels.jsonl"), ("spring", "", "file:labels.jsonl")],
        7: [("the word the", "", "file:labels.jsonl")],
    }


def test_nobody_knows_what_a_label_from_elsewhere_was_made_from(tmp_path):
    path = write(tmp_path, "labels.jsonl", {"index": 3, "label": "months"})
    [candidate] = read(path, check).candidates[3]
    assert candidate.contexts is None


def test_a_table_with_quotes_commas_and_line_ends(tmp_path):
    path = tmp_path / "labels.csv"
    path.write_bytes('\ufeffindex,label,description\r\n3,"a, ""b""","two\r\nlines"\r\n4,=1+1,\r\n'.encode())
    assert labels_of(path) == {3: [('a, "b"', "two lines", "file:labels.csv")], 4: [("=1+1", "", "file:labels.csv")]}


ROWS = [
    {"index": 0, "state": "labelled", "label": "=SUM(1)", "description": "d", "explainer": "anthropic:m"},
    {"index": 1, "state": "dead", "label": None, "description": None, "explainer": None},
    {"index": 2, "state": "unclear", "label": "", "description": "", "explainer": "lexical"},
    {"index": 3, "state": "labelled", "label": "'quoted'", "description": "", "explainer": "lexical"},
]


@pytest.mark.parametrize("format", ["jsonl", "csv"])
def test_our_own_export_comes_back_with_who_made_it_and_without_those_that_have_no_label(tmp_path, format):
    path = tmp_path / f"out.{format}"
    export([{**row, "scores": {}} for row in ROWS], format, path)
    assert labels_of(path) == {0: [("=SUM(1)", "d", "anthropic:m")], 3: [("'quoted'", "", "lexical")]}


def explanation(index, text, **fields):
    return {
        **{"id": "c" * 25, "modelId": "gpt2-small", "layer": "6-res-jb", "index": str(index), "description": text},
        **{"typeName": "oai_token-act-pair", "explanationModelName": "gpt-4o-mini", **fields},
    }


@pytest.mark.parametrize("where", ["file", "folder", "export"])
def test_neuronpedias_explanations(tmp_path, where):
    folder = tmp_path / "6-res-jb" / "explanations"
    folder.mkdir(parents=True)
    rows = [[explanation(2, "months")], [explanation(3, ""), explanation(5, "war", explanationModelName=None)]]
    for number, some in enumerate(rows):
        data = "".join(json.dumps(row) + "\n" for row in some).encode()
        (folder / f"batch-{number}.jsonl.gz").write_bytes(gzip.compress(data))
    if where == "file":
        assert labels_of(folder / "batch-0.jsonl.gz") == {2: [("months", "", "gpt-4o-mini")]}
        return
    path = folder if where == "folder" else folder.parent
    source = f"file:{path.name}"
    assert labels_of(path) == {2: [("months", "", "gpt-4o-mini")], 5: [("war", "", source)]}


def test_of_some_features_only_those_and_the_others_need_not_be_here(tmp_path):
    path = write(tmp_path, "labels.jsonl", *({"index": i, "label": f"label {i}"} for i in (1, 2, 99)))
    assert list(labels_of(path, wanted={2, 3})) == [2]


def test_the_same_label_twice_counts_once(tmp_path):
    path = write(tmp_path, "labels.jsonl", *({"index": 1, "label": text} for text in ("War", "war ", "peace")))
    assert [label for label, _, _ in labels_of(path)[1]] == ["War", "peace"]
    assert read(path, check).repeated == [f"{path}, line 2 (feature 1)"]


def test_a_mapping_may_have_one_label_or_several():
    found = of_mapping({1: "war", 2: ["peace", "war"]}, check)
    assert {i: [c.label for c in mine] for i, mine in found.candidates.items()} == {1: ["war"], 2: ["peace", "war"]}
    found = of_mapping({1: " ", 2: "war"}, check)
    assert (list(found.candidates), found.empty) == ([2], ["labels (feature 1)"])


@pytest.mark.parametrize("names", [("index", "label"), ("neuronIdx", "Explanation")])
def test_a_table_of_pandas_is_read_as_a_file_with_its_columns_would_be(names):
    pandas = pytest.importorskip("pandas")
    table = pandas.DataFrame(zip([1, 2, 2, 3.0], ["war", "peace", "war", None], strict=True), columns=names)
    for one in (table, table.set_index(names[0])):
        found = of_table(one, check)
        assert {i: [c.label for c in mine] for i, mine in found.candidates.items()} == {
            1: ["war"],
            2: ["peace", "war"],
        }
        assert found.empty == ["labels, line 5 (feature 3)"]


def test_a_table_without_the_columns_is_refused_by_those_that_it_has():
    pandas = pytest.importorskip("pandas")
    with pytest.raises(InputError, match="labels is a table with the columns \\['a', '5'\\]; it needs one named index"):
        of_table(pandas.DataFrame({"a": [1], 5: ["war"]}), check)


WAR = {1: ["war"], 12: ["peace", "rest"], 7: ["the word 'the'"]}
"""What every one of the next files says, each in its own way."""


def check_many(index):
    if not 0 <= index < 100:
        raise InputError(f"feature {index} is out of range")


def only_labels(path):
    return {index: [c.label for c in mine] for index, mine in read(path, check_many).candidates.items()}


TABLE = [["1", "war"], ["12", "peace"], ["12", "rest"], ["7", "the word 'the'"]]


UNICODE = ["utf-8", "utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"]


@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("encoding", UNICODE)
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_tables_of_any_separator_encoding_and_line_end(tmp_path, separator, end, encoding, mark):
    text = "".join(separator.join(row) + end for row in [["index", "label"], *TABLE])
    path = tmp_path / "labels.txt"
    path.write_bytes((mark + text).encode(encoding))
    assert only_labels(path) == WAR


@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("encoding", UNICODE)
@pytest.mark.parametrize("start", ["[", "\n {", '"index"\t"label"\n1\t"', "sep=;\nindex;label\n1;"])
def test_letters_of_any_alphabet_in_any_encoding(tmp_path, encoding, mark, start):
    label = "戦争 и мир — «Ā» 😀"
    end = {"[": f'{{"index": 1, "label": "{label}"}}]', "\n {": f'"1": "{label}"}}'}.get(start, label)
    end += '"' if start.startswith('"') else ""
    path = tmp_path / "labels"
    path.write_bytes((mark + start + end).encode(encoding))
    assert only_labels(path) == {1: [label]}


def test_a_label_may_hold_what_parts_the_cells_elsewhere(tmp_path):
    path = tmp_path / "labels.csv"
    path.write_text('sep=;\nneuron;interpretation\n1;war, peace\n\n2;"a; b"\n;\n')
    assert only_labels(path) == {1: ["war, peace"], 2: ["a; b"]}


@pytest.mark.parametrize(
    "index",
    ["index", "neuron_idx", "neuron", "Feature", "feature_index", "featureIdx", "latent", "Latent Index", "unit", "id"],
)
@pytest.mark.parametrize(
    "label", ["label", "interpretation", "Explanation", "description", "autointerp", "auto-interp", "concept"]
)
def test_columns_may_be_called_what_people_call_them(tmp_path, index, label):
    table = tmp_path / "labels.csv"
    table.write_text("".join(f"{a},{b},x\n" for a, b in [[index, label], *TABLE]))
    lines = write(tmp_path, "labels.jsonl", *({index: int(a), "more": [1], label: b} for a, b in TABLE))
    assert only_labels(table) == only_labels(lines) == WAR


def test_of_several_columns_the_plainest_counts(tmp_path):
    path = tmp_path / "labels.csv"
    path.write_text("id,neuron,description,label\nabc,3,of spring,months\n")
    [found] = read(path, check).candidates[3]
    assert (found.label, found.description) == ("months", "of spring")


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize(
    "value",
    [
        [{"neuron": a, "explanation": b} for a, b in TABLE],
        {"1": "war", "12": ["peace", "rest"], "7": {"label": "the word 'the'"}, "8": None},
        [None, "war", *[None] * 5, "the word 'the'", {"index": 12, "label": "peace"}, {"index": 12, "label": "rest"}],
        {"1": {"explanation": "war", "score": 0.5}, "12": [{"label": "peace"}, "rest"], "7": "the word 'the'"},
    ],
    ids=["list", "by index", "by place", "objects by index"],
)
def test_json_lists_and_objects_by_index(tmp_path, value, indent):
    path = tmp_path / "labels.json"
    path.write_text(json.dumps(value, indent=indent))
    assert only_labels(path) == WAR


def test_an_index_that_a_program_wrote_as_a_fraction_is_that_number(tmp_path):
    path = tmp_path / "labels.csv"
    path.write_text("index,label\n1.0,war\n")
    assert only_labels(path) == only_labels(write(tmp_path, "l.jsonl", {"index": 1.0, "label": "war"})) == {1: ["war"]}


@pytest.mark.parametrize(
    ("data", "places"),
    [
        ("index,label\n1,war\n2,\n3, \n", ["labels, line 3 (feature 2)", "labels, line 4 (feature 3)"]),
        (
            '{"index": 1, "label": "war"}\n{"index": 2, "label": null}\n{"index": 3}\n',
            ["labels, line 2 (feature 2)", "labels, line 3 (feature 3)"],
        ),
        ('{"1": "war", "2": "", "3": null}', ["labels, line 1, '2' (feature 2)", "labels, line 1, '3' (feature 3)"]),
    ],
)
def test_an_empty_label_is_named_and_the_others_go_on(tmp_path, monkeypatch, data, places):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "labels").write_text(data)
    found = read(Path("labels"), check)
    assert list(found.candidates) == [1]
    assert found.empty == places


@pytest.mark.parametrize(
    "data", ["index,label\n99,peace\n1,war\n10,\n", '{"99": "peace", "1": "war", "10": null}', "99\tpeace\n1\twar\n"]
)
def test_a_label_of_a_feature_that_is_not_here_is_named_and_the_others_go_on(tmp_path, monkeypatch, data):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "labels").write_text(data if "\n" not in data or "index" in data else f"index\tlabel\n{data}")
    found = read(Path("labels"), check)
    assert list(found.candidates) == [1]
    assert found.empty == []
    assert all(place.startswith("labels, line ") for place in found.unknown)
    assert [place.partition("(")[2] for place in found.unknown] == ["feature 99)", "feature 10)"][: len(found.unknown)]


@pytest.mark.parametrize(
    ("data", "wrong"),
    [
        ("index,label\nabc,peace\n1,war\n-2,rest\n", ["line 2: 'index' is 'abc'", "line 4: 'index' is '-2'"]),
        ('{"label": "peace"}\n{"index": 1, "label": "war"}\n', ["line 1: 'index' is missing"]),
        ('{"index": 2.5, "label": "peace"}\n{"index": 1, "label": "war"}\n', ["line 1: 'index' is 2.5"]),
        ('{"1": "war", "-2": "rest", "x": "peace"}', ["line 1, '-2': 'index' is '-2'", "line 1, 'x': 'index' is 'x'"]),
        ('[null, "war", {"index": true, "label": "peace"}]', ["[2]: 'index' is True"]),
    ],
)
def test_a_row_whose_index_is_none_is_named_and_the_others_go_on(tmp_path, monkeypatch, data, wrong):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "labels").write_text(data)
    found = read(Path("labels"), check)
    assert list(found.candidates) == [1]
    expected = "expected a feature's index, 0 to"
    assert [row.partition(f", {expected}")[0] for row in found.wrong] == [f"labels, {row}" for row in wrong]


def test_an_index_that_stands_twice_in_an_object_has_both_labels(tmp_path):
    for text in ('{"1": "war", "2": "x", "1": "peace"}', '{"1": ["war"],\n "2": "x",\n "1": {"label": "peace"}}'):
        (tmp_path / "labels").write_text(text)
        assert only_labels(tmp_path / "labels") == {1: ["war", "peace"], 2: ["x"]}


def test_a_feature_is_blank_where_it_has_no_other_label(tmp_path):
    (tmp_path / "labels").write_text("index,label\n1,\n2,\n2,war\n3,peace\n3,\n4,\n4,\n")
    found = read(tmp_path / "labels", check)
    assert (sorted(found.candidates), sorted(found.blank), len(found.empty)) == ([2, 3], [1, 4], 5)


def test_an_index_that_a_program_gives_and_that_is_not_here_is_its_error():
    with pytest.raises(InputError, match="feature 99 is out of range"):
        of_mapping({1: "war", 99: "peace"}, check)
    assert list(of_mapping({1: "war", 99: "peace"}, check, wanted={1}).candidates) == [1]


GOOD = b'{"index": 1, "label": "war"}\n'


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "labels: empty"),
        (b"\xef\xbb\xbf\n \n", "labels: empty"),
        (b"one;two\n1;war\n", "labels: not a file of labels (its columns are one, two)"),
        (b"just some words\n", "labels: not a file of labels"),
        (b'[{"index": 1, "label": "war"}, 3]', "labels, [1]: 3 where an object was expected"),
        (b'{"1": "war", "2": {"label": ["war"]}}', "labels, line 1, '2': 'label' is a list, expected a string"),
        (b'{"1": "war",\n "2": "pea', "labels: not JSON"),
        (b"index,label,layer\n1,war,2\n3,war,4\n", "labels, line 3: of layer '4', but the first row is of '2'"),
        ("index,label\n1,wär\n".encode("utf-16")[:-1], "labels: not UTF-16-LE"),
        ("index,label\n1,wär\n".encode("utf-16-le")[:-1], "labels: not UTF-16-LE; save it as UTF-8"),
        ("index,label\n1,wär\n".encode("utf-32-be")[:-1], "labels: not UTF-32-BE; save it as UTF-8"),
        ("index,label\n1,café\n".encode("latin-1"), "labels, line 2: not UTF-8; save it as UTF-8"),
        ("index;label\n1;“war” – naïve\n".encode("cp1252"), "labels, line 2: not UTF-8; save it as UTF-8"),
        ('{"1": "戦争"}'.encode("shift-jis"), "labels, line 1: not UTF-8; save it as UTF-8"),
        (GOOD + b"{oops\n", "labels, line 2: not JSON"),
        (GOOD + b"[]\n", "labels, line 2: a list where an object was expected"),
        (GOOD + b'{"index": 2, "label": ["war"]}\n', "labels, line 2: 'label' is a list, expected a string"),
        (b'{"index": 2.5, "label": "war"}\n', "labels, line 1: 'index' is 2.5"),
        (b'{"index": -2, "label": "war"}\n', "labels, line 1: 'index' is -2"),
        (b'{"index": true, "label": "war"}\n', "labels, line 1: 'index' is True"),
        (b'{"label": "war"}\n', "labels, line 1: 'index' is missing"),
        (b'{"index": 10, "label": "war"}\n', "labels, line 1: feature 10 is out of range"),
        (b'{"index": 1, "label": ""}\n{"index": 10, "label": "war"}\n', "labels, line 2: feature 10 is out of range"),
        (
            GOOD + b'{"index": 2, "label": "' + b"a" * (MAX_LABEL + 1) + b'"}\n',
            "labels, line 2: the label of feature 2 has",
        ),
        (GOOD + b'{"index": 2, "label": "\xff"}\n', "labels, line 2: not UTF-8"),
        (
            GOOD * 2 + b"".join(b'{"index": 1, "label": "%d"}\n' % i for i in range(99)),
            f"more than {MAX_CANDIDATES} labels",
        ),
        (b"index,label\n1,war\n2\n", "labels, line 3: not as many cells as the 2 columns of the header"),
        (b"index,label\n1,war,peace\n", "labels, line 2: not as many cells"),
        (b"index,label\none,war\n", "labels, line 2: 'index' is 'one'"),
        (b'index,label\n1,"war\n', "labels, line 2: not CSV"),
        (b"index,label\n1,\xff\n", "labels, line 2: not UTF-8"),
        (b"index,label\n1," + b"a" * (csv.field_size_limit() + 1), "labels, line 2: not CSV (field larger than"),
        (gzip.compress(GOOD, mtime=0)[:-9], "labels: missing or damaged"),
        (
            json.dumps(explanation(1, "war")).encode()
            + b"\n"
            + json.dumps(explanation(2, "war", layer="7-res-jb")).encode(),
            "labels, line 2: of layer '7-res-jb', but the first row is of '6-res-jb'",
        ),
    ],
)
def test_what_is_wrong_is_said_in_one_line_that_names_the_place(tmp_path, monkeypatch, data, says):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "labels").write_bytes(data)
    with pytest.raises(InputError) as refused:
        read(tmp_path / "labels", check)
    message = str(refused.value)
    assert says in message.replace(f"{tmp_path}/", "")
    assert "\n" not in message
    assert len(message) < 700


def test_a_file_or_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(InputError, match="nowhere: not a file"):
        read(tmp_path / "nowhere", check)
    with pytest.raises(InputError, match="a folder without Neuronpedia's explanations"):
        read(tmp_path, check)


@given(
    st.binary(max_size=200) | st.text(max_size=100).map(lambda text: b"index,label\n" + text.encode("utf-8", "replace"))
)
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_bytes_come_they_are_labels_or_one_error(tmp_path, data):
    path = tmp_path / "labels"
    path.write_bytes(data)
    try:
        found = read(path, check)
        message = ""
    except InputError as error:
        found, message = None, str(error)
    assert "\n" not in message
    assert (found is None) == bool(message)
    assert found is None or all(candidate.label for mine in found.candidates.values() for candidate in mine)
