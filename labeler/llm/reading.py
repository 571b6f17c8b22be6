"""The answer in a text: the last object that fits, whatever stands around it, and never a draft.

Models put sentences, fences, thinking and wrappers around what was asked for, and write JSON as Python does. All of that
is read through. What could be one thing or another (a broken object behind one that fits, a fitting one inside a broken
one) is refused: asking again costs a little, a draft that is taken for the answer costs a wrong label.
"""

from __future__ import annotations

import functools
import json
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

Schema = TypeVar("Schema", bound=BaseModel)

LONGEST = 400_000
"""Characters beyond which a text is no answer; the longest that is asked for has a sixth of it."""
DEEPEST = 4
"""How many wrappers may stand around an answer."""
WORK = 8
"""How often, on average, a character may be looked at: a text of nothing but open brackets is not worth more."""

_NO_OBJECT = "Invalid JSON: there is no whole object in it"

# Where thinking begins and where the answer does, in the ways of several families of models and of the servers that cut
# their marks off. They count only between objects: an answer may quote them.
_THOUGHT = r"(?:seed:)?(?:think|thinking|thoughts?|reasoning|reflection|scratchpad|analysis|draft)"
_MARK = re.compile(
    rf"(?P<thought><{_THOUGHT}>|\[THINK\]|◁think▷|<\|begin_of_thought\|>"
    r"|<\|channel\|>\s*(?:analysis|commentary)|\bassistant(?:analysis|commentary)|\A\s*analysis(?=\w))"
    rf"|(?P<answer></{_THOUGHT}>|\[/THINK\]|◁/think▷|<\|end_of_thought\|>|<\|channel\|>\s*final|assistantfinal)",
    re.IGNORECASE,
)

_TOKEN = re.compile(
    r"""(?P<space>\s+) | (?P<double>"(?:[^"\\]|\\.)*") | (?P<single>'(?:[^'\\]|\\.)*') | (?P<curly>“(?:[^”\\]|\\.)*”)
    | (?P<mark>[{}\[\]:,]) | (?P<word>[^\s{}\[\]:,"'“”]+)""",
    re.VERBOSE | re.DOTALL,
)
_BRACKET = re.compile(r"[{\[]")
_COLON = re.compile(r"\s*:")
_CLOSING = {"{": "}", "[": "]"}
_ESCAPE = re.compile(r"\\(?:x(?P<code>[0-9a-fA-F]{2})|U(?P<long>[0-9a-fA-F]{8})|.)|\"", re.DOTALL)
_WORDS = {"True": "true", "False": "false", "None": "null"}
_LIKE_JSON = re.compile(r"""\{\s*(?:\\?["'“}]|\w+\s*:|```|\Z) | \[\s*["'“{\[]""", re.VERBOSE)
_FENCE = re.compile(r"```(?P<info>\w*)")
_CLOSED_FENCE = re.compile(r"\n[ \t]*```")
_OF_AN_OBJECT = re.compile(r"""["'”]\s*:\s*\Z""")
_REST_OF_A_STRING = re.compile(r'"[^{]*\}')

_ANSWER_KEYS = {"answer", "answers", "final", "final_answer", "result", "results", "response", "output", "json", "data"}
_ANSWER_KEYS |= {"arguments", "parameters", "properties", "input", "value"}
_NO_ANSWER = re.compile(r"draft|example|though?t|think|reason|analys|scratch|previous|initial|schema|attempt", re.I)


@dataclass(frozen=True)
class _Piece:
    """A value that stands in a text, or what looks like one and is broken."""

    begin: int
    end: int
    value: Any = None
    broken: bool = False


def fit(text: str, schema: type[Schema]) -> Schema:
    """The last object in a text that fits a schema.

    Raises ValueError, in one line, where there is none, or where it is not certain which one is meant.
    """
    if len(text) > LONGEST:
        raise ValueError(f"there are more than {LONGEST:,} characters of it")
    try:
        return _last_fitting(_unescaped(text.strip().strip("\ufeff").strip()), schema)
    except RecursionError:
        raise ValueError("Invalid JSON: it is nested too deep") from None


def _last_fitting(text: str, schema: type[Schema]) -> Schema:
    pieces = _of_the_answer(text)
    found = [(at, fits) for at, one in enumerate(pieces) if (fits := _fitting(one.value, schema)) is not None]
    if not found:
        raise ValueError(_fault(text, pieces, schema))
    at, fits = found[-1]
    if _doubtful(text, pieces, at, schema):
        raise ValueError("Invalid JSON: what comes last in it is broken")
    return fits


def is_json(text: str) -> bool:
    """Whether a text is JSON, or an object or a list stands in it, of whatever form."""
    text = _unescaped(text.strip().strip("\ufeff").strip())
    return _parses(text) or any(not one.broken for one in _of_the_answer(text[:LONGEST]))


