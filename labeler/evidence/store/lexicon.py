"""Which words stand on which tokens, looked up instead of read: an index over the contexts of a store.

words.safetensors       every word of the kept contexts, lower-cased, in the order in which they were met, and by its stem
places-*.safetensors    for each table of contexts the word on every token
"""

from __future__ import annotations

import bisect
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labeler.evidence.store.contexts import Contexts, Tables
from labeler.evidence.store.storage import DamagedFileError, Tensors, rising, write_tensors
from labeler.features import IntArray
from labeler.progress import Progress, tell
from labeler.words import WORD, stem

WORDS = "words.safetensors"

_ROOM = 1 << 17
"""More characters than any context has that a token can end at."""

_AT_ONCE = 4_096
"""Contexts that are read at a time."""


def places_file(number: int) -> str:
    """The name of the file for a table of contexts."""
    return f"places-{number:05d}.safetensors"


class Lexicon:
    """The words of a store's contexts by their ids, and the ids of words by their stems."""

    def __init__(self, words: Callable[[], Tensors], places: Callable[[int], Tensors], sizes: Sequence[int]) -> None:
        """``words`` and ``places`` open the files; ``sizes`` are the contexts of each table."""
        self._file = _words_checked(words())
        self.spelled = Strings(self._file["text"], self._file["start"])
        """Every word by its id, as UTF-8."""
        self._stems = Strings(self._file["stem_text"], self._file["stem_start"])
        self._places = Tables(lambda number: _places_checked(places(number), sizes[number], len(self)), sizes)

    def __len__(self) -> int:
        """How many words there are."""
        return len(self.spelled)

    def open_all(self) -> None:
        """Open and check every file now; DamagedFileError for one that is not whole."""
        for number in range(len(self._places.first) - 1):
            self._places.file(number)

    def of(self, rows: IntArray) -> NDArray[np.int32]:
        """[n, length] the word on every token of some contexts, of several the last; -1 where there is none."""
        return self._places.column("word", rows)

    def further(self, rows: IntArray) -> tuple[IntArray, IntArray]:
        """The words beside the last, of tokens that hold several: [k] places, counted through all tokens, and [k] ids."""
        places, words = [np.zeros(0, dtype=np.int64)], [np.zeros(0, dtype=np.int64)]
        for number, here, at in self._places.by_file(rows):
            file = self._places.file(number)
            if len(file["further"]):
                start = file["further_start"]
                begin, count = start[at], start[at + 1] - start[at]
                source = np.repeat(begin - np.cumsum(count) + count, count) + np.arange(count.sum())
                length = file["word"].shape[1]
                places.append(np.repeat(here, count) * length + file["further_position"][source])
                words.append(file["further"][source].astype(np.int64))
        return np.concatenate(places), np.concatenate(words)

    def named(self, stems: Iterable[str]) -> IntArray:
        """The ids of the words with one of these stems."""
        found = [np.zeros(0, dtype=np.int64)]
        start, members = self._file["member_start"], self._file["member"]
        for wanted in stems:
            key = wanted.encode("utf-8", "surrogatepass")
            at = bisect.bisect_left(self._stems, key)
            if at < len(self._stems) and self._stems[at] == key:
                found.append(members[int(start[at]) : int(start[at + 1])].astype(np.int64))
        return np.concatenate(found)


class Strings(Sequence[bytes]):
    """Strings that lie one after the other in a file, as UTF-8."""

    def __init__(self, text: NDArray[np.uint8], start: IntArray) -> None:
        self._text = text
        self._start = start

    def __len__(self) -> int:
        return len(self._start) - 1

    def __getitem__(self, at: Any) -> Any:
        return self._text[int(self._start[at]) : int(self._start[at + 1])].tobytes()


def write_lexicon(folder: Path, tables: Sequence[Tensors], progress: Progress = tell) -> None:
    """Write the index of a store's tables of contexts into a folder; one that lies there of the first of them is gone
    on from."""
    known: dict[bytes, int] = {}
    if (folder / WORDS).exists():
        file = _words_checked(Tensors(folder / WORDS))
        known = {word: at for at, word in enumerate(Strings(file["text"], file["start"]))}
    new = [number for number in range(len(tables)) if not known or not (folder / places_file(number)).exists()]
    n, done = sum(len(tables[number]["lengths"]) for number in new), 0
    for number in new:

        def read(here: int, before: int = done) -> None:
            progress("indexing words", before + here, n, "contexts")

        contexts = Contexts.load(tables[number])
        write_tensors(folder / places_file(number), words_on(contexts, known, read))
        done += len(contexts)
    if new:
        write_tensors(folder / WORDS, by_stem(list(known)))


