"""Token strings of foreign files: marks that are nobody's text, and what tokenizers put in place of spaces and bytes.

Four spellings are known. **Byte-level** BPE (GPT-2's table, Radford et al. 2019) writes every byte as a printable letter:
``Ġ`` is a space, ``Ċ`` a line end, ``âĢľ`` the three bytes of ``“``. **Metaspace** (SentencePiece) writes a space as
``▁``. **Byte fallback** writes a byte that is no token as ``<0xE2>``. **Mojibake** is UTF-8 read as Windows-1252: ``â€œ``.

All these letters also occur in honest text (``Ġ`` is Maltese, ``é`` French), so the decision is taken over all texts of a
run of features and never by a single token:

- a mark stands for a space where more tokens begin with it than hold a real space;
- letters stand for bytes where nine in ten of their runs are whole UTF-8 characters (honest letters almost never are).
  Runs at a text's ends do not speak against it: a window may begin or end within a character. Tokens that begin with
  ``Ġ`` speak for byte-level, and what speaks for byte-level is enough for all its letters, whichever of them a tool has
  already put right.

A character that several tokens share belongs to the first of them, as in this project's own tokenising; the others become
empty. Bytes that make no character become U+FFFD, as do NUL and lone surrogates, which neither JSON nor UTF-8 can carry.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

_SPELLED = str.maketrans({"\uff5c": "|", "\u2581": "", "_": "", " ": "", "-": ""})

_UNIT = r"(?:text|sentence|document|doc|piece|content|passage|sequence|transcript)"
_SHORT = r"(?:bos|eos|sos|eod|sop|eop|pad|cls|sep)"
_WORDS = (
    rf"{_SHORT}(?:token|id)?|padding|/?s"  # GLM's and CPM's pieces: sop, eop; Qwen's and XLNet's documents: eod
    rf"|(?:begin|start|end)of(?:the)?{_UNIT}"
    r"|(?:finetune)?(?:right|left)?pad(?:id)?"
)
_HOUSES = r"(?:plamo:|seed:|hy|rwkvtokenizer)?"
"""What some makers write before the word: ``<seed:bos>``, ``<|plamo:eos|>``, ``<｜hy_begin▁of▁sentence｜>``."""

_MARK = re.compile(
    rf"<\|{_HOUSES}(?:{_WORDS})\|>"
    rf"|<{_HOUSES}(?:{_WORDS})>"
    rf"|\[(?:{_SHORT}|gmask|smask)\]"  # GLM writes its masks before a text
    r"|<\|[a-z]+pad\|>|<fimpad>|<\|dummy\d+\|>"  # what stands for nothing: a picture's place, a row's end (Phi-4)
    r"|<(?:eod|pad|cls|sep)\|llmjp>|</?longcats>|<longcatpad>"
    r"|\|endoftext\|"  # Persimmon
    r"|\]!p~\[|\]!d~\[|\]~!b\["  # MiniMax
)

_ENDS = (">", "]", "|", "[")

_LONGEST = 64
"""Characters; a mark whose bytes were spelled as letters has fewer."""


def is_mark(token: str) -> bool:
    """Whether a token is some family's mark for where a text begins or ends, or its filling.

    ``<bos>``, ``<|begin_of_text|>``, ``[PAD]``, ``<eod>``, ``[gMASK]``, ``<｜begin▁of▁sentence｜>`` … in any case and
    spelling, behind SentencePiece's ``▁`` too, also where the bytes of its letters were spelled as GPT-2 does or read as
    Windows-1252.
    """
    if not token.endswith(_ENDS) or len(token) > _LONGEST:
        return False
    return any(_MARK.fullmatch(said.translate(_SPELLED).lower()) for said in (token, *readings(token)))


_UNWRITABLE = re.compile("[\x00\ud800-\udfff]")
_STRAY = re.compile("[\udc80-\udcff]+")
_FALLBACK = re.compile("<0x([0-9A-Fa-f]{2})>")

Table = Mapping[int, str]
"""For ``str.translate``: a letter to its byte, as ASCII or as Python's escape of an undecodable byte (U+DC80 to U+DCFF)."""


def writable(text: str) -> str:
    """A text without NUL and lone surrogates."""
    return _UNWRITABLE.sub("\ufffd", text)


def _escape(byte: int) -> str:
    return chr(byte) if 0 < byte < 0x80 else chr(0xDC00 + byte) if byte else "\ufffd"


