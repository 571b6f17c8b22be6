from dataclasses import replace

from labeler.cli.collect import notes
from labeler.evidence.store.manifest import Collected

FOUND = Collected(tokens=8_827, asked=None, ended=True, contexts=300, documents=200, left_out=63)


def test_nothing_is_said_where_all_that_was_asked_for_is_there():
    assert notes(replace(FOUND, left_out=0), None) == []
    assert notes(replace(FOUND, left_out=0), 8_800) == []
    assert notes(replace(FOUND, documents=None, left_out=None), None) == []
    assert notes(replace(FOUND, ended=False, left_out=0), 8_827) == []


def test_a_corpus_that_is_too_short_is_told():
    [line] = notes(replace(FOUND, left_out=0), 20_000)
    assert line == "the corpus (200 documents) ended before the 20,000 tokens that were asked for"
    assert "document" not in notes(replace(FOUND, documents=None, left_out=None), 20_000)[0]


def test_copies_are_told():
    [line] = notes(FOUND, None)
    assert line.startswith("63 of 363 contexts (200 documents) were left out: copies of text that another split has")
    assert len(notes(FOUND, 20_000)) == 2
