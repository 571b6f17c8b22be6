"""What a server says went wrong, in the words of many servers: errors inside of a 200, and requests that are too long."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

MOST_TOKENS = 2**31 - 1
"""A higher count is no count; databases take no more."""


DEEPEST = 100
"""No provider's JSON is nested so deep; what is would end whatever looks into it, or writes it again."""


def parsed(text: str | bytes) -> object:
    """The value of a JSON text; ValueError, in one line, where it is none, or nested deeper than any that says something."""
    try:
        value: object = json.loads(text)
    except (ValueError, RecursionError):  # ValueError: also bytes that are no text, and numbers of thousands of digits
        raise ValueError("this is not JSON") from None
    level = [value] if isinstance(value, dict | list) else []
    for _ in range(DEEPEST):
        within = [inner for one in level for inner in (one.values() if isinstance(one, dict) else one)]
        level = [inner for inner in within if isinstance(inner, dict | list)]
        if not level:
            return value
    raise ValueError("this JSON is nested too deep")


def written(value: object) -> str:
    """A text as it is, and any other value as the text of its JSON."""
    return value if isinstance(value, str) else "" if value is None else json.dumps(value, ensure_ascii=False)


def count(value: object) -> int | None:
    """A number of tokens, where a value is one."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return int(value) if 0 <= value <= MOST_TOKENS else None


def sound(text: str) -> str:
    """A text that every database takes: without NUL and without halves of characters."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").replace("\0", "\ufffd")


_LEAST_CONTEXT, _MOST_CONTEXT = 256, 100_000_000
"""Tokens: what is outside is no model's context."""
_MATCHES = 100
"""How many phrases of one kind are looked at in what a server says."""

# Every pattern takes linear time of any text: what repeats is bounded, and a number is looked at from its first digit.
_N = r"(?<!\d)(\d{1,12})"
_CONTEXT = r"context[\s_]?(?:length|size|window|limit)"
_MAX_TOKENS = r"max\w{0,30}tokens"
_TOO_LONG = re.compile(
    r"context_length_exceeded|exceed_context_size|string_above_max_length"
    rf"|(?:exceed|maximum|longer|larger|greater|bigger|too (?:long|large|big)|overflow|reduce|increas|available)"
    rf"[^.]{{0,120}}{_CONTEXT}"
    rf"|{_CONTEXT}[^.]{{0,80}}(?:exceed|too (?:small|short)|overflow|maximum)"
    r"|context the overflows"
    r"|\b(?:prompt|input|requests?|messages?|conversation|inputs)\b[^.]{0,40}\btoo (?:long|large)\b"
    r"|too many (?:input |prompt )?tokens|max input tokens: \d|reduce the length of|please reduce your prompt"
    r"|must have less than \d{1,12} tokens|maximum (?:prompt|input|model|sequence) length|range of input length"
    r"|max_(?:total|input|model|seq)_(?:tokens|len)|`inputs` tokens \+ `max_new_tokens`"
    r"|(?:prompt|input|sequence) length[^.]{0,60}(?:exceed|longer|greater|maximum)"
    r"|\b(?:prompt|input|messages?|tokens?)\b[^.]{0,60}\bexceeds?\b[^.]{0,40}\b(?:length|limit|max|maximum|allowed)\b"
    r"|exceed(?:ed|s|ing)? (?:the )?(?:model(?:'s)? )?(?:token limit|session_len|max_num_tokens)"
    r"|(?:larger|longer|greater) than the (?:model(?:'s)? )?(?:prompt|input|token) (?:length )?limit",
    re.IGNORECASE,
)


def _patterns(*written: str) -> list[re.Pattern[str]]:
    return [re.compile(pattern, re.IGNORECASE) for pattern in written]


