"""Explanation + contexts -> predicted activations, one strategy a file."""

from labeler.simulate.protocol import Simulator
from labeler.simulate.registry import NEEDS_LOGPROBS, open_simulator, parse_simulator

__all__ = ["NEEDS_LOGPROBS", "Simulator", "open_simulator", "parse_simulator"]
