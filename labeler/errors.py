"""What can go wrong, by who can mend it."""

from __future__ import annotations


class LabelerError(Exception):
    """The base of every error that this package raises on purpose."""

    kind = "other"
    """What a feature's failure is counted as where this is the reason (``labeler.llm.errors.KINDS``)."""


class InputError(LabelerError):
    """A request that cannot be served as it stands; the message names the thing and what would be right (exit 2)."""


class MissingExtraError(InputError):
    """A part of the package that needs an optional dependency which is not installed."""

    def __init__(self, what: str, extra: str) -> None:
        super().__init__(f"{what} needs the '{extra}' extra; in a clone of labeler: pip install '.[{extra}]'")
