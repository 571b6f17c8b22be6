"""What the model of a name does not take."""

from __future__ import annotations

from eval.provider.asked import Asked
from eval.provider.counting import input_tokens
from eval.provider.errors import ApiError

SHORT = 2_048
"""The context of a model with ``short`` in its name, in tokens."""


def check(asked: Asked) -> None:
    """Raises ApiError for what the model of this name does not take."""
    if asked.api == "openai" and "reasoning" in asked.model and asked.body.get("temperature") is not None:
        message = "Unsupported parameter: 'temperature' is not supported with this model."
        raise ApiError(400, message, param="temperature", code="unsupported_parameter")
    if "plain" in asked.model and asked.sent_schema is not None:
        form = "response_format" if asked.api == "openai" else "output_config"
        message = f"Invalid parameter: '{form}' of type 'json_schema' is not supported with this model."
        raise ApiError(400, message, param=form)
    read, room = input_tokens(asked), asked.max_tokens or 0
    if "short" in asked.model and read + room > SHORT:
        if asked.api == "anthropic":
            raise ApiError(400, f"input length and `max_tokens` exceed context limit: {read} + {room} > {SHORT}")
        message = (
            f"This model's maximum context length is {SHORT} tokens. However, you requested {read + room} tokens "
            f"({read} in the messages, {room} in the completion)."
        )
        raise ApiError(400, message, param="messages", code="context_length_exceeded")