def _unescaped(text: str) -> str:
    """A text that is JSON written as a string of JSON, with or without its quotes, as what it says."""
    for quoted in (text, f'"{text}"' if text.startswith(('{\\"', '[{\\"')) else ""):
        if quoted.startswith('"'):
            try:
                found = json.JSONDecoder(strict=False).decode(quoted)
            except ValueError:
                continue
            if isinstance(found, str):
                return found.strip()
    return text


def _of_the_answer(text: str) -> list[_Piece]:
    """The pieces of a text that are not of thinking."""
    kept: list[_Piece] = []
    thinking, at = False, 0
    for piece in (*_pieces(text), _Piece(len(text), len(text), broken=True)):
        for mark in _MARK.finditer(text, at, piece.begin):
            begun, thinking = thinking, mark["thought"] is not None
            if not thinking and not begun:  # its beginning was cut off: all of it was thinking
                kept = []
        if not thinking and piece.begin < piece.end:
            kept.append(piece)
        at = piece.end
        if piece.broken and piece.end == len(text):
            # A thought may break off within an object; what comes after it is a text of its own.
            ends = [mark for mark in _MARK.finditer(text, piece.begin) if mark["thought"] is None]
            if ends:
                return [
                    _Piece(one.begin + ends[-1].end(), one.end + ends[-1].end(), one.value, one.broken)
                    for one in _of_the_answer(text[ends[-1].end() :])
                ]
    return kept


def _pieces(text: str) -> Iterator[_Piece]:
    """The outermost objects and lists of a text, in order."""
    at, work = 0, WORK * len(text) + 1_000
    while (found := _BRACKET.search(text, at)) is not None:
        begin = found.start()
        value, end = _value(text, begin)
        work -= end - begin
        if value is not None:
            yield _Piece(begin, end, value)
        elif _LIKE_JSON.match(text, begin) or work < 0:
            fence = _CLOSED_FENCE.search(text, begin) if end == len(text) and work >= 0 else None
            end = fence.end() if fence else end if work >= 0 else len(text)
            yield _Piece(begin, end, broken=True)
        else:  # a bracket of prose, or of a formula
            end = begin + 1
        at = end


def _value(text: str, begin: int) -> tuple[Any, int]:
    """The object or list that begins at a bracket, or None, and where it ends: the text's end where it is not closed."""
    try:
        return _DECODER.raw_decode(text, begin)
    except (ValueError, RecursionError):
        pass
    rewritten, end = _rewritten(text, begin)
    try:
        return (_DECODER.decode(rewritten) if rewritten else None), end
    except (ValueError, RecursionError):
        return None, end


def _rewritten(text: str, begin: int) -> tuple[str, int]:
    """What stands within a bracket as JSON writes it, and where it ends; nothing where it is not closed.

    Nothing is added and nothing left out but a comma before a closing bracket: JSON itself judges what comes of it.
    """
    out: list[str] = []
    open_brackets: list[str] = []
    at = begin
    while (token := _TOKEN.match(text, at)) is not None:
        at = token.end()
        kind, written = token.lastgroup, token[0]
        if kind == "space":
            continue
        if kind == "mark" and written in _CLOSING:
            open_brackets.append(_CLOSING[written])
        elif kind == "mark" and written in "}]":
            if open_brackets.pop() != written:
                return "", len(text)
            if len(out) > 1 and out[-1] == "," and out[-2] not in ("{", "[", ",", ":"):
                out.pop()
        elif kind in ("double", "single", "curly"):
            written = _requoted(written[1:-1])
        elif kind == "word":
            written = _word(written, is_key=_COLON.match(text, at) is not None)
        out.append(written)
        if not open_brackets:
            return " ".join(out), at
    return "", len(text)


def _word(written: str, *, is_key: bool) -> str:
    if is_key and re.fullmatch(r"[^\W\d]\w*", written):
        return json.dumps(written)
    if re.fullmatch(r"\d{1,9}(\.\d{1,9})?%", written):
        return json.dumps(written)
    return "0" + written if re.fullmatch(r"\.\d+", written) else _WORDS.get(written, written)


def _requoted(inner: str) -> str:
    """A string of JSON out of what stands between quotes, with the escapes that Python has beside JSON's."""

    def escape(found: re.Match[str]) -> str:
        written, code = found[0], found["code"] or found["long"]
        if code is not None and int(code, 16) <= sys.maxunicode:
            return json.dumps(chr(int(code, 16)))[1:-1]
        return {'"': '\\"', "\\'": "'"}.get(written, written)

    return '"' + _ESCAPE.sub(escape, inner) + '"'


