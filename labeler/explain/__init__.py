"""Evidence -> explanations, one strategy a file."""

from labeler.explain.protocol import Explainer
from labeler.explain.registry import open_explainer, parse_explainer

__all__ = ["Explainer", "open_explainer", "parse_explainer"]
