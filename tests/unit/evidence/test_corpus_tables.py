"""Corpora in Parquet files and in folders of the package ``datasets``."""

import importlib.util
import json
import random

import pyarrow
import pytest

from labeler.errors import InputError, MissingExtraError
from labeler.evidence.corpora.arrow import ROWS
from labeler.evidence.corpora.registry import corpus_fingerprint, read_corpus
from tests.fakes.corpora import save_dataset, save_dataset_dict, write_parquet, write_stream

ROWS_A = [{"id": f"a{i}", "text": f"text {i}", "n": i} for i in range(10)]
ROWS_B = [{"id": f"b{i}", "text": f"more {i}", "n": i} for i in range(3)]


def read(path):
    return [(passage.document, passage.text) for passage in read_corpus(str(path))]


def expected(*rows):
    return [(row["id"], row["text"]) for part in rows for row in part]


def test_a_parquet_file(tmp_path):
    assert read(write_parquet(tmp_path / "c.parquet", ROWS_A)) == expected(ROWS_A)


def test_a_folder_of_parquet_files_in_the_order_of_their_names(tmp_path):
    write_parquet(tmp_path / "train-00001.parquet", ROWS_B)
    write_parquet(tmp_path / "train-00000.parquet", ROWS_A)
    (tmp_path / "README.md").touch()
    assert read(tmp_path) == expected(ROWS_A, ROWS_B)


def test_a_saved_dataset(tmp_path):
    assert read(save_dataset(tmp_path / "saved", ROWS_A, ROWS_B)) == expected(ROWS_A, ROWS_B)


def test_the_shards_of_a_saved_dataset_come_in_the_order_that_it_lists(tmp_path):
    folder = save_dataset(tmp_path / "saved", ROWS_A, ROWS_B)
    state = json.loads((folder / "state.json").read_text())
    state["_data_files"].reverse()
    (folder / "state.json").write_text(json.dumps(state))
    assert read(folder) == expected(ROWS_B, ROWS_A)


def test_the_only_split_is_read_and_of_several_the_one_that_is_named(tmp_path):
    assert read(save_dataset_dict(tmp_path / "one", train=ROWS_A)) == expected(ROWS_A)
    two = save_dataset_dict(tmp_path / "two", train=ROWS_A, test=ROWS_B)
    with pytest.raises(InputError, match="holds the splits test, train; give the folder of one"):
        read_corpus(str(two))
    assert read(two / "test") == expected(ROWS_B)


@pytest.mark.parametrize("write", [write_parquet, lambda path, rows: save_dataset(path.with_suffix(""), rows)])
def test_rows_without_an_id_are_documents_of_their_own(tmp_path, write):
    corpus = write(tmp_path / "c.parquet", [{"text": f"text {i}"} for i in range(ROWS * 2 + 5)])
    found = read(corpus)
    assert [text for _, text in found] == [f"text {i}" for i in range(ROWS * 2 + 5)]
    assert len({document for document, _ in found}) == len(found)


@pytest.mark.parametrize("write", [write_parquet, lambda path, rows: save_dataset(path.with_suffix(""), rows)])
@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([{"content": "one"}], r"no column 'text' of strings; there are: content \(string\)"),
        ([{"text": 3}], r"no column 'text' of strings; there are: text \(int64\)"),
        ([{"text": "one"}, {"text": None}], "row 2: no text"),
    ],
)
def test_rows_without_text_are_named(tmp_path, write, rows, message):
    corpus = write(tmp_path / "c.parquet", rows)
    with pytest.raises(InputError, match=message):
        read(corpus)


def test_two_columns_of_one_name_are_refused(tmp_path):
    table = pyarrow.Table.from_arrays([pyarrow.array(["one"])] * 2, names=["text", "text"])
    pyarrow.parquet.write_table(table, tmp_path / "c.parquet")
    with pytest.raises(InputError, match="two columns are called 'text'"):
        read(tmp_path / "c.parquet")


