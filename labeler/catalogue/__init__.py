"""The catalogue: runs, labels, scores and what they cost, in SQLite or PostgreSQL; the database is the truth."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__all__ = ["Catalogue"]

if TYPE_CHECKING:
    from labeler.catalogue.repository import Catalogue


def __getattr__(name: str) -> Any:
    # Loaded on first use: a look at runs needs no SQLAlchemy (``glance``).
    if name in __all__:
        from labeler.catalogue import repository

        return getattr(repository, name)
    raise AttributeError(f"module 'labeler.catalogue' has no attribute '{name}'")
