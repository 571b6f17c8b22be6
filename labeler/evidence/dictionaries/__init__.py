"""Dictionaries on disk: one family a file, found by looking."""

from labeler.evidence.dictionaries.base import Dictionary, Family
from labeler.evidence.dictionaries.loading import load_dictionary

__all__ = ["Dictionary", "Family", "load_dictionary"]
