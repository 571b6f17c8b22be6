"""Explanation + contexts -> predicted activations, one strategy a file."""

from labeler.simulators.protocol import Simulator, Summing
from labeler.simulators.registry import NEEDS_LOGPROBS, open_simulator, parse_simulator

__all__ = ["NEEDS_LOGPROBS", "Simulator", "Summing", "open_simulator", "parse_simulator"]
