"""What Anthropic's API says, as JSON."""

from __future__ import annotations

import datetime
import uuid
from collections import Counter
from typing import Any

from eval.provider.answering import REFUSAL, Made
from eval.provider.batches import Batch, Line
from eval.provider.errors import ApiError, anthropic_type

DAY = 24 * 60 * 60
_STOPS = {"end": "end_turn", "truncated": "max_tokens", "refusal": "refusal"}
_RESULTS = {"answered": "succeeded", "failed": "errored", "expired": "expired", "cancelled": "canceled"}


def new_id(kind: str) -> str:
    """``msg_…``, ``msgbatch_…``, ``req_…``."""
    return f"{kind}_{uuid.uuid4().hex[:24]}"


def message(made: Made, model: str, *, batch: bool = False) -> dict[str, Any]:
    """A message of Claude."""
    content: list[dict[str, Any]] = []
    if made.thinking:
        content.append({"type": "thinking", "thinking": made.thinking, "signature": "c2lnbmF0dXJl"})
    if made.text:
        content.append({"type": "text", "text": made.text})
    counts = made.counts
    details = {"type": "refusal", "category": None, "explanation": REFUSAL}
    return {
        "id": new_id("msg"),
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": content,
        "stop_reason": _STOPS[made.stop],
        "stop_sequence": None,
        "stop_details": details if made.stop == "refusal" else None,
        "usage": {
            "input_tokens": counts.input_tokens - counts.cached_tokens - counts.written_tokens,
            "cache_creation_input_tokens": counts.written_tokens,
            "cache_read_input_tokens": counts.cached_tokens,
            "cache_creation": {
                "ephemeral_5m_input_tokens": counts.written_tokens,
                "ephemeral_1h_input_tokens": 0,
            },
            "output_tokens": counts.output_tokens,
            "service_tier": "batch" if batch else "standard",
        },
    }


def error(problem: ApiError, request_id: str) -> dict[str, Any]:
    """An error's body."""
    said = {"type": anthropic_type(problem.status), "message": problem.message}
    return {"type": "error", "error": said, "request_id": request_id}


def batch(one: Batch, origin: str) -> dict[str, Any]:
    """How a batch stands; ``origin`` is where its results are, ``http://host:port``."""
    ended = one.state == "ended"
    said = Counter(_RESULTS[line.state] for line in one.lines) if ended else Counter(processing=len(one.lines))
    kinds = ("processing", *_RESULTS.values())
    return {
        "id": one.id,
        "type": "message_batch",
        "processing_status": {"running": "in_progress", "cancelling": "canceling", "ended": "ended"}[one.state],
        "request_counts": {kind: said[kind] for kind in kinds},
        "created_at": _time(one.created),
        "expires_at": _time(one.created + DAY),
        "ended_at": _time(one.ended),
        "cancel_initiated_at": _time(one.cancelled),
        "archived_at": None,
        "results_url": f"{origin}/v1/messages/batches/{one.id}/results" if ended else None,
    }


def result(line: Line) -> dict[str, Any]:
    """A line of a batch's results."""
    found: dict[str, Any] = {"type": _RESULTS[line.state]}
    if line.made is not None:
        found["message"] = message(line.made, line.body["model"], batch=True)
    if line.problem is not None:
        found["error"] = error(line.problem, new_id("req"))
    return {"custom_id": line.custom_id, "result": found}


def _time(seconds: float | None) -> str | None:
    if seconds is None:
        return None
    return f"{datetime.datetime.fromtimestamp(seconds, datetime.UTC):%Y-%m-%dT%H:%M:%S.%fZ}"
