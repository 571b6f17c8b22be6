import itertools
import json

import pytest

from labeler.errors import InputError
from labeler.evidence.corpus import corpus_fingerprint, read_corpus


def test_jsonl_gives_a_passage_a_line_with_its_own_id(tmp_path):
    path = tmp_path / "c.jsonl"
    path.write_text(json.dumps({"id": "a", "text": "one"}) + "\n\n" + json.dumps({"text": "two"}) + "\n")
    assert [(p.document, p.text) for p in read_corpus(str(path))] == [("a", "one"), ("c.jsonl:3", "two")]


def test_txt_gives_a_document_a_block(tmp_path):
    path = tmp_path / "c.txt"
    path.write_text("one\nstill one\n\n  \ntwo\n")
    assert [p.text.strip() for p in read_corpus(str(path))] == ["one\nstill one", "two"]
    assert len({p.document for p in read_corpus(str(path))}) == 2


def test_a_line_without_an_id_or_with_a_null_one_is_a_document_of_its_own(tmp_path):
    path = tmp_path / "c.jsonl"
    path.write_text("\ufeff" + "".join(json.dumps({"id": None, "text": t}) + "\n" for t in "abc"), encoding="utf-8")
    assert len({p.document for p in read_corpus(str(path))}) == 3


def test_without_blank_lines_every_line_is_a_document(tmp_path):
    path = tmp_path / "c.txt"
    path.write_text("one\ntwo\nthree\n")
    assert [p.text for p in read_corpus(str(path))] == ["one", "two", "three"]


@pytest.mark.parametrize(
    ("line", "message"),
    [("{", "line 1: not JSON"), ("[]", "line 1: no string field 'text'"), ('{"text": 3}', "no string field 'text'")],
)
def test_a_line_without_text_is_named(tmp_path, line, message):
    path = tmp_path / "c.jsonl"
    path.write_text(line)
    with pytest.raises(InputError, match=message):
        list(read_corpus(str(path)))


def test_a_missing_corpus_and_an_unknown_kind_are_named(tmp_path):
    with pytest.raises(InputError, match="no corpus at"):
        read_corpus(str(tmp_path / "none.txt"))
    (tmp_path / "c.pdf").touch()
    with pytest.raises(InputError, match=r"neither \.jsonl nor \.txt"):
        read_corpus(str(tmp_path / "c.pdf"))


def test_the_sample_corpus_mixes_its_sources_and_is_always_the_same():
    first = list(itertools.islice(read_corpus("sample"), 40))
    assert {p.document.split("/")[0] for p in first} == {"sotu", "factbook", "python", "manual"}
    assert first == list(itertools.islice(read_corpus("sample"), 40))
    assert all(200 < len(p.text) < 5_000 for p in first)


def test_a_fingerprint_follows_the_content(tmp_path):
    path = tmp_path / "c.txt"
    path.write_text("one")
    before = corpus_fingerprint(str(path))
    path.write_text("two")
    assert corpus_fingerprint(str(path)) != before