_MOST_WRITTEN = _patterns(
    rf"at most {_N} (?:completion|output) tokens",
    rf"max_tokens: \d{{1,12}} > {_N}, which is the maximum allowed",
    # With what is put in, it is the context.
    rf"(?<!\+ )(?<!\+ `)\b{_MAX_TOKENS}\W{{1,3}}(?:value )?(?:input )?(?:must|should|can ?not|may not) (?:be )?"
    rf"(?:at most|less than or equal to|<=|no more than|not exceed|exceed|greater than|larger than)\W{{1,3}}{_N}",
    rf"range of {_MAX_TOKENS} (?:is|should be) \[\d{{1,12}}, ?{_N}\]",
    rf"{_MAX_TOKENS} value of \d{{1,12}} but the supported range is from \d{{1,12}}(?: \(inclusive\))? to {_N}"
    r"(?: \(exclusive\))?",
    rf"(?:maximum tokens|{_MAX_TOKENS})\b[^.]{{0,60}}exceeds? the model(?:'s)? limit of {_N}",
)
_LIMIT = _patterns(
    rf"context limit: \d{{1,12}} \+ \d{{1,12}} > {_N}",
    rf"maximum context (?:length|size|window) (?:is|of) (?:only )?{_N}",
    rf"{_N} maximum context length",
    rf"context length of only {_N}",
    rf"{_CONTEXT}:? (?:is |of )?\(?(?:only )?{_N}",
    rf"\d tokens > {_N} maximum",
    rf"`max_new_tokens` must be <= {_N}",
    rf"must have less than {_N} tokens",
    rf"n_ctx\W{{1,4}}{_N}",
    rf"maximum number of tokens allowed \(?{_N}",
    rf"tokens in the prompt cannot exceed {_N}",
    rf"maximum (?:prompt|input|model|sequence) length (?:is |of )?\(?{_N}",
    rf"max_(?:model|input|seq)_(?:len\w{{0,10}}|tokens)\W{{1,4}}{_N}",
    rf"range of input length (?:is|should be) \[\d{{1,12}}, ?{_N}\]",
    rf"(?:token limit|length limit|configured limit|maximum allowed|max input tokens)\W{{0,3}}(?:of |is )?\(?{_N}",
    rf"(?:session_len|max_num_tokens)\W{{1,4}}{_N}",
    rf"while (?:the )?limit is {_N}",
)
_PROMPT = _patterns(
    rf"{_N} in the (?:messages|prompt)",
    rf"{_N} (?:tokens )?(?:of|from) (?:the |text )?input",
    rf"messages resulted in {_N}",
    rf"(?:has|contains|passed)(?: at least)? {_N} (?:input |prompt )?tokens",
    rf"prompt is too long: {_N}",
    rf"context limit: {_N} \+",
    rf"n_prompt_tokens\W{{1,4}}{_N}",
    rf"\b(?:input|request|prompt)(?: token count| length)? \({_N}",
    rf"Given: {_N}",
    rf"keep the first {_N}",
    rf"received {_N}",
    rf"current length is {_N}",
)


@dataclass(frozen=True)
class Excess:
    """What a server says of a length, in tokens; None where it does not say."""

    written: int | None = None
    """The most that its model writes, where the room for the answer is what was too much."""
    context: int | None = None
    """The most that the model takes in and writes together."""
    prompt: int | None = None
    """What it counted of the request."""
    own: bool = True
    """Whether these are the server's own words: it may have quoted what it was sent."""


def excess(said: str, status: int, sent: str = "") -> Excess | None:
    """What is too long by the words of a rejection and its HTTP status; None where it is about something else.

    ``said`` is untrusted: numbers that stand with the same words in what was sent are not taken from it, and those that
    are have to be held against what was sent and taken.
    """
    plain, sent = _folded(said), _words(_folded(sent))
    written = _first_number(_MOST_WRITTEN, plain, sent)
    if written is not None:
        return Excess(written=written)
    words = [found[0] for found in islice(_TOO_LONG.finditer(plain), _MATCHES)]
    if status != 413 and not words:
        return None
    context, prompt = _first_number(_LIMIT, plain, sent), _first_number(_PROMPT, plain, sent)
    own = status == 413 or context is not None or prompt is not None or any(_words(one) not in sent for one in words)
    if context is not None and not _LEAST_CONTEXT <= context <= _MOST_CONTEXT:
        context = None
    return Excess(context=context, prompt=prompt, own=own)


def is_too_long(reason: str) -> bool:
    """Whether a request was not taken because of its length, by the line that is kept of why it was not."""
    found = excess(reason, 413 if "HTTP 413" in reason else 400)
    return found is not None and found.written is None


def _first_number(patterns: Sequence[re.Pattern[str]], text: str, sent: str) -> int | None:
    for pattern in patterns:
        for found in islice(pattern.finditer(text), _MATCHES):
            if not sent or _words(found[0]) not in sent:
                return int(found[1]) - found[0].endswith("(exclusive)")
    return None


