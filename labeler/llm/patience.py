"""How long one call may take: what its server has to write takes time."""

from __future__ import annotations

TOTAL_SECONDS = 120.0
"""One with an answer of a usual size."""
SECONDS_A_TOKEN = 0.1
"""A language model on a laptop writes no slower than this."""
GRACE_SECONDS = 30.0
"""Between putting a call down and making it, and between its end and its settlement."""


def patience(room: int, seconds: float = TOTAL_SECONDS) -> float:
    """The seconds of a call whose answer has room for so many tokens, where a usual one has ``seconds``."""
    return seconds * max(1.0, room * SECONDS_A_TOKEN / TOTAL_SECONDS)
