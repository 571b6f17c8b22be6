"""Answers of a wanted form, out of text."""

from __future__ import annotations

import json
import re

from pydantic import BaseModel, ValidationError

from labeler.llm.errors import MalformedError, RefusedError, RejectedError, TruncatedError
from labeler.llm.failures import Failures
from labeler.llm.protocol import Answer, Reply, Request

_FENCE = re.compile(r"```(?:json)?\s*(.*?)\s*```", re.DOTALL | re.IGNORECASE)


def instruction(schema: type[BaseModel]) -> str:
    """What to append to a system text so that a model without schemas answers in JSON."""
    return "Answer with one JSON object that fits this JSON schema, and with nothing else:\n" + json.dumps(
        schema.model_json_schema(), ensure_ascii=False
    )


def read_answer(reply: Reply, request: Request, name: str) -> Answer:
    """The answer that a reply is; ``name`` is the backend's, for messages.

    Raises TruncatedError, RefusedError, or MalformedError for an empty text or one that does not fit the schema, each
    with the reply's usage; RejectedError where the provider did not take the request.
    """
    failures, usage = Failures(name, None), reply.usage
    if reply.stop == "rejected":
        raise RejectedError(failures.line("the request was not taken", reply.said))
    if reply.stop == "truncated":
        raise TruncatedError(failures.line(f"the answer was cut at {usage.output_tokens} tokens"), usage=usage)
    if reply.stop == "refused":
        raise RefusedError(failures.line("the model declined to answer", reply.said), usage=usage)
    text = reply.text.strip()
    if not text:
        raise MalformedError(failures.line("the answer is empty"), usage=usage)
    if request.schema is None:
        return Answer(text=text, usage=usage)
    try:
        return Answer(text=text, parsed=fit(text, request.schema), usage=usage)
    except ValueError as error:
        raise MalformedError(failures.line("the answer does not fit", str(error)), usage=usage) from None


def fit(text: str, schema: type[BaseModel]) -> BaseModel:
    """The answer in a text that is JSON, or that holds it in a fenced block.

    Raises ValueError, in one line, for text that is not JSON or does not fit the schema.
    """
    try:
        return schema.model_validate_json(_unfenced(text))
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        where = ".".join(str(step) for step in first["loc"])
        message = f"{where}: {first['msg']}" if where else first["msg"]
    raise ValueError(message)


def is_json(text: str) -> bool:
    """Whether a text, or the fenced block in it, is JSON of any form."""
    try:
        json.loads(_unfenced(text))
    except (ValueError, RecursionError):
        return False
    return True


def _unfenced(text: str) -> str:
    text = text.strip()
    if text.startswith(("{", "[")):
        return text  # whatever stands in its strings
    fenced = _FENCE.search(text)
    return fenced[1] if fenced else text