def _folded(text: str) -> str:
    """Without the commas of thousands."""
    return re.sub(r"(?<=\d),(?=\d{3})", "", text)


def _words(text: str) -> str:
    """Words and numbers alone: servers quote with marks of their own."""
    return " ".join(re.findall(r"\w+", text.lower()))


_STATUS = ("code", "errorcode", "errcode", "status", "statuscode", "httpstatus", "type", "errortype")
"""Where servers put what an error is, whatever the spelling: ``statusCode`` and ``__type`` too."""
_CODE = _STATUS[:3]
MESSAGE = ("message", "detail", "msg", "statusmsg", "errormessage", "errormsg", "errordescription", "title")
"""Where they put what they say of it."""
_FRAMES = ("errors", "baseresp", "detail")
"""Where there is an error whatever stands there, in the body of what is no answer."""

_WORDS = {
    429: r"rate ?limit|too many requests|throttl|quota|resource exhausted|(?:tokens|requests) per (?:sec|min|hour|day)",
    402: r"insufficient (?:quota|balance|credits?|funds)|payment required|billing (?:error|hard limit)|credit balance|arrear",
    401: r"authentication|unauthori[sz]ed|unauthenticated|(?:invalid|incorrect|missing|expired) api ?key"
    r"|api ?key (?:is )?(?:not valid|invalid|incorrect|missing|expired)|unrecognized client|expired token",
    403: r"permission (?:denied|error)|forbidden|access denied|not authori[sz]ed",
    404: r"^not found|(?:model|deployment|engine|endpoint|resource|project|page|path|route|url)s?\b.{0,80}\b(?:not found"
    r"|does not exist)|no endpoints? found|no such (?:model|deployment)|unknown (?:model|operation|path|url)"
    r"|method not allowed",
    413: r"(?:request|entity|payload) too large",
    400: r"invalid (?:request|argument|parameter|input|value|prompt)|bad request|validation|value error|field required"
    r"|unsupported|not supported|failed precondition"
    r"|content (?:filter|policy|management)|inappropriate|inspection failed|responsible ai",
    503: r"overload|unavailable|is loading|too busy",
    500: r"internal|server error",
}
_BY_WORDS = re.compile(
    "|".join(f"(?P<s{status}>{words})" for status, words in _WORDS.items())
    + r"|\b(?:http|status|code|error) (?:code )?(?P<number>[45]\d\d)\b"
)
_FAILING = re.compile(r"\b(?:error|exception|fail(?:ed|ure)?)\b")
_FINE = re.compile(r"0+|2\d\d|ok|success(?:ful)?|succeeded|none|null|no error", re.IGNORECASE)
_UNTOLD = 500
"""What an error is that does not say what it is: it may pass."""
_FIRST = 1_000
"""Characters of a message that are looked at: what is meant stands first, and what is quoted behind it."""


def told(body: object) -> tuple[int, Mapping[str, Any]] | None:
    """The HTTP status that an error in a body would have had, and the part that tells of it; None where there is none."""
    body = _first(body)
    error = _error_in(body) if isinstance(body, Mapping) else None
    return None if error is None else (_status(error), {"error": error})


def is_error(value: object) -> bool:
    """Whether what stands under ``error`` in a body is one: some servers send its frame, or that all is well, with
    every answer."""
    if isinstance(value, str | Mapping):
        return _as_error(value) is not None and not _is_fine(value)
    return bool(value) and value != 200


def _error_in(body: Mapping[str, Any]) -> Mapping[str, Any] | None:
    if body.get("type") == "error" or body.get("object") == "error":
        return _as_error(body.get("error")) or body
    choices = body.get("choices")
    first = choices[0] if isinstance(choices, list) and choices else None
    answered = bool(body.get("content")) if first is None else _is_answer(first)
    error = body.get("error")
    if is_error(error) or (not answered and _as_error(error) is not None):
        return _with_what_is_beside(body, error)
    if isinstance(first, Mapping):
        if is_error(first.get("error")):
            return _as_error(first["error"]) or {"message": "the provider broke off"}
        return {"message": "the provider broke off"} if first.get("finish_reason") == "error" else None
    if choices or "content" in body:
        return None
    # Without an answer, anything that names a failure is one.
    for name, value in body.items():
        if _plain(name) in _FRAMES and is_error(_first(value)):
            return _with_what_is_beside(body, _first(value))
    for value in (body, *body.values()):
        found = _first(value)
        if isinstance(found, Mapping) and _names_failure(found):
            return found
    return {"message": "there is no answer in it"} if "choices" in body and choices is None else None


