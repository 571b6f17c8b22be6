"""OpenAI's chat completions as JSON: what is sent, alone or as a line of a batch, and what comes back."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Literal

from labeler.llm.answers import in_words, instruction
from labeler.llm.error_bodies import count, parsed, sound, told, written
from labeler.llm.errors import MalformedError
from labeler.llm.protocol import Reply, Request, Usage
from labeler.llm.schemas import response_format
from labeler.llm.thoughts import parted, tokens_of

THINKING_TOKENS = 1_000
"""Room for thinking on OpenAI's own host, beside a request's ``max_tokens``: its limit is on both together."""

_BESIDE = ("reasoning_content", "reasoning")
"""Where servers with a reasoning parser put what was thought."""

_CUT = re.compile(r"length|max\w*tokens?|token\w*limit|context\w*exceeded", re.IGNORECASE)

NO_COMPLETION = "this is not a chat completion"

Price = Callable[[Usage], float | None]
"""US dollars for a usage; None where nobody knows."""


def chat_body(
    model: str,
    request: Request,
    *,
    own_host: bool,
    without: frozenset[str] = frozenset(),
    extra: Mapping[str, Any] = MappingProxyType({}),
) -> dict[str, Any]:
    """The body of a call. ``own_host`` is OpenAI's; ``without`` names what the host does not take.

    That may be ``temperature``, ``reasoning_effort``, ``response_format`` (the form is then asked for in words),
    ``max_tokens`` (which then goes by its newest name) and ``whole`` (the answer then comes in a stream). ``extra`` are
    fields of the user's own.
    """
    body: dict[str, Any] = {"model": model}
    system = request.system
    if request.schema is not None and "response_format" in without:
        system = f"{system}\n\n{instruction(request.schema)}".strip()
    elif request.schema is not None:
        body["response_format"] = response_format(request.schema)
    body["max_completion_tokens" if own_host or "max_tokens" in without else "max_tokens"] = room(request, own_host)
    if own_host and "reasoning_effort" not in without:
        body["reasoning_effort"] = "low"  # what is asked here takes little thought, and thinking is billed
    if request.temperature is not None and "temperature" not in without:
        body["temperature"] = request.temperature
    if "whole" in without:
        body |= {"stream": True, "stream_options": {"include_usage": True}}
    body["messages"] = [{"role": "system", "content": system}] if system else []
    body["messages"].append({"role": "user", "content": request.prompt})
    return body | dict(extra)


def reduced(body: Mapping[str, Any], without: Collection[str]) -> dict[str, Any]:
    """A body that was made before, without what a server turned out not to take; a form is asked for in words."""
    left = {part: value for part, value in body.items() if part not in without}
    form = body.get("response_format", {}).get("json_schema", {}).get("schema")
    if form is not None and "response_format" in without:
        first, *rest = body["messages"]
        system = first["content"] if first["role"] == "system" else ""
        others = rest if first["role"] == "system" else body["messages"]
        said = f"{system}\n\n{in_words(form)}".strip()
        left["messages"] = [{"role": "system", "content": said}, *others]
    return left


def room(request: Request, own_host: bool) -> int:
    """How many tokens an answer may take, thinking included, by what was settled or is left to every model there."""
    if request.room is not None:
        return request.room
    return request.max_tokens + (THINKING_TOKENS if own_host else 0)


def read_reply(body: object, price: Price) -> Reply:
    """What a completion says, whatever JSON it is.

    Thinking is left out, wherever the server put it. Raises MalformedError for what is no completion.
    """
    choices = body.get("choices") if isinstance(body, Mapping) else None
    if not isinstance(body, Mapping) or not isinstance(choices, list):
        raise MalformedError(NO_COMPLETION, maybe_billed=True)
    usage = read_usage(body.get("usage"), price)
    if not choices:
        return Reply(usage=usage)
    choice = choices[0] if isinstance(choices[0], Mapping) else {}
    message = choice.get("message")
    text = _text(message.get("content")) if isinstance(message, Mapping) else None
    if not isinstance(message, Mapping) or text is None:
        raise MalformedError(NO_COMPLETION, maybe_billed=True)
    refusal = message.get("refusal")
    said = sound(refusal) if isinstance(refusal, str) else ""
    stop: Literal["end", "truncated", "refused"] = "end"
    if was_cut(choice.get("finish_reason")):
        stop = "truncated"
    elif choice.get("finish_reason") == "content_filter" or said:
        stop = "refused"
    thought, text = parted(text)
    # Some servers have an answer of a wanted form as the arguments of a function.
    text = "\n".join(part for part in (text, *_arguments(message)) if part)
    spent = _thought(body.get("usage"), message, thought, text, usage.output_tokens)
    return Reply(text=sound(text), stop=stop, said=said, usage=usage, thought=spent)


def was_cut(reason: object) -> bool:
    """Whether an answer ended where there was no more room for it, in the words of any server."""
    return isinstance(reason, str) and _CUT.search(reason[:80]) is not None


def read_usage(counts: object, price: Price) -> Usage:
    """What a completion took; where the server counts nothing, the price is unknown but where nobody is paid."""
    read = count(counts.get("prompt_tokens")) if isinstance(counts, Mapping) else None
    made = count(counts.get("completion_tokens")) if isinstance(counts, Mapping) else None
    if not isinstance(counts, Mapping) or read is None or made is None:
        return Usage(usd=0.0 if price(Usage(input_tokens=1, output_tokens=1)) == 0 else None)
    details = counts.get("prompt_tokens_details")
    cached = count(details.get("cached_tokens")) if isinstance(details, Mapping) else None
    usage = Usage(input_tokens=read, cached_tokens=min(cached or 0, read), output_tokens=made)
    return dataclasses.replace(usage, usd=price(usage))


def _thought(counts: object, message: Mapping[str, Any], thought: str, said: str, written: int) -> int:
    """How many tokens were thinking: by the server's own count, else by what it shows of thoughts and answer."""
    details = counts.get("completion_tokens_details") if isinstance(counts, Mapping) else None
    counted = count(details.get("reasoning_tokens")) if isinstance(details, Mapping) else None
    if counted:
        return counted
    beside = next((message[name] for name in _BESIDE if isinstance(message.get(name), str)), "")
    return tokens_of(thought + beside, said, written)


