"""What OpenAI's API says, as JSON."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any

from eval.provider.answering import Made
from eval.provider.batches import Batch, BatchError, Line
from eval.provider.errors import ApiError, openai_type
from eval.provider.files import StoredFile

DAY = 24 * 60 * 60


def new_id(kind: str) -> str:
    """``batch_…``, ``req_…``; of completions and files ``chatcmpl-…`` and ``file-…``."""
    return f"{kind}{'-' if kind in ('chatcmpl', 'file') else '_'}{uuid.uuid4().hex[:24]}"


def completion(made: Made, model: str, now: float) -> dict[str, Any]:
    """A chat completion."""
    refused = made.stop == "refusal"
    said: dict[str, Any] = {
        "role": "assistant",
        "content": None if refused else made.text,
        "refusal": made.text if refused else None,
        "annotations": [],
    }
    counts = made.counts
    return {
        "id": new_id("chatcmpl"),
        "object": "chat.completion",
        "created": int(now),
        "model": model,
        "choices": [
            {
                "index": 0,
                "message": said,
                "logprobs": None,
                "finish_reason": "length" if made.stop == "truncated" else "stop",
            }
        ],
        "usage": {
            "prompt_tokens": counts.input_tokens,
            "completion_tokens": counts.output_tokens,
            "total_tokens": counts.input_tokens + counts.output_tokens,
            "prompt_tokens_details": {"cached_tokens": counts.cached_tokens, "audio_tokens": 0},
            "completion_tokens_details": {
                "reasoning_tokens": made.reasoning_tokens,
                "audio_tokens": 0,
                "accepted_prediction_tokens": 0,
                "rejected_prediction_tokens": 0,
            },
        },
        "service_tier": "default",
        "system_fingerprint": "fp_0000000000",
    }


def error(problem: ApiError) -> dict[str, Any]:
    """An error's body."""
    return {
        "error": {
            "message": problem.message,
            "type": openai_type(problem.status),
            "param": problem.param,
            "code": problem.code,
        }
    }


def file(one: StoredFile) -> dict[str, Any]:
    """A stored file."""
    return {
        "id": one.id,
        "object": "file",
        "bytes": len(one.content),
        "created_at": int(one.created),
        "filename": one.name,
        "purpose": one.purpose,
        "status": "processed",
        "expires_at": None,
        "status_details": None,
    }


def batch(one: Batch, *, fresh: bool = False) -> dict[str, Any]:
    """How a batch stands; ``fresh`` is how it is shown when it was just made."""
    status = "validating" if fresh else _status(one)
    ended = None if fresh else one.ended
    done = sum(line.state == "answered" for line in one.lines)
    failed = sum(line.state in ("failed", "expired") for line in one.lines)
    times = {
        f"{name}_at": int(ended) for name in ("completed", "failed", "expired", "cancelled") if ended and name == status
    }
    return {
        "id": one.id,
        "object": "batch",
        "endpoint": "/v1/chat/completions",
        "completion_window": "24h",
        "input_file_id": one.input_file,
        "output_file_id": one.output_file,
        "error_file_id": one.error_file,
        "errors": _errors(one.errors) if status == "failed" else None,
        "status": status,
        "created_at": int(one.created),
        "expires_at": int(one.created + DAY),
        "in_progress_at": None if status in ("validating", "failed") else int(one.created),
        "finalizing_at": None,
        "cancelling_at": None if one.cancelled is None else int(one.cancelled),
        **dict.fromkeys(("completed_at", "failed_at", "expired_at", "cancelled_at")),
        **times,
        "request_counts": {
            "total": 0 if status in ("validating", "failed") else len(one.lines),
            "completed": 0 if fresh else done,
            "failed": 0 if fresh else failed,
        },
        "metadata": one.metadata or None,
        "model": one.lines[0].body.get("model") if one.lines else None,
    }


def result(line: Line, now: float) -> dict[str, Any]:
    """A line of a batch's output file, or of its error file."""
    said: dict[str, Any] = {"id": new_id("batch_req"), "custom_id": line.custom_id, "response": None, "error": None}
    response = {"status_code": 200, "request_id": new_id("req")}
    if line.made is not None:
        said["response"] = {**response, "body": completion(line.made, line.body["model"], now)}
    elif line.problem is not None:
        said["response"] = {**response, "status_code": line.problem.status, "body": error(line.problem)}
    elif line.state == "expired":
        message = "This request could not be executed before the completion window expired."
        said["error"] = {"code": "batch_expired", "message": message}
    else:
        said["error"] = {
            "code": "batch_cancelled",
            "message": "This request was not executed: the batch was cancelled.",
        }
    return said


def model(name: str) -> dict[str, Any]:
    """A model in the list of models."""
    return {"id": name, "object": "model", "created": 1_700_000_000, "owned_by": "provider"}


def _status(one: Batch) -> str:
    if one.state != "ended":
        return {"running": "in_progress", "cancelling": "cancelling"}[one.state]
    if one.errors:
        return "failed"
    if one.cancelled is not None:
        return "cancelled"
    return "expired" if any(line.state == "expired" for line in one.lines) else "completed"


def _errors(found: Sequence[BatchError]) -> dict[str, Any]:
    data = [{"code": one.code, "message": one.message, "param": one.param, "line": one.line} for one in found]
    return {"object": "list", "data": data}
