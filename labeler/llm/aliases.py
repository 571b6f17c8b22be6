"""Names that mean one model: its own, and those of its dated snapshots.

What is asked and kept goes by the name that was written, for a name without a date may mean another snapshot tomorrow.
What is known of a model (prices, limits, its usual answers) holds under either.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TypeVar

from labeler.errors import InputError
from labeler.llm.names import LLMName

T = TypeVar("T")

_DATE = re.compile(r"[-@](?:20\d{6}|20\d{2}-\d{2}-\d{2}|latest)$", re.ASCII)


def undated(model: str) -> str:
    """A model's name without the date of its snapshot: ``claude-haiku-4-5`` of ``claude-haiku-4-5-20251001``."""
    return _DATE.sub("", model.lower())


def same_model(one: str, other: str) -> bool:
    """Whether two full names (``provider:model@url``) mean one model at one server.

    Two snapshots with different dates are two models, and so is one whose price is known to be its own. Names that are
    none mean only themselves.
    """
    if one == other:
        return True
    try:
        a, b = LLMName.parse(one), LLMName.parse(other)
    except InputError:
        return False
    if (a.provider, _server(a)) != (b.provider, _server(b)) or undated(a.model) != undated(b.model):
        return False
    names = {a.model.lower().removesuffix("-latest"), b.model.lower().removesuffix("-latest")}
    return len(names) == 1 or (undated(a.model) in names and not _priced_apart(a, b))


def known_of(names: Iterable[str], known: Mapping[str, T]) -> T | None:
    """What is known under one of some names, in their order, or under another name of the same model; None where nothing.

    Of several snapshots the newest is taken.
    """
    names = list(names)
    exact = next((name for name in names if name in known), None)
    if exact is not None:
        return known[exact]
    alike = (other for name in names for other in sorted(known, reverse=True) if same_model(name, other))
    return next((known[other] for other in alike), None)


def _server(name: LLMName) -> str | None:
    return name.base_url and name.base_url.rstrip("/")


def _priced_apart(a: LLMName, b: LLMName) -> bool:
    """Whether both are in the table of prices, each in a line of its own."""
    # Imported here: it takes most of a second, and few names have a date.
    from genai_prices.data_snapshot import get_snapshot

    try:
        lines = [get_snapshot().find_provider_model(one.model, None, one.provider, None)[1].id for one in (a, b)]
    except LookupError:
        return False
    return lines[0] != lines[1]
