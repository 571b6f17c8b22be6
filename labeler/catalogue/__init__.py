"""The catalogue: runs, labels, scores and what they cost, in SQLite or PostgreSQL; the database is the truth."""

from labeler.catalogue.repository import Catalogue

__all__ = ["Catalogue"]
