"""Event streams put together: some servers send nothing else, asked for it or not."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from labeler.llm.foreign import parsed
from labeler.llm.told import is_error, told

_BEGINNING = re.compile(rb"(?:\xef\xbb\xbf)?\s{0,64}(?:data|event|id|retry)?:")
_END = re.compile(rb"^(?:data:\s*\[DONE\]|event:\s*message_stop)\s*$", re.MULTILINE)
_TAIL = 64


def is_stream(content: bytes | bytearray) -> bool:
    """Whether what came so far is the beginning of an event stream."""
    return _BEGINNING.match(content) is not None


def has_ended(content: bytes | bytearray, newest: int) -> bool:
    """Whether a stream says in its newest bytes, so many, that nothing more will come: not every server hangs up."""
    return _END.search(content, max(0, len(content) - newest - _TAIL)) is not None


def put_together(content: bytes) -> object:
    """The completion or the message that a whole stream tells of, or the error that broke it off.

    Raises ValueError, in one line, where it is no stream of either kind, or broke off without a word.
    """
    texts = [_data(event) for event in re.split(r"\r?\n\r?\n|\r\r", content.decode("utf-8-sig", "replace"))]
    done = "[DONE]" in texts
    events = [parsed(text) for text in texts if text and text != "[DONE]"]
    found = [event for event in events if isinstance(event, Mapping)]
    for event in found:
        if is_error(event.get("error")) or event.get("type") == "error":
            return event
        if "choices" not in event and "type" not in event and told(event) is not None:
            return event
    if any(event.get("type") == "message_start" for event in found):
        return _message(found)
    return _completion(found, done)


def _data(event: str) -> str:
    lines = [line.removeprefix("data:").strip() for line in event.splitlines() if line.startswith("data:")]
    return "\n".join(lines)


def _completion(chunks: Iterable[Mapping[str, Any]], done: bool) -> object:
    whole: dict[str, Any] = {}
    pieces: dict[str, list[str]] = defaultdict(list)
    calls: dict[object, dict[str, list[str]]] = {}
    finish: object = None
    for chunk in chunks:
        if chunk.get("usage"):
            whole["usage"] = chunk["usage"]
        choices = chunk.get("choices")
        first = choices[0] if isinstance(choices, list) and choices else None
        if not isinstance(first, Mapping):
            continue
        if isinstance(first.get("message"), Mapping):  # all of it at once
            return {**chunk, **whole}
        if is_error(first.get("error")):
            return chunk
        finish = first.get("finish_reason") or finish
        delta = first.get("delta")
        for key, value in delta.items() if isinstance(delta, Mapping) else ():
            if isinstance(value, str) and key != "role":
                pieces[key].append(value)
        if isinstance(delta, Mapping):
            _add_calls(calls, delta)
    if finish is None and not done:
        raise ValueError("the stream of events broke off")
    message: dict[str, Any] = {"role": "assistant", "content": "", **_joined(pieces)}
    if calls:
        message["tool_calls"] = [{"type": "function", "function": _joined(call)} for call in calls.values()]
    return {**whole, "choices": [{"index": 0, "message": message, "finish_reason": finish}]}


def _joined(pieces: Mapping[str, list[str]]) -> dict[str, str]:
    """Each text whole: adding piece to piece would copy it each time."""
    return {key: "".join(texts) for key, texts in pieces.items()}


def _add_calls(calls: dict[object, dict[str, list[str]]], delta: Mapping[str, Any]) -> None:
    listed = delta.get("tool_calls")
    for call in [*(listed if isinstance(listed, list) else ()), {"function": delta.get("function_call")}]:
        function = call.get("function") if isinstance(call, Mapping) else None
        if isinstance(function, Mapping):
            one = calls.setdefault(str(call.get("index")), {"name": [], "arguments": []})
            for key, texts in one.items():
                if isinstance(function.get(key), str):
                    texts.append(function[key])


def _message(events: Iterable[Mapping[str, Any]]) -> object:
    message: dict[str, Any] = {}
    blocks: dict[str, dict[str, Any]] = {}
    pieces: dict[str, dict[str, list[str]]] = defaultdict(lambda: defaultdict(list))
    ended = False
    for event in events:
        kind, delta = event.get("type"), event.get("delta")
        if kind == "message_start" and isinstance(event.get("message"), Mapping):
            message = dict(event["message"])
        elif kind == "content_block_start" and isinstance(event.get("content_block"), Mapping):
            blocks[str(event.get("index"))] = dict(event["content_block"])
        elif kind == "content_block_delta" and isinstance(delta, Mapping):
            blocks.setdefault(str(event.get("index")), {"type": "text"})
            for key in ("text", "thinking", "partial_json"):
                if isinstance(delta.get(key), str):
                    pieces[str(event.get("index"))][key].append(delta[key])
        elif kind == "message_delta":
            message |= delta if isinstance(delta, Mapping) else {}
            usage = [part for part in (message.get("usage"), event.get("usage")) if isinstance(part, Mapping)]
            message["usage"] = {key: value for part in usage for key, value in part.items() if value is not None}
            ended = message.get("stop_reason") is not None
    if not ended:
        raise ValueError("the stream of events broke off")
    for index, texts in pieces.items():
        block = blocks[index]
        for key, text in _joined(texts).items():
            block[key] = (block[key] if isinstance(block.get(key), str) else "") + text
        written = block.pop("partial_json", None)
        if written is not None:
            try:
                block["input"] = parsed(written)
            except ValueError:
                block["input"] = written
    return {**message, "content": list(blocks.values())}
