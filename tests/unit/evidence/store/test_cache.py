"""What is kept between processes is a cache: never missed, never in the way."""

import multiprocessing
import os
import sqlite3
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from safetensors import SafetensorError

from labeler.errors import InputError
from labeler.evidence.store import storage as tensors
from labeler.evidence.store.cache import Kept, kept_folder
from labeler.evidence.store.contexts import Tables
from labeler.evidence.store.states import Packed, States
from labeler.evidence.store.store import EvidenceStore
from labeler.evidence.store.word_vectors import vectors_of
from labeler.models.names import MINILM, smollm2_folder
from tests.fakes.encoding import install
from tests.fakes.evidence import make_store


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_what_was_put_is_found_by_whoever_comes_later():
    Kept("some").put({"a": b"1", "b": b"2"})
    Kept("some").put({"b": b"3", "c": b"4"})
    assert Kept("some").get(["a", "b", "nobody", "c"]) == {"a": b"1", "b": b"3", "c": b"4"}
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


def file_of(cache, name="some"):
    return cache / "labeler" / "evidence" / f"{name}.sqlite"


def cut(at):
    return lambda path: os.truncate(path, at)


def other_table(path):
    path.unlink()
    with closing(sqlite3.connect(path)) as database, database:
        database.execute("CREATE TABLE kept (something)")


@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda path: path.write_bytes(b"not a database" * 100), id="junk"),
        pytest.param(cut(0), id="nothing"),
        pytest.param(cut(10), id="cut in the magic"),
        pytest.param(cut(100), id="cut at the header's end"),
        pytest.param(cut(2_000), id="cut in a page"),
        pytest.param(cut(4_096), id="cut behind a page"),
        pytest.param(cut(30_000), id="cut further on"),
        pytest.param(lambda path: path.write_bytes(bytes(len(path.read_bytes()))), id="zeros"),
        pytest.param(lambda path: path.write_bytes(path.read_bytes()[:4_096] + bytes(90_000)), id="pages of zeros"),
        pytest.param(other_table, id="another table"),
    ],
)
def test_what_is_damaged_is_made_anew_and_kept_again(cache, damage):
    many = {number: bytes([number]) * 2_000 for number in range(50)}
    Kept("some").put(many)
    assert Kept("some").get(range(50)) == many
    damage(file_of(cache))
    found = Kept("some").get(range(50))
    assert found.items() <= many.items()
    Kept("some").put({number: value for number, value in many.items() if number not in found})
    again = Kept("some").get(range(50))
    Kept("some").put({number: value for number, value in many.items() if number not in again})
    assert Kept("some").get(range(50)) == many


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 255))
@example(at=495580, flip=128)  # within the words by which the file describes itself
def test_a_byte_that_changed_is_never_taken_for_what_was_put(tmp_path_factory, at, flip):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        many = {number: bytes([number]) * 300 for number in range(30)}
        Kept("some").put(many)
        file = file_of(Path(os.environ["XDG_CACHE_HOME"]))
        content = bytearray(file.read_bytes())
        content[at % len(content)] ^= flip
        file.write_bytes(content)
        assert Kept("some").get(range(30)).items() <= many.items()
        for _ in range(2):
            found = Kept("some").get(range(30))
            Kept("some").put({number: value for number, value in many.items() if number not in found})
        assert Kept("some").get(range(30)).items() <= many.items()


def nameless(monkeypatch, tmp_path):
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.delenv("HOME")
    monkeypatch.setattr("pwd.getpwuid", lambda uid: {}[uid])


def barred(monkeypatch, tmp_path):
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))


def full(monkeypatch, tmp_path):
    """A cache that files can be made in, but nothing can be written to; the temporary folder is elsewhere."""
    cache = tmp_path / "full"
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
    save = tensors.save_file

    def save_file(arrays, path, metadata):
        if cache in path.parents:
            path.write_bytes(b"half")
            raise SafetensorError("Error while serializing: No space left on device")
        save(arrays, path, metadata=metadata)

    monkeypatch.setattr(tensors, "save_file", save_file)


@pytest.mark.parametrize("spoil", [nameless, barred])
def test_a_cache_that_cannot_be_written_is_none(monkeypatch, tmp_path, spoil):
    spoil(monkeypatch, tmp_path)
    Kept("some").put({1: b"1"})
    assert Kept("some").get([1]) == {}


@pytest.mark.parametrize("spoil", [nameless, barred, full])
def test_a_folder_that_cannot_be_kept_is_used_and_leaves_nothing(monkeypatch, tmp_path, spoil):
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    spoil(monkeypatch, tmp_path)
    numbers = np.arange(5_000)
    found = kept_folder(
        "made",
        lambda folder: tensors.write_tensors(folder / "it", {"numbers": numbers}),
        lambda folder: tensors.Tensors(folder / "it"),
    )
    np.testing.assert_array_equal(found["numbers"], numbers)
    assert list((tmp_path / "tmp").iterdir()) == []
    assert not [path for path in tmp_path.glob("full/**/*") if path.is_file()]