def request_line(custom_id: str, body: Mapping[str, Any]) -> dict[str, Any]:
    """A request as a line of a batch's file."""
    return {"custom_id": custom_id, "method": "POST", "url": "/v1/chat/completions", "body": dict(body)}


@dataclass(frozen=True, kw_only=True)
class ResultLine:
    """A line of a batch's results."""

    custom_id: str
    status: int | None
    """The HTTP status that the request alone would have had; None where it was never made."""
    body: object
    """The completion where the status is 200, else what is said of the fault."""
    code: str = ""
    """The batch's own word for why it was not made: ``batch_expired``, for one."""


def read_result(line: str | bytes) -> ResultLine:
    """A line of a batch's results taken apart; ValueError, in one line, where it is none."""
    found = parsed(line)
    custom_id = found.get("custom_id") if isinstance(found, Mapping) else None
    if not isinstance(found, Mapping) or not isinstance(custom_id, str):
        raise ValueError("this is no line of a batch's results: it has no custom_id")
    response, error = found.get("response"), found.get("error")
    status = response.get("status_code") if isinstance(response, Mapping) else None
    if isinstance(response, Mapping) and isinstance(status, int) and not isinstance(status, bool):
        body = response.get("body")
        status, body = (told(body) if status == 200 else None) or (status, body)
        return ResultLine(custom_id=custom_id, status=status, body=body)
    if not error:
        raise ValueError("this is no line of a batch's results: it has neither a response nor an error")
    code = error.get("code") if isinstance(error, Mapping) else None
    return ResultLine(custom_id=custom_id, status=None, body=error, code=code if isinstance(code, str) else "")


def _arguments(message: Mapping[str, Any]) -> list[str]:
    """What a message calls functions with, as texts of JSON."""
    listed = message.get("tool_calls")
    calls = [call.get("function") for call in listed if isinstance(call, Mapping)] if isinstance(listed, list) else []
    functions = [one for one in (*calls, message.get("function_call")) if isinstance(one, Mapping)]
    return [written(one.get("arguments")) for one in functions]


def _text(content: object) -> str | None:
    """What a message says; some servers send it in parts, of which those of thinking are left out."""
    if isinstance(content, list):
        parts = [part for part in content if isinstance(part, Mapping) and part.get("type") == "text"]
        return "".join(part["text"] for part in parts if isinstance(part.get("text"), str))
    return content if isinstance(content, str) else "" if content is None else None
