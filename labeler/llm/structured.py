"""Answers of a wanted form, out of text."""

from __future__ import annotations

import json
from collections.abc import Sized

from pydantic import AfterValidator, BaseModel

from labeler.llm.errors import MalformedError, OversizedError, RefusedError, RejectedError, TooLongError, TruncatedError
from labeler.llm.failures import Failures
from labeler.llm.lengths import is_too_long
from labeler.llm.protocol import Answer, Reply, Request
from labeler.llm.reading import LONGEST, fit


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