def test_a_model_without_a_place_to_be_unpacked_says_what_to_set(monkeypatch, tmp_path):
    monkeypatch.setattr("labeler.models.names.wheel_folder", lambda name: tmp_path)
    (tmp_path / "model.gguf").touch()
    for spoil in (nameless, barred):
        with monkeypatch.context() as patch:
            spoil(patch, tmp_path)
            with pytest.raises(InputError, match="set XDG_CACHE_HOME"):
                smollm2_folder()


def test_no_more_is_kept_than_there_is_room_for(monkeypatch):
    monkeypatch.setattr("labeler.evidence.store.cache.MOST", 40_000)
    for number in range(40):
        Kept("some").put({number: b"x" * 4_000})
    assert 5 < len(Kept("some").get(range(40))) < 20


def text_in(folder):
    return (folder / "it").read_text()


def test_a_folder_is_made_once_and_whole(cache):
    made = []

    def write(folder):
        made.append(folder)
        (folder / "it").write_text("whole")

    assert kept_folder("made", write, text_in) == kept_folder("made", write, text_in) == "whole"
    assert len(made) == 1

    def fail(folder):
        (folder / "it").write_text("half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        kept_folder("other", fail, text_in)
    assert [path.name for path in (cache / "labeler" / "evidence").iterdir()] == ["made"]


def older_store(tmp_path, monkeypatch):
    """A store as an earlier version left it, without an index of words, and the words on its tokens."""
    store = make_store(tmp_path, n=200)
    rows = np.arange(len(store.rows))
    expected = [store.lexicon.spelled[word] for word in store.lexicon.of(rows).ravel() if word >= 0]
    for name in [name for name in store.manifest.files if name.startswith(("words", "places"))]:
        del store.manifest.files[name]

    def words():
        older = EvidenceStore(store.shelf.place)
        monkeypatch.setattr(older, "manifest", store.manifest)
        return [older.lexicon.spelled[word] for word in older.lexicon.of(rows).ravel() if word >= 0]

    return words, expected


def test_a_store_that_came_without_an_index_of_words_gets_one_once(tmp_path, cache, monkeypatch):
    words, expected = older_store(tmp_path, monkeypatch)
    assert words() == expected
    monkeypatch.setattr("labeler.evidence.store.store.write_lexicon", None)
    assert words() == expected


@pytest.mark.parametrize(
    "damage", [cut(0), cut(100), cut(1_000), Path.unlink, lambda path: path.write_bytes(bytes(5_000))]
)
@pytest.mark.parametrize("name", ["words.safetensors", "places-00000.safetensors"])
def test_a_kept_index_that_is_damaged_is_made_anew_once(tmp_path, cache, monkeypatch, damage, name):
    words, expected = older_store(tmp_path, monkeypatch)
    words()
    (file,) = cache.glob(f"labeler/evidence/words-*/{name}")
    damage(file)
    assert words() == expected
    monkeypatch.setattr("labeler.evidence.store.store.write_lexicon", None)
    assert words() == expected
    assert len(list((cache / "labeler" / "evidence").iterdir())) == 1


def test_states_of_another_width_or_length_are_made_anew(tmp_path, cache, monkeypatch):
    store = make_store(tmp_path, n=60)
    install(monkeypatch, cache)
    rows, length, kept = np.arange(40), store.manifest.length, Kept("states")

    def means():
        return States(store.rows, length, Tables(lambda number: None, []), kept).means(rows)

    expected = means()
    whole = kept.get(rows.tolist())
    assert set(whole) == set(rows.tolist())
    for shape in ((1, length, 96), (1, length + 1, 384), (1, 1, 1)):
        entry = Packed.of(np.ones(shape, dtype=np.float32)).entry()
        kept.put({0: entry, 3: entry})
        np.testing.assert_array_equal(means(), expected)
        assert kept.get(rows.tolist()) == whole


def test_words_of_another_width_are_made_anew(cache, monkeypatch):
    encoder = install(monkeypatch, cache)
    words = [b"water", b"and", b"bread"]
    expected = vectors_of(words)
    assert sorted(encoder.texts_made) == ["and", "bread", "water"]
    (file,) = (cache / "labeler" / "evidence").glob("words-*.sqlite")
    Kept(file.stem).put({"and": bytes(2 * 96), "bread": b""})
    np.testing.assert_array_equal(vectors_of(words), expected)
    np.testing.assert_array_equal(vectors_of(words), expected)
    assert sorted(encoder.texts_made[3:]) == ["and", "bread"]


def test_what_is_kept_names_the_encoder_that_made_it(tmp_path):
    assert MINILM in make_store(tmp_path, n=60).states._kept._name
