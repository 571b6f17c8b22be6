"""The answer in a text: the last object that fits the wanted schema, whatever stands around it, and never a draft.

Models put sentences, fences, thinking and wrappers around what was asked for, and write JSON as Python does. All of that
is read through. What could be one thing or another (another attempt behind the object that fits, in whatever notation, a
fitting one inside a broken one) is refused: asking again costs a little, a draft that is taken for the answer costs a
wrong label.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Sequence, Sized
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import AfterValidator, BaseModel, ValidationError

from labeler.llm.error_bodies import is_too_long
from labeler.llm.errors import MalformedError, OversizedError, RefusedError, RejectedError, TooLongError, TruncatedError
from labeler.llm.protocol import Answer, Reply, Request
from labeler.llm.refusals import Failures
from labeler.llm.schemas import naming, plain_name

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
    r"""(?P<space>[\s\u200b\u2060\ufeff]+)
    | (?P<double>"(?:[^"\\]|\\.)*") | (?P<single>'(?:[^'\\]|\\.)*') | (?P<curly>“(?:[^”\\]|\\.)*”)
    | (?P<mark>[{}\[\]:,]) | (?P<word>[^\s\u200b\u2060\ufeff{}\[\]:,"'“”]+)""",
    re.VERBOSE | re.DOTALL,
)
_BRACKET = re.compile(r"[{\[]")
_COLON = re.compile(r"\s*:")
_CLOSING = {"{": "}", "[": "]"}
_ESCAPE = re.compile(r"\\(?:x(?P<code>[0-9a-fA-F]{2})|U(?P<long>[0-9a-fA-F]{8})|.)|\"", re.DOTALL)
_WORDS = {"True": "true", "False": "false", "None": "null"}
_LIKE_JSON = re.compile(r"""\{\s*(?:\\?["'“}]|\w+\s*:|```|\Z) | \[\s*(?:["'“{\[]|\Z)""", re.VERBOSE)
_FENCE = re.compile(r"(?:```|~~~)(?P<info>\w*)")
_CLOSED_FENCE = re.compile(r"\n[ \t]*```")
_OF_AN_OBJECT = re.compile(r"""["'”]\s*:\s*\Z""")
_REST_OF_A_STRING = re.compile(r"""["'”]\s{0,9}[}\]](?!\s{0,9}["'“”‘’`])""")
_BALANCED = re.compile(r"\{[^{}]*\}|\[[^\[\]]*\]")
# A sentence that speaks of a mark of thinking: in quotes, or behind a word that asks for a name.
_SPEAKS = re.compile(
    r"\b(?:the|a|an|like|of|on|in|with|tag|token|mark|marker|string|sign|symbol|text|word) \Z", re.IGNORECASE
)
_QUOTES = "\"'`“”‘’«»"

_ANSWER_WORDS = frozenset(
    "answer answers final result results response output json data argument arguments parameters properties input value "
    "content contents text function object item body payload message feature explanation corrected correction revised "
    "improved better best".split()
)
_NO_ANSWER = re.compile(
    r"draft|example|though?t|think|reason|analys|scratch|previous|prior|initial|first|original|old|schema|attempt|tried"
    r"|reject|discard|wrong|incorrect|bad\b|before|alternat|candidate|option|guess|tentative",
    re.IGNORECASE,
)
_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+")


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


def _last_fitting(text: str, schema: type[Schema], depth: int = 0) -> Schema:
    pieces = _of_the_answer(text)
    found = [(at, fits) for at, one in enumerate(pieces) if (fits := _fitting(one.value, schema, depth)) is not None]
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
            if _speaks_of(text, mark):
                continue
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


def _speaks_of(text: str, mark: re.Match[str]) -> bool:
    """Whether a sentence is about a mark rather than ended by it."""
    before, behind = text[max(0, mark.start() - 12) : mark.start()], text[mark.end() : mark.end() + 1]
    quoted = before[-1:] in _QUOTES and behind in _QUOTES and before != "" and behind != ""
    return quoted or (mark["answer"] is not None and behind in " .,;" and _SPEAKS.search(before) is not None)


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
    rewritten, end = _rewritten(text, begin)
    # What is JSON as it stands is taken so. Only its own part is shown: in a long text, each error would count all lines.
    for written in (text[begin:end], rewritten) if rewritten else ():
        try:
            return _DECODER.decode(written), end
        except (ValueError, RecursionError):
            continue
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
    """The answer that a value is, or that is the one thing in its wrappers; None where there is another beside it."""
    if depth > DEEPEST:
        return None
    if isinstance(value, str):
        try:
            return _last_fitting(value.strip(), schema, depth) if depth and _BRACKET.search(value) else None
        except ValueError:
            return None
    if isinstance(value, list):
        return _fitting(value[0], schema, depth + 1) if len(value) == 1 else None
    if not isinstance(value, dict):
        return None
    try:
        found: Schema | None = _validated(value, schema)
    except ValidationError:
        found = None
    kind = naming(schema)
    beside = [
        (name, one)
        for name, one in value.items()
        if not (found and plain_name(name) in kind.fields) and not _NO_ANSWER.search(name) and _is_attempt(one, schema)
    ]
    if found or len(beside) != 1:
        return None if beside else found
    name, inner = beside[0]
    if any(plain_name(one) in kind.fields for one in value) and (len(value) > 1 or isinstance(inner, str)):
        return None  # it is an attempt itself, and what it holds is what it says
    words = {word.lower() for word in _WORD.findall(name)} | {plain_name(name)}
    is_named = not words.isdisjoint(_ANSWER_WORDS | kind.fields | {plain_name(schema.__name__)})
    return _fitting(inner, schema, depth + 1) if is_named else None


def _is_attempt(value: Any, schema: type[BaseModel]) -> bool:
    """Whether an answer could be meant by a value: some object in it, or in a text of it, names a field."""
    if isinstance(value, str):
        return _BRACKET.search(value) is not None and naming(schema).in_text(value)
    if isinstance(value, list):
        return any(_is_attempt(one, schema) for one in value)
    if not isinstance(value, dict):
        return False
    return naming(schema).in_value(value) or any(_is_attempt(one, schema) for one in value.values())


def _validated(value: Any, schema: type[Schema]) -> Schema:
    return schema.model_validate_json(json.dumps(value))  # as JSON: a number as text is a number, a tuple is none


def _doubtful(text: str, pieces: Sequence[_Piece], at: int, schema: type[BaseModel]) -> bool:
    """Whether what stands before or behind a fitting piece says that it is not the answer, or not all of it."""
    before = text[pieces[at - 1].end if at else 0 : pieces[at].begin]
    kind = naming(schema)
    if _OF_AN_OBJECT.search(before) or kind.last.search(before[-80:]):  # it is the value of some key of what is broken
        return True
    behind = pieces[at + 1 :]
    if any(_is_cut(text, piece) if piece.broken else kind.in_value(piece.value) for piece in behind):
        return True
    rest = text[pieces[at].end :]
    fences = _fences("".join(_between(text, pieces[:at], pieces[at].begin)))
    return kind.in_text(rest) or _leaves_open(rest, fences) or _ends_a_string(rest)


def _is_cut(text: str, piece: _Piece) -> bool:
    """Whether nothing behind a broken piece's beginning closes it: the text ends within it."""
    return text.rfind(_CLOSING[text[piece.begin]]) < piece.begin


def _ends_a_string(text: str) -> bool:
    """Whether a string ends in a text that did not begin there, and with it what holds it."""
    for _ in range(DEEPEST):
        text = _BALANCED.sub("", text)
    return _REST_OF_A_STRING.search(text) is not None


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


def _leaves_open(text: str, depth: int) -> bool:
    """Whether another fence is opened and not closed, with something in it or said of it."""
    opened = None
    for fence in _FENCE.finditer(text):
        opens = bool(fence["info"]) or depth == 0
        opened = fence if opens else None
        depth += 1 if opens else -1
    return opened is not None and bool(opened["info"] or text[opened.end() :].strip("`~ \n"))


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


def at_most(n: int) -> AfterValidator:
    """The mark of a field that is malformed where it is longer, in characters or entries.

    It is checked when an answer is read and is no part of the schema that is sent: providers' strict modes take no lengths,
    and grammars grow with them.
    """

    def check(value: Sized) -> Sized:
        if len(value) > n:
            raise ValueError(f"longer than {n:,}")
        return value

    return AfterValidator(check)


def instruction(schema: type[BaseModel]) -> str:
    """What to append to a system text so that a model without schemas answers in JSON."""
    return in_words(schema.model_json_schema())


def in_words(schema: object) -> str:
    """The same for a schema that is JSON already."""
    return "Answer with one JSON object that fits this JSON schema, and with nothing else:\n" + json.dumps(
        schema, ensure_ascii=False
    )


def read_answer(reply: Reply, request: Request, name: str) -> Answer:
    """The answer that a reply is; ``name`` is the backend's, for messages.

    Raises TruncatedError, RefusedError, OversizedError for a text that is longer than any answer, or MalformedError for an
    empty one or one that does not fit the schema, each with the reply's usage; RejectedError where the provider did not
    take the request.
    """
    failures, usage = Failures(name, None), reply.usage
    if reply.stop == "rejected":
        kind = TooLongError if is_too_long(reply.said) else RejectedError
        raise kind(failures.line("the request was not taken", reply.said))
    if reply.stop == "truncated":
        raise TruncatedError(failures.line(f"the answer was cut at {usage.output_tokens} tokens"), usage=usage)
    if reply.stop == "refused":
        raise RefusedError(failures.line("the model declined to answer", reply.said), usage=usage)
    text = reply.text.strip()
    if not text:
        raise MalformedError(failures.line("the answer is empty"), usage=usage)
    if len(text) > LONGEST:
        raise OversizedError(failures.line(f"the answer has more than {LONGEST:,} characters"), usage=usage)
    if request.schema is None:
        return Answer(text=text, usage=usage)
    try:
        return Answer(text=text, parsed=fit(text, request.schema), usage=usage)
    except ValueError as error:
        raise MalformedError(failures.line("the answer does not fit", str(error)), usage=usage) from None
