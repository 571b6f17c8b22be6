"""What every explainer does: say what a feature means, from its evidence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from labeler.features import Evidence, Explanation


class Explainer(Protocol):
    """Makes candidates out of the contexts of the ``explain`` split; it never sees another split."""

    source: str
    """How the user named it."""

    async def explain(self, evidence: Evidence, background: Mapping[str, float], seed: int) -> list[Explanation]:
        """At least one candidate, without doubles; one with an empty label says that there is no clear pattern.

        ``background`` gives the share of ordinary contexts that hold each word stem. Raises LLMError where a model gave
        nothing usable.
        """
        ...
