"""What is kept between processes is a cache: never missed, never in the way."""

import multiprocessing

import numpy as np
import pytest

from labeler.evidence.keeping import Kept, kept_folder
from labeler.evidence.store import EvidenceStore
from tests.fakes.evidence import make_store


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_what_was_put_is_found_by_whoever_comes_later():
    Kept("some").put({"a": b"1", "b": b"2"})
    Kept("some").put({"b": b"3", "c": b"4"})
    assert Kept("some").get(["a", "b", "nobody", "c"]) == {"a": b"1", "b": b"2", "c": b"4"}
    assert Kept("some").get([f"n{number}" for number in range(2_000)]) == {}
    assert Kept("others").get(["a"]) == {}


def put_many(first):
    for number in range(first, first + 40):
        Kept("shared").put({number: b"x" * 2_000, number + 1: b"x" * 2_000})


def test_processes_share_it():
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=put_many, args=(first,)) for first in (0, 20)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert set(Kept("shared").get(range(100))) == set(range(61))


def test_a_cache_that_is_damaged_or_cannot_be_written_is_none(cache, monkeypatch):
    (cache / "labeler" / "evidence").mkdir(parents=True)
    (cache / "labeler" / "evidence" / "some.sqlite").write_bytes(b"not a database" * 100)
    Kept("some").put({1: b"1"})
    assert Kept("some").get([1]) == {}
    (cache / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache / "file"))
    Kept("some").put({1: b"1"})
    assert Kept("some").get([1]) == {}
    assert (kept_folder("made", lambda folder: (folder / "it").write_text("x")) / "it").read_text() == "x"


def test_no_more_is_kept_than_there_is_room_for(monkeypatch):
    monkeypatch.setattr("labeler.evidence.keeping.MOST", 40_000)
    for number in range(40):
        Kept("some").put({number: b"x" * 4_000})
    assert 5 < len(Kept("some").get(range(40))) < 20


def test_a_folder_is_made_once_and_whole(cache):
    made = []

    def write(folder):
        made.append(folder)
        (folder / "it").write_text("whole")

    assert (kept_folder("made", write) / "it").read_text() == "whole"
    assert kept_folder("made", write) == kept_folder("made", write)
    assert len(made) == 1

    def fail(folder):
        (folder / "it").write_text("half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        kept_folder("other", fail)
    assert [path.name for path in (cache / "labeler" / "evidence").iterdir()] == ["made"]


def test_a_store_that_came_without_an_index_of_words_gets_one_once(tmp_path, cache, monkeypatch):
    store = make_store(tmp_path, n=200)
    rows = np.arange(len(store.rows))
    expected = [store.lexicon.spelled[word] for word in store.lexicon.of(rows).ravel() if word >= 0]
    for name in [name for name in store.manifest.files if name.startswith(("words", "places"))]:
        del store.manifest.files[name]  # as an earlier version left it
    for attempt in range(2):
        older = EvidenceStore(store.shelf.place)
        monkeypatch.setattr(older, "manifest", store.manifest)
        found = older.lexicon
        assert [found.spelled[word] for word in found.of(rows).ravel() if word >= 0] == expected
        if not attempt:
            monkeypatch.setattr("labeler.evidence.store.write_lexicon", None)
