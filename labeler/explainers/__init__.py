"""Evidence -> explanations, one strategy a file."""

from labeler.explainers.protocol import Explainer
from labeler.explainers.registry import open_explainer, parse_explainer

__all__ = ["Explainer", "open_explainer", "parse_explainer"]
