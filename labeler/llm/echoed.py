"""Log-probabilities out of a completion that gives its prompt back (``echo``), as vLLM and the first OpenAI API do."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from labeler.llm.errors import MalformedError, RejectedError
from labeler.llm.failures import Failures
from labeler.llm.placing import place
from labeler.llm.protocol import TextLogprobs, Usage

NONE_GIVEN = (
    "gives no log-probabilities of a given text, as vLLM does; "
    "use local:… or another server, or the simulator 'sparse' or 'embedding'"
)


def read_echoed(
    found: Any, prefix: str, text: str, among: Sequence[str], usage: Usage, failures: Failures
) -> TextLogprobs:
    """The part behind the prefix of a choice's ``logprobs``: ``tokens``, ``token_logprobs``, ``top_logprobs``.

    A token of the end of the prefix and the beginning of the text is the text's, and counted whole. Raises
    RejectedError where the server gave nothing of the prompt, MalformedError where its lists do not fit the prompt.
    """
    tokens, values, top = (_list(found, name) for name in ("tokens", "token_logprobs", "top_logprobs"))
    if not tokens or not values or all(value is None for value in values[:-1]):
        # One value is that of the token it has written: the prompt was not given back.
        raise RejectedError(failures.line(NONE_GIVEN), usage=usage)
    try:
        if len(values) != len(tokens) or (among and len(top) != len(tokens)):
            raise ValueError("its lists are not of one length")
        spans = place(prefix + text, tokens)
        kept = [i for i, (_, end) in enumerate(spans) if end > len(prefix)]
        logprobs = [_number(values[i]) for i in kept]
        others = [[_listed(top[i], other) for other in among] for i in kept] if top and among else None
    except (ValueError, TypeError) as error:
        line = failures.line("the log-probabilities are not those of the prompt", str(error))
        raise MalformedError(line, usage=usage) from None
    offsets = np.array([spans[i] for i in kept], dtype=np.int64).reshape(-1, 2)
    return TextLogprobs(
        offsets=np.maximum(offsets - len(prefix), 0),
        logprobs=np.array(logprobs, dtype=np.float32),
        among=None if others is None else np.array(others, dtype=np.float32).reshape(-1, len(among)),
        usage=usage,
    )


def _list(found: object, name: str) -> list[Any]:
    values = found.get(name) if isinstance(found, Mapping) else None
    return values if isinstance(values, list) else []


def _number(value: object) -> float:
    if not isinstance(value, int | float) or not math.isfinite(value) or value > 0.001:
        raise ValueError(f"{value!r} is not a log-probability")
    return float(value)


def _listed(top: Mapping[str, object], other: str) -> float:
    return _number(top[other]) if other in top else -math.inf