def _byte_level() -> Table:
    printable = {*range(33, 127), *range(161, 173), *range(174, 256)}
    others = [byte for byte in range(256) if byte not in printable]
    letters = {byte: byte for byte in printable} | {byte: 256 + n for n, byte in enumerate(others)}
    return {letter: _escape(byte) for byte, letter in letters.items() if letter >= 0x80}


def _mojibake() -> Table:
    """Windows-1252, and Latin-1 where it has no letter or where a reader went by that."""
    windows = {ord(bytes([byte]).decode("cp1252", "replace")): _escape(byte) for byte in range(0x80, 0x100)}
    return {byte: _escape(byte) for byte in range(0x80, 0x100)} | {k: v for k, v in windows.items() if k != 0xFFFD}


_BYTE_LEVEL = _byte_level()
_MOJIBAKE = _mojibake()
_METASPACE: Table = {ord("▁"): " "}


def readings(token: str) -> list[str]:
    """What a token would say by itself, were its letters bytes: as byte-level BPE writes them, and as mojibake does."""
    return [] if token.isascii() else [_decode(_encode(writable(token).translate(t))) for t in (_BYTE_LEVEL, _MOJIBAKE)]


class Spelling:
    """The way in which some texts are spelled, found by looking at all of them."""

    def __init__(self, texts: Sequence[Sequence[str]]) -> None:
        """``texts`` are lists of tokens, each in the order of its text; a token that stands alone is a text of one."""
        vocabulary = set().union(*texts)
        self._table: dict[int, str] = {}
        self._strays: Table = dict.fromkeys(range(0xDC80, 0xDD00), "\ufffd")
        if _marks(vocabulary, "▁") > 0:
            self._table.update(_METASPACE)
        if _are_bytes(texts, vocabulary, _BYTE_LEVEL, _marks(vocabulary, "Ġ")):
            self._table.update(_BYTE_LEVEL)
        elif _are_bytes(texts, vocabulary, _MOJIBAKE):
            self._table.update(_MOJIBAKE)
            # Here a letter that belongs to no character may well be itself: a quotation mark in an honest text.
            self._strays = {ord(byte): chr(letter) for letter, byte in _MOJIBAKE.items()}
        self._own = {token: self._alone(token) for token in vocabulary}

    def clean(self, tokens: Sequence[str]) -> tuple[str, ...]:
        """The tokens of one text as they are read; they must be among those that were looked at."""
        cleaned = [self._own[token] for token in tokens]
        whole = [token for token in cleaned if token is not None]
        return tuple(whole) if len(whole) == len(cleaned) else self._together(tokens)

    def _escaped(self, token: str) -> str:
        byte = _FALLBACK.fullmatch(token)
        return _escape(int(byte[1], 16)) if byte else writable(token).translate(self._table)

    def _alone(self, token: str) -> str | None:
        """What a token says by itself; None where it holds a part of a character."""
        text = _decode(_encode(self._escaped(token)))
        return None if _STRAY.search(text) else text

    def _together(self, tokens: Sequence[str]) -> tuple[str, ...]:
        parts = [_encode(self._escaped(token)) for token in tokens]
        owners = [i for i, part in enumerate(parts) for _ in part]
        pieces: list[list[str]] = [[] for _ in parts]
        offset = 0
        for character in _decode(b"".join(parts)):
            pieces[owners[offset]].append(character)
            offset += len(_encode(character))
        return tuple("".join(piece).translate(self._strays) for piece in pieces)


def _encode(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _decode(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def _marks(vocabulary: set[str], mark: str) -> int:
    """How many more tokens begin with the mark than hold a real space."""
    return sum(token.startswith(mark) for token in vocabulary) - sum(" " in token for token in vocabulary)


def _are_bytes(texts: Sequence[Sequence[str]], vocabulary: set[str], table: Table, marks: int = 0) -> bool:
    """Whether the table's letters stand for bytes."""
    letters = {letter for letter, byte in table.items() if byte >= "\udc80"}
    strange = {token for token in vocabulary if not token.isascii() and not letters.isdisjoint(map(ord, token))}
    whole, broken = max(0, marks), 0
    for tokens in texts:
        if strange.isdisjoint(tokens):
            continue
        text = writable("".join(tokens)).translate(table)
        for run in _STRAY.finditer(text):
            if not _STRAY.search(_decode(_encode(run[0]))):
                whole += 1
            elif run.start() > 0 and run.end() < len(text):
                broken += 1
    return whole > 9 * broken