def _unambiguous(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found and found[name] != value:
            raise ValueError("a key has two values")
        found[name] = value
    return found


_DECODER = json.JSONDecoder(strict=False, object_pairs_hook=_unambiguous)


def _fitting(value: Any, schema: type[Schema], depth: int = 0) -> Schema | None:
    """The answer that a value is, or that is the one thing in its wrappers."""
    if depth > DEEPEST:
        return None
    if isinstance(value, str) and depth and value.lstrip().startswith(("{", "[")):
        try:
            return _fitting(_DECODER.decode(value.strip()), schema, depth + 1)
        except (ValueError, RecursionError):
            return None
    if isinstance(value, list):
        return _fitting(value[0], schema, depth + 1) if len(value) == 1 else None
    if not isinstance(value, dict):
        return None
    try:
        return _validated(value, schema)
    except ValidationError:
        pass
    if len(value) == 1:
        inner = [one for name, one in value.items() if not _NO_ANSWER.search(name)]
    else:
        inner = [one for name, one in value.items() if name.strip().lower() in _ANSWER_KEYS]
    return _fitting(inner[0], schema, depth + 1) if len(inner) == 1 else None


def _validated(value: Any, schema: type[Schema]) -> Schema:
    return schema.model_validate_json(json.dumps(value))  # as JSON: a number as text is a number, a tuple is none


def _doubtful(text: str, pieces: Sequence[_Piece], at: int, schema: type[BaseModel]) -> bool:
    """Whether what stands before or behind a fitting piece says that it is not the answer, or not all of it."""
    before = text[pieces[at - 1].end if at else 0 : pieces[at].begin]
    if _OF_AN_OBJECT.search(before):  # it is the value of some key: the object around it is broken
        return True
    names, quoted, lines = _attempts(schema)
    end = pieces[at].end
    if any(piece.broken or not names.isdisjoint(_keys(piece.value)) for piece in pieces[at + 1 :]):
        return True
    behind = "".join(_between(text[end:], [_Piece(one.begin - end, one.end - end) for one in pieces[at + 1 :]]))
    if _opens_a_fence(behind, _fences("".join(_between(text, pieces[:at], pieces[at].begin)))):
        return True
    in_lines = all(line.search(behind) for line in lines)
    return bool(quoted.search(behind) or in_lines or _REST_OF_A_STRING.search(behind))


@functools.lru_cache(maxsize=64)
def _attempts(schema: type[BaseModel]) -> tuple[frozenset[str], re.Pattern[str], tuple[re.Pattern[str], ...]]:
    """By what another attempt at an answer is told: the names of its properties, one of them quoted as a key, and all
    fields as headings of lines."""
    names = frozenset(_names(schema.model_json_schema()))
    quoted = re.compile(rf"""["'“](?:{"|".join(map(re.escape, sorted(names)))})["'”]\s*:""")
    lines = (re.compile(rf"^\W*{re.escape(name)}\W*:", re.MULTILINE | re.IGNORECASE) for name in schema.model_fields)
    return names, quoted, tuple(lines)


def _between(text: str, pieces: Sequence[_Piece], until: int | None = None) -> Iterator[str]:
    """What stands before, between and behind pieces."""
    at = 0
    for piece in pieces:
        yield text[at : piece.begin]
        at = piece.end
    yield text[at:until]


def _fences(text: str, depth: int = 0) -> int:
    """How many fences are open at the end of a text."""
    for fence in _FENCE.finditer(text):
        depth += 1 if fence["info"] or depth == 0 else -1
    return depth


def _opens_a_fence(text: str, depth: int) -> bool:
    """Whether another fence is opened, with something in it."""
    for fence in _FENCE.finditer(text):
        opens = bool(fence["info"]) or depth == 0
        if opens and text[fence.end() :].strip("` \n"):
            return True
        depth += 1 if opens else -1
    return False


def _names(schema: Any) -> set[str]:
    """The names of all properties in a JSON schema."""
    if isinstance(schema, list):
        return {name for part in schema for name in _names(part)}
    if not isinstance(schema, Mapping):
        return set()
    return {name for part in schema.values() for name in _names(part)} | set(schema.get("properties", ()))


def _keys(value: Any) -> set[str]:
    """The keys of all objects in a value."""
    if isinstance(value, list):
        return {name for part in value for name in _keys(part)}
    if not isinstance(value, dict):
        return set()
    return {name for part in value.values() for name in _keys(part)} | set(value)


def _fault(text: str, pieces: Sequence[_Piece], schema: type[BaseModel]) -> str:
    whole = [one for one in pieces if not one.broken]
    if not whole and not _parses(text):
        return _NO_OBJECT
    try:
        _validated(whole[-1].value if whole else 0, schema)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        where = ".".join(str(step) for step in first["loc"])
        return f"{where}: {first['msg']}" if where else str(first["msg"])
    return _NO_OBJECT


def _parses(text: str) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True
