"""Explanation + questions about contexts -> answers, one scorer a file."""

from labeler.scorers.protocol import Answers, Judge, Questions
from labeler.scorers.registry import open_judge, parse_scorer

__all__ = ["Answers", "Judge", "Questions", "open_judge", "parse_scorer"]
