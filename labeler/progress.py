"""How long work tells whoever waits where it is."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Called now and then with a stage of the work and how far it has come."""

    def __call__(self, stage: str, done: int, total: int | None, unit: str = "") -> None:
        """``total`` is None where nobody knows; ``unit`` names what is counted."""
        ...


def silent(stage: str, done: int, total: int | None, unit: str = "") -> None:
    """For whoever does not want to know."""
