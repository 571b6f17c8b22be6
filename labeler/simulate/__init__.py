"""Explanation + contexts -> predicted activations, one strategy a file."""

from labeler.simulate.protocol import Simulator
from labeler.simulate.registry import open_simulator, parse_simulator

__all__ = ["Simulator", "open_simulator", "parse_simulator"]
