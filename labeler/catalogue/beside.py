"""How a label stands to the look-up of tokens: decided here alone, for whoever tells of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from labeler.metrics import TOO_FEW, left_out
from labeler.metrics.comparison import Verdict, difference, known, verdict


def controls(stored: Mapping[str, Any] | None, headline: str | None, score: Mapping[str, Any] | None) -> dict[str, Any]:
    """A feature's controls as its exported row has them; ``score`` is that of the ``headline``, of the label that is shown.

    ``against_lookup`` says how the label stands to the look-up by the interval of their difference: ``better``, ``alike``,
    ``worse``, or null where nothing can be said: one of the two is no number, they are no correlations both, or they rest
    on too few contexts. ``beats_lookup`` is whether it is better, or null. A look-up that was made beside another score, or
    beside none of this label, is left out.
    """
    found = {name: value for name, value in (stored or {}).items() if name not in ("beats_lookup", "against_lookup")}
    lookup = found.get("lookup")
    if lookup is None:
        return found
    if score is None or score["state"] in ("unscored", "failed") or lookup.get("of", headline) != headline:
        del found["lookup"]
        return found
    between = _between(lookup, score) if (headline or "").startswith("simulation") else None
    said = _verdict(between, score)
    shown = {name: lookup.get(name) for name in ("value", "low", "high")}
    return {
        **found,
        "lookup": {**shown, "difference": between},
        "beats_lookup": None if said is None else said == "better",
        "against_lookup": said,
    }


def _between(lookup: Mapping[str, Any], score: Mapping[str, Any]) -> dict[str, float] | None:
    """The difference as it was made; of what was stored before there was one, by the two intervals alone."""
    if lookup.get("difference") is not None or "of" in lookup:
        return lookup.get("difference")
    one, other = (known(each.get("value"), each.get("low"), each.get("high")) for each in (score, lookup))
    if one is None or other is None:
        return None
    return dict(zip(("value", "low", "high"), difference(one, other), strict=True))


def _verdict(between: Mapping[str, float] | None, score: Mapping[str, Any]) -> Verdict | None:
    if between is None or left_out(score.get("reason")) == TOO_FEW:
        return None
    return verdict(between["low"], between["high"])