def _with_what_is_beside(body: Mapping[str, Any], value: object) -> Mapping[str, Any]:
    beside = {name: each for name, each in body.items() if _plain(name) in (*_STATUS, *MESSAGE)}
    return beside | {name: each for name, each in (_as_error(value) or {}).items() if each or name not in beside}


def _as_error(value: object) -> Mapping[str, Any] | None:
    if isinstance(value, str):
        return {"message": value} if value.strip() else None
    if isinstance(value, int) and not isinstance(value, bool) and value:
        return {"code": value}
    if not isinstance(value, Mapping):
        return None
    return value if any(one not in (None, "", 0, "0", False, {}, []) for one in value.values()) else None


def _is_answer(choice: object) -> bool:
    """Whether a choice says anything, and came to an end."""
    if not isinstance(choice, Mapping) or choice.get("finish_reason") == "error":
        return False
    message = choice.get("message", choice)
    said = ("content", "text", "tool_calls", "function_call", "refusal")
    return isinstance(message, Mapping) and any(message.get(name) for name in said)


def _is_fine(value: str | Mapping[str, Any]) -> bool:
    """Whether what stands in the place of an error says that there is none."""
    if isinstance(value, str):
        return _FINE.fullmatch(value.strip()) is not None
    states = list(under(value, _STATUS))
    if _number(value) is None and any(_is_fine(said) for said in _texts(value, MESSAGE)):
        return True
    return bool(states) and all(one is None or one == "" or _is_fine(str(one)) for one in states)


def _names_failure(value: Mapping[str, Any]) -> bool:
    """Whether what may be anything tells of a failure, by its names and words."""
    states, said = list(_texts(value, _STATUS)), list(_texts(value, MESSAGE))
    if any(_by_words(state) is not None or _FAILING.search(_plainly(state)) for state in states):
        return True
    if any(_by_words(one) is not None for one in said):
        return True
    failed = any(value.get(name) is False for name in ("success", "ok"))
    coded = any(not _is_fine(str(code)) for code in under(value, _CODE) if code is not None)
    return bool(said) and (failed or coded or _number(value) is not None)


def _status(error: Mapping[str, Any]) -> int:
    number = _number(error)
    if number is not None:
        return number
    found = [_by_words(text) for text in (*_texts(error, _STATUS), *_texts(error, MESSAGE))]
    known = [status for status in found if status is not None]
    # A fault is the least that an error says of itself.
    return next((status for status in known if status < 500), known[0] if known else _UNTOLD)


def _by_words(text: str) -> int | None:
    """The status that a name of an error or a message tells: by what it says first, for messages quote prompts."""
    found = _BY_WORDS.search(_plainly(text))
    status = int(found["number"] or (found.lastgroup or "s500")[1:]) if found is not None else None
    if (status is None or status >= 500) and excess(text[:_FIRST], 400) is not None:
        return 400
    return status


def _number(error: Mapping[str, Any]) -> int | None:
    """An HTTP status of an error, as a number or a text, wherever it stands."""
    for value in under(error, _STATUS):
        text = str(value).strip() if isinstance(value, int | str) and not isinstance(value, bool) else ""
        if re.fullmatch(r"[45]\d\d", text, re.ASCII):
            return int(text)
    return None


def under(found: Mapping[str, Any], names: tuple[str, ...]) -> Iterator[Any]:
    """What stands under these names, in their order, however they are spelled."""
    plain = {_plain(name): value for name, value in found.items()}
    return (plain[name] for name in names if name in plain)


def _texts(found: Mapping[str, Any], names: tuple[str, ...]) -> Iterator[str]:
    return (value for value in under(found, names) if isinstance(value, str) and value.strip())


def _first(value: object) -> object:
    """The first of a list, and any other value as it is."""
    return value[0] if isinstance(value, list) and value else value


def _plain(name: str) -> str:
    return re.sub(r"[^a-z]", "", name[:40].lower())


def _plainly(text: str) -> str:
    """The beginning of a text in words: ``NotFoundError`` and ``not_found_error`` are the same."""
    parted = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", text[:_FIRST])
    return re.sub(r"[\W_]+", " ", parted).strip().lower()
