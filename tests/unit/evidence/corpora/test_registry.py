"""Corpora of one's own in plain text and JSON Lines, and the built-in one."""

import gzip
import itertools
import json
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labeler.errors import InputError
from labeler.evidence.corpora import jsonl
from labeler.evidence.corpora.base import LONGEST, cut
from labeler.evidence.corpora.registry import Passage, corpus_fingerprint, read_corpus


def read(path):
    return [(passage.document, passage.text) for passage in read_corpus(str(path))]


def test_jsonl_gives_a_passage_a_line_with_its_own_id(tmp_path):
    path = tmp_path / "c.jsonl"
    path.write_text(json.dumps({"id": "a", "text": "one"}) + "\n\n" + json.dumps({"text": "two"}) + "\n")
    assert read(path) == [("a", "one"), ("c.jsonl:3", "two")]


def test_a_line_without_an_id_or_with_a_null_one_is_a_document_of_its_own(tmp_path):
    path = tmp_path / "c.jsonl"
    path.write_text("\ufeff" + "".join(json.dumps({"id": None, "text": t}) + "\n" for t in "abc"), encoding="utf-8")
    assert len({document for document, _ in read(path)}) == 3


def test_compressed_jsonl_reads_like_any_other(tmp_path):
    path = tmp_path / "c.jsonl.gz"
    path.write_bytes(gzip.compress(b'{"id": 7, "text": "one"}\n{"text": "two"}\n'))
    assert read(path) == [("7", "one"), ("c.jsonl.gz:2", "two")]


@pytest.mark.parametrize("harm", [lambda b: b[:-9], lambda b: b"{}\n" + b, lambda b: b[:20] + b"\0\0\0" + b[23:]])
def test_a_damaged_archive_is_named(tmp_path, harm):
    path = tmp_path / "c.jsonl.gz"
    path.write_bytes(harm(gzip.compress(b"".join(b'{"text": "number %d"}\n' % i for i in range(100)))))
    with pytest.raises(InputError, match=r"c\.jsonl\.gz"):
        read(path)


def test_half_characters_are_replaced(tmp_path):
    path = tmp_path / "c.jsonl"
    path.write_text('{"id": "\\ud800", "text": "a \\ud800 b, a whole one: \\ud83d\\ude00"}\n')
    assert read(path) == [("?", "a ? b, a whole one: 😀")]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "line 2: not JSON"),
        ("[]", "line 2: no string field 'text'"),
        ('{"text": 3}', "no string field 'text'"),
        ("[" * 100_000, r"line 2: not JSON \(nested too deeply\)"),
        ('{"text": "a", "n": ' + "9" * 5_000 + "}", r"line 2: not JSON \(a huge number\)"),
    ],
)
def test_a_line_without_text_is_named(tmp_path, line, message):
    path = tmp_path / "c.jsonl"
    path.write_text('{"text": "fine"}\n' + line)
    with pytest.raises(InputError, match=message):
        read(path)


def test_a_line_without_an_end_is_not_read_to_it(tmp_path, monkeypatch):
    monkeypatch.setattr(jsonl, "LONGEST_LINE", 1_000)
    path = tmp_path / "c.jsonl.gz"
    path.write_bytes(gzip.compress(b" " * 10_000_000))
    with pytest.raises(InputError, match="line 1: longer than 1,000 characters"):
        read(path)


def test_txt_gives_a_document_a_block(tmp_path):
    path = tmp_path / "c.txt"
    path.write_text("\n\none\nstill one\n\n  \ntwo\n\n\n")
    assert read(path) == [("c.txt:1", "one\nstill one"), ("c.txt:2", "two")]


def test_without_blank_lines_every_line_is_a_document(tmp_path):
    path = tmp_path / "c.txt"
    path.write_text("\none\ntwo\r\nthree\n\n")  # blank lines at the ends part nothing
    assert read(path) == [("c.txt:1", "one"), ("c.txt:2", "two"), ("c.txt:3", "three")]


def test_bytes_that_are_no_text_are_replaced(tmp_path):
    path = tmp_path / "c.txt"
    path.write_bytes(b"caf\xe9\n")
    assert read(path) == [("c.txt:1", "caf\ufffd")]


WORDS = "all work and no play makes a dull book "


@pytest.mark.parametrize("layout", ["one line", "one block", "jsonl"])
def test_a_book_comes_in_passages_of_one_document(tmp_path, layout):
    book = WORDS * 10_000
    if layout == "one block":
        book = book.replace("dull ", "dull\n") + "\n\nand another"
    path = tmp_path / ("b.jsonl" if layout == "jsonl" else "b.txt")
    path.write_text(json.dumps({"text": book}) if layout == "jsonl" else book)
    found = read(path)
    own = [text for document, text in found if document == f"{path.name}:1"]
    assert "".join(own) == book.removesuffix("\n\nand another")
    assert len(own) == 4
    assert all(len(text) <= LONGEST for text in own)
    assert all(text[0].isspace() for text in own[1:])
    assert found == read(path)


@given(st.lists(st.text(alphabet="ab \n", max_size=40), max_size=12), st.integers(1, 30))
def test_cutting_loses_nothing_and_does_not_depend_on_the_parts(parts, longest):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("labeler.evidence.corpora.base.LONGEST", longest)
        found = list(cut(parts))
        assert "".join(found) == "".join(parts)
        assert found == list(cut(["".join(parts)]))
        assert all(len(piece) <= longest for piece in found)


@pytest.mark.parametrize("layout", ["lines", "blocks", "one line"])
def test_memory_does_not_grow_with_the_corpus(tmp_path, layout):
    path = tmp_path / "c.txt"
    ends = {"lines": "\n", "blocks": "\n\n", "one line": " "}
    path.write_text((WORDS * 20 + ends[layout]) * 20_000)  # 16 MB
    tracemalloc.start()
    try:
        assert sum(len(passage.text) for passage in read_corpus(str(path))) > 15_000_000
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 4_000_000


@pytest.mark.parametrize(
    ("name", "message"), [("none.txt", "no corpus at"), ("c.pdf", "of no known kind"), ("", "kind")]
)
def test_a_missing_corpus_and_an_unknown_kind_are_told_at_once_with_what_there_is(tmp_path, name, message):
    (tmp_path / "c.pdf").touch()
    for use in (read_corpus, corpus_fingerprint):
        with pytest.raises(InputError, match=message) as caught:
            use(str(tmp_path / name))
        assert all(kind in str(caught.value) for kind in (".jsonl", ".txt", ".parquet", "save_to_disk", "sample"))


def test_the_sample_corpus_mixes_its_sources_and_is_always_the_same():
    first = list(itertools.islice(read_corpus("sample"), 40))
    assert {p.document.split("/")[0] for p in first} == {"sotu", "factbook", "python", "manual"}
    assert first == list(itertools.islice(read_corpus("sample"), 40))
    assert all(isinstance(p, Passage) and 200 < len(p.text) < 5_000 for p in first)


def test_a_fingerprint_follows_the_content(tmp_path):
    path = tmp_path / "c.txt"
    path.write_text("one")
    before = corpus_fingerprint(str(path))
    path.write_text("two")
    assert corpus_fingerprint(str(path)) != before
