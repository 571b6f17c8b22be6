"""Where a score stands among those of other features' labels."""

from __future__ import annotations

from collections.abc import Mapping

from labeler.score import null_percentile


def percentile(
    key: str, value: float | None, own: float | None, pooled: Mapping[str, list[float | None]] | None
) -> float | None:
    """The score's own null percentile, or its place in its run's pooled null where it has no null that is large enough."""
    return own if own is not None else null_percentile(value, (pooled or {}).get(key, []))
