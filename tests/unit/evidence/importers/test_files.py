import gzip
import json
import os
import re

import pytest

from labeler.errors import InputError
from labeler.evidence.importers import files as reading
from labeler.evidence.importers.files import files_in, lines, parse, whole
from labeler.evidence.importers.registry import open_foreign
from tests.fakes.foreign.contexts import line, save_contexts
from tests.fakes.foreign.neuronpedia import save_neuronpedia
from tests.fakes.foreign.saedashboard import save_saedashboard
from tests.fakes.foreign.sample import FEATURES, save_bytes, save_rows


def test_a_line_beyond_the_bound_is_refused_however_well_it_packs(tmp_path, monkeypatch):
    monkeypatch.setattr(reading, "MAX_LINE", 1 << 20)
    bomb = save_bytes(tmp_path / "bomb.jsonl.gz", b'{"index":0,"contexts":[' + b" " * (64 << 20) + b"]}")
    assert bomb.stat().st_size < 1 << 20
    with pytest.raises(InputError, match="line 1: longer than 1 MiB, the most that is read"):
        list(open_foreign(bomb).features())


def test_a_file_beyond_the_bound_is_refused_however_well_it_packs(tmp_path, monkeypatch):
    path = save_saedashboard(tmp_path, suffix=".json.gz") / "batch-1.json.gz"
    save_bytes(path, gzip.decompress(path.read_bytes()) + b" " * (64 << 20))
    monkeypatch.setattr(reading, "MAX_FILE", 1 << 20)
    with pytest.raises(InputError, match=r"batch-1\.json\.gz: larger than 1 MiB"):
        list(open_foreign(tmp_path).features())


def test_many_short_lines_of_one_batch_are_bounded_too(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b"{}\n" * 1000)
    with pytest.raises(InputError, match="split it"):
        list(lines(path, limit=2000))
    assert len(list(lines(path, limit=3000))) == 1000


@pytest.mark.parametrize(
    "text", ["[" * 100_000, "[" * 100_000 + "]" * 100_000, '{"a":' * 100_000 + "1" + "}" * 100_000]
)
def test_deep_nesting_is_refused(text):
    with pytest.raises(InputError, match=r"here: (JSON nested too deeply|not JSON)"):
        parse(text.encode(), "here")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", r"not JSON \(Expecting value, character 0\)"),
        (b"\xff{}", r"not UTF-8 \(at byte 0\)"),
        ('{"a": "é'.encode("latin-1"), "not UTF-8"),
        (b"9" * 5000, r"not JSON \(a number of too many digits"),
        (b'{"a": 1,}', "not JSON"),
    ],
)
def test_what_is_no_json_is_named_with_its_place(data, message):
    with pytest.raises(InputError, match="the place: " + message):
        parse(data, "the place")


def test_a_byte_order_mark_does_no_harm(tmp_path):
    path = save_contexts(tmp_path)
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert len(list(open_foreign(path).features())) == 3


def test_damaged_archives_are_named(tmp_path):
    path = save_contexts(tmp_path, suffix=".jsonl.gz")
    data = path.read_bytes()
    for damaged in (
        data[: len(data) // 2],
        data[:20] + b"\0\0\0\0" + data[24:],
        data + b"more",
        data[:-4] + b"\0\0\0\0",
    ):
        path.write_bytes(damaged)
        with pytest.raises(InputError, match=r"contexts\.jsonl\.gz: missing or damaged"):
            list(open_foreign(path).features())
    path.write_bytes(b"")
    with pytest.raises(InputError, match="empty; expected a gzip file"):
        whole(path)


def test_only_regular_files_are_opened(tmp_path):
    os.mkfifo(tmp_path / "batch-0.json")
    with pytest.raises(InputError, match="not a file that can be read"):
        open_foreign(tmp_path)


def test_messages_are_one_short_line_whatever_a_file_holds(tmp_path):
    row = line(0, FEATURES[0]) | {"index": "a\nb\u2028c" * 10_000}
    with pytest.raises(InputError) as caught:
        list(open_foreign(save_rows(tmp_path / "line\nbreak.jsonl", [row])).features())
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 600


def test_files_are_read_in_the_order_of_their_numbers(tmp_path):
    for name in ("batch-10.json", "batch-9.json", "batch-2.json", "other.json", "batch-x.json"):
        (tmp_path / name).write_text("{}")
    found = files_in(tmp_path, re.compile(r"batch-[0-9]+\.json"))
    assert [path.name for path in found] == ["batch-2.json", "batch-9.json", "batch-10.json"]
    assert files_in(tmp_path / "none", re.compile(".*")) == []


def test_numbers_that_nobody_reads_may_be_what_they_like(tmp_path):
    row = line(0, FEATURES[0], kurtosis=float("nan"), vector=[float("inf")])
    assert len(list(open_foreign(save_rows(tmp_path / "x.jsonl", [row])).features())) == 1


def test_blank_lines_are_passed_over(tmp_path):
    path = save_contexts(tmp_path)
    path.write_bytes(b"\n" + path.read_bytes().replace(b"\n", b"\r\n \n"))
    assert len(list(open_foreign(path).features())) == 3


def test_an_export_is_read_a_batch_at_a_time(tmp_path):
    """What comes first is there before later batches are looked at, once a run of tokens is full."""
    rows = [{"index": i, "contexts": [{"tokens": ["a"] * 2**15, "activations": [1.0] * 2**15}]} for i in range(64)]
    path = save_rows(tmp_path / "x.jsonl", rows)
    with path.open("ab") as file:
        file.write(b"damage")
    features = open_foreign(path).features()
    assert [next(features).index for _ in range(64)] == list(range(64))
    with pytest.raises(InputError, match="line 65"):
        next(features)


def test_plain_and_packed_exports_read_alike(tmp_path):
    plain = open_foreign(save_neuronpedia(tmp_path / "a", suffix=".jsonl"))
    packed = open_foreign(save_neuronpedia(tmp_path / "b", suffix=".jsonl.gz"))
    for a, b in zip(plain.features(), packed.features(), strict=True):
        assert [w.tokens for w in a.windows] == [w.tokens for w in b.windows]
        assert json.dumps(a.promoted) == json.dumps(b.promoted)