def words_on(
    table: Contexts, known: dict[bytes, int], read: Callable[[int], None] = lambda _: None
) -> dict[str, NDArray[Any]]:
    """The words on the tokens of a table's contexts, as the arrays of a file; those that are new become ``known``.

    ``read`` is told how many contexts have been gone through.
    """
    parts = []
    for first in range(0, len(table), _AT_ONCE):
        parts.append(_words_of(table, np.arange(first, min(first + _AT_ONCE, len(table))), known))
        read(min(first + _AT_ONCE, len(table)))
    place = np.concatenate([np.zeros(0, dtype=np.int64), *(part[0] for part in parts)])
    word = np.concatenate([np.zeros(0, dtype=np.int32), *(part[1] for part in parts)])
    is_last = np.append(place[1:] != place[:-1], True)[: len(place)]
    on_token = np.full(table.tokens.shape, -1, dtype=np.int32)
    on_token.ravel()[place[is_last]] = word[is_last]
    row, position = np.divmod(place[~is_last], table.tokens.shape[1])
    return {
        "word": on_token,
        "further": word[~is_last],
        "further_position": position.astype(np.uint8),
        "further_start": np.searchsorted(row, np.arange(len(table) + 1)),
    }


def _words_of(table: Contexts, rows: IntArray, known: dict[bytes, int]) -> tuple[IntArray, NDArray[np.int32]]:
    """The places in the table that words of some consecutive contexts stand on, ascending, and which words."""
    length = table.tokens.shape[1]
    found: list[int] = []
    spans: list[tuple[int, int]] = []
    counts: list[int] = []
    used = np.arange(length) < table.lengths[rows][:, None]
    last = np.where(used, table.ends[rows], 0).max(axis=1, initial=0).tolist()
    for row, end in zip(rows.tolist(), last, strict=True):
        before = len(found)
        for match in WORD.finditer(table.string(row)[:end]):
            found.append(known.setdefault(match[0].lower().encode(), len(known)))
            spans.append(match.span())
        counts.append(len(found) - before)
    of_row = np.arange(len(rows)) * _ROOM
    span = np.array(spans, dtype=np.int64).reshape(-1, 2) + np.repeat(of_row, counts)[:, None]
    ends = (np.where(used, table.ends[rows], _ROOM - 1) + of_row[:, None]).ravel()
    # A character's token is the first that ends behind it.
    begin = np.searchsorted(ends, span[:, 0], side="right")
    count = np.searchsorted(ends, span[:, 1] - 1, side="right") + 1 - begin
    place = np.repeat(begin - np.cumsum(count) + count, count) + np.arange(count.sum())
    return place + rows[0] * length, np.repeat(np.array(found, dtype=np.int32), count)


def by_stem(words: Sequence[bytes]) -> dict[str, NDArray[Any]]:
    """Words by their ids, and ids by stem, as the arrays of a file."""
    members: dict[bytes, list[int]] = {}
    for at, word in enumerate(words):
        key = stem(word.decode()).encode()
        members.setdefault(key, []).append(at)
    stems = sorted(members)
    text, start = _one_after_the_other(words)
    stem_text, stem_start = _one_after_the_other(stems)
    return {
        "text": text,
        "start": start,
        "stem_text": stem_text,
        "stem_start": stem_start,
        "member": np.array([at for key in stems for at in members[key]], dtype=np.int32),
        "member_start": np.cumsum([0, *(len(members[key]) for key in stems)], dtype=np.int64),
    }


def _one_after_the_other(strings: Sequence[bytes]) -> tuple[NDArray[np.uint8], IntArray]:
    text = np.frombuffer(b"".join(strings), dtype=np.uint8)
    return text, np.cumsum([0, *map(len, strings)], dtype=np.int64)


def _words_checked(file: Tensors) -> Tensors:
    n, m = len(file["start"]) - 1, len(file["stem_start"]) - 1
    fits = (
        rising(file["start"], len(file["text"]))
        and rising(file["stem_start"], len(file["stem_text"]))
        and rising(file["member_start"], n)
        and len(file["member_start"]) == m + 1
        and len(file["member"]) == n
        and _within(file["member"], 0, n)
    )
    if not fits:
        raise DamagedFileError(file.path, "its arrays do not fit each other")
    return file


def _places_checked(file: Tensors, n: int, n_words: int) -> Tensors:
    fits = (
        file["word"].ndim == 2
        and len(file["word"]) == n
        and len(file["further_start"]) == n + 1
        and rising(file["further_start"], len(file["further"]))
        and len(file["further_position"]) == len(file["further"])
        and _within(file["word"], -1, n_words)
        and _within(file["further"], 0, n_words)
        and _within(file["further_position"], 0, file["word"].shape[1])
    )
    if not fits:
        raise DamagedFileError(file.path, "its arrays do not fit each other")
    return file


def _within(values: NDArray[np.integer[Any]], low: int, beyond: int) -> bool:
    return not values.size or (int(values.min()) >= low and int(values.max()) < beyond)


def lexicon_of(folder: Path, sizes: Sequence[int]) -> Lexicon:
    """The index that lies in a folder."""
    return Lexicon(lambda: Tensors(folder / WORDS), lambda number: Tensors(folder / places_file(number)), sizes)
