"""Where a score stands among those of other features' labels."""

from __future__ import annotations

from collections.abc import Mapping

from labeler.metrics import null_percentile

ENOUGH = 20
"""Labels that a feature's own null has at least, for a percentile to be read off it."""

POOLED = 10
"""Labels that a run's pooled null has at least: a place among fewer goes by steps of more than ten per cent."""


def percentile(
    key: str, value: float | None, own: float | None, pooled: Mapping[str, list[float | None]] | None
) -> float | None:
    """The score's own null percentile, or its place in its run's pooled null where it has no null that is large enough.

    None where the pooled one is too small as well.
    """
    if own is not None:
        return own
    labels = (pooled or {}).get(key, [])
    return null_percentile(value, labels) if len(labels) >= POOLED else None
