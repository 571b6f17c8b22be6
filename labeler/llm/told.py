"""Errors that a server tells in the body of a 200: routers do so when a provider behind them fails."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from labeler.llm.lengths import excess

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
_BEGINNING = 1_000
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
    if (status is None or status >= 500) and excess(text[:_BEGINNING], 400) is not None:
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
    parted = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", text[:_BEGINNING])
    return re.sub(r"[\W_]+", " ", parted).strip().lower()