@pytest.mark.parametrize("kind", ["parquet", "saved"])
def test_damage_is_named_and_never_more_than_that(tmp_path, kind):
    """Bytes overwritten and files cut short: what is read is refused or is text."""
    corpus = write_parquet(tmp_path / "c.parquet", ROWS_A)
    if kind == "saved":
        corpus = save_dataset(tmp_path / "saved", ROWS_A)
    file = next(corpus.glob("*.arrow")) if kind == "saved" else corpus
    whole, dice, refusals = file.read_bytes(), random.Random(0), []
    for _ in range(200):
        harmed = bytearray(whole)
        for _ in range(3):
            at = dice.randrange(len(harmed))
            harmed[at : at + 4] = dice.choice([b"\xff\xff\xff\x7f", b"\0\0\0\0", b"\xff\xff\xff\xff"])
        file.write_bytes(harmed[: dice.choice([len(harmed), dice.randrange(len(harmed))])])
        try:
            assert all(isinstance(text, str) for _, text in read(corpus))
        except InputError as error:
            refusals.append(str(error))
    assert len(refusals) > 100
    assert all(file.name in message and "\n" not in message for message in refusals)


@pytest.mark.parametrize(
    "state",
    [
        "{",
        "[]",
        "[" * 100_000,
        "{}",
        '{"_data_files": []}',
        '{"_data_files": "data-00000-of-00001.arrow"}',
        '{"_data_files": [3]}',
        '{"_data_files": [{"filename": "nowhere.arrow"}]}',
        '{"_data_files": [{"filename": "../secret.arrow"}]}',
        '{"_data_files": [{"filename": "/etc/passwd"}]}',
        '{"_data_files": [{"filename": ".."}]}',
    ],
)
def test_a_state_that_does_not_list_files_of_its_folder_is_refused(tmp_path, state):
    write_stream(tmp_path / "secret.arrow", ROWS_A)
    folder = save_dataset(tmp_path / "saved", ROWS_A)
    (folder / "state.json").write_text(state)
    with pytest.raises(InputError, match=r"state\.json"):
        read_corpus(str(folder))


@pytest.mark.parametrize("splits", ["{", '{"splits": 3}', '{"splits": [{}]}', '{"splits": ["../other"]}'])
def test_splits_are_only_looked_for_in_the_folder(tmp_path, splits):
    save_dataset(tmp_path / "other", ROWS_A)
    folder = save_dataset_dict(tmp_path / "dict", train=ROWS_A)
    (folder / "dataset_dict.json").write_text(splits)
    with pytest.raises(InputError, match="dict"):
        read_corpus(str(folder))


def test_a_folders_fingerprint_follows_names_and_contents_and_nothing_else(tmp_path):
    folder = tmp_path / "c"
    folder.mkdir()
    first = write_parquet(folder / "a.parquet", ROWS_A)
    second = write_parquet(folder / "b.parquet", ROWS_B)
    seen = {corpus_fingerprint(str(folder))}
    (folder / "README.md").write_text("not text of the corpus")
    assert corpus_fingerprint(str(folder)) in seen
    second.rename(folder / "c.parquet")
    seen.add(corpus_fingerprint(str(folder)))
    write_parquet(first, ROWS_B)
    seen.add(corpus_fingerprint(str(folder)))
    assert len(seen) == 3
    saved = save_dataset(tmp_path / "saved", ROWS_A)
    assert corpus_fingerprint(str(saved)) == corpus_fingerprint(str(saved)) not in seen


def test_without_pyarrow_the_extra_is_named(tmp_path, monkeypatch):
    parquet = write_parquet(tmp_path / "c.parquet", ROWS_A)
    saved = save_dataset(tmp_path / "saved", ROWS_A)
    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *rest: None if name == "pyarrow" else found(name, *rest)
    )
    for corpus in (parquet, saved):
        with pytest.raises(MissingExtraError, match="needs the 'local' extra"):
            read_corpus(str(corpus))
