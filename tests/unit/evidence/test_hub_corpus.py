"""Data sets on the Hugging Face hub as corpora, by a stand-in for the library that streams them."""

import sys
import types

import pytest

from labeler.errors import InputError, LabelerError, MissingExtraError
from labeler.evidence.corpora import hub
from labeler.evidence.corpora.registry import corpus_fingerprint, read_corpus

ROWS = [{"text": f"text {n}", "meta": n} for n in range(5)]


@pytest.fixture
def hub_of(monkeypatch):
    """A hub of some data sets; what it was asked for is told."""

    def install(sets):
        asked = []

        def load_dataset(name, configuration=None, *, split, revision, streaming):
            asked.append((name, configuration, split, revision))
            assert streaming
            if name not in sets:
                raise FileNotFoundError(f"Dataset '{name}' doesn't exist on the Hub\nor cannot be accessed.")
            return sets[name]

        module = types.ModuleType("datasets")
        module.load_dataset = load_dataset
        monkeypatch.setitem(sys.modules, "datasets", module)
        return asked

    return install


def test_rows_are_documents_in_the_data_sets_order(hub_of):
    asked = hub_of({"org/name": [*ROWS, {"text": "last", "id": "own"}]})
    found = [(passage.document, passage.text) for passage in read_corpus("org/name")]
    assert found[:2] == [("org/name:1", "text 0"), ("org/name:2", "text 1")]
    assert found[-1] == ("own", "last")
    assert asked == [("org/name", None, "train", None)]


def test_configuration_and_revision_may_be_named(hub_of):
    asked = hub_of({"Salesforce/wikitext": ROWS})
    next(read_corpus("Salesforce/wikitext:wikitext-103-raw-v1@refs/pr/3"))
    assert asked == [("Salesforce/wikitext", "wikitext-103-raw-v1", "train", "refs/pr/3")]


def test_no_more_is_read_than_is_asked_for(hub_of):
    read = []

    def endless():
        for n in range(1_000_000):
            read.append(n)
            yield {"text": f"text {n}"}

    hub_of({"org/name": endless()})
    corpus = read_corpus("org/name")
    next(corpus)
    assert len(read) <= 2


def test_it_is_told_by_its_first_rows(hub_of):
    hub_of({"org/name": ROWS, "org/same": ROWS, "org/other": [{"text": "x"}]})
    first = corpus_fingerprint("org/name")
    assert first == corpus_fingerprint("org/name")
    assert len({first, corpus_fingerprint("org/same"), corpus_fingerprint("org/other")}) == 3
    hub_of({"org/name": [{"text": "another version"}, *ROWS]})
    assert corpus_fingerprint("org/name") != first


@pytest.mark.parametrize(
    ("name", "rows", "named"),
    [
        ("org/gone", None, "cannot read the data set 'org/gone' on the Hugging Face hub: Dataset 'org/gone' doesn't"),
        ("org/name", [], "has no rows"),
        ("org/name", [{"content": "x", "n": 1}], "row 1: no column 'text' of strings; there are: content, n"),
        ("org/name", [{"text": "x"}, {"text": None}], "row 2: no column 'text' of strings"),
    ],
)
def test_what_is_wrong_with_a_data_set_is_one_line(hub_of, name, rows, named):
    hub_of({} if rows is None else {name: rows})
    with pytest.raises(InputError, match=named) as caught:
        list(read_corpus(name))
    assert "\n" not in str(caught.value)


def test_what_stops_on_the_way_is_nobodys_mistake(hub_of):
    def stopping():
        yield ROWS[0]
        yield ROWS[1]
        raise ConnectionError("the line is dead")

    hub_of({"org/name": stopping()})
    with pytest.raises(
        LabelerError, match="stopped coming at row 3: the line is dead; the same call goes on"
    ) as caught:
        list(read_corpus("org/name"))
    assert not isinstance(caught.value, InputError)  # what was collected is not thrown away


def test_without_the_library_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(
        MissingExtraError, match=r"no file or folder 'org/name'.*'datasets' extra.*pip install"
    ) as caught:
        read_corpus("org/name")
    assert "\n" not in str(caught.value)


def test_what_is_here_goes_before_what_is_on_the_hub(tmp_path, monkeypatch, hub_of):
    hub_of({"texts/mine": ROWS})
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "texts" / "mine"
    folder.mkdir(parents=True)
    with pytest.raises(InputError, match="corpus 'texts/mine' is of no known kind"):
        read_corpus("texts/mine")


@pytest.mark.parametrize("name", ["texts/mine.jsonl", "/org/name", "./org/name", "a/b/c", "name", "org/na me", "org/"])
def test_a_path_is_no_name(name, monkeypatch):
    monkeypatch.setitem(sys.modules, "datasets", None)
    assert not hub.is_name(name)
    with pytest.raises(InputError, match="no corpus at"):
        read_corpus(name)
