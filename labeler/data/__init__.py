"""What the demo needs: the sample dictionary, a small store of its evidence, and a chat model's answers to the prompts."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from labeler.errors import InputError


def shipped(name: str) -> Path:
    """A file or folder that lies beside this module; InputError where this installation came without it."""
    path = Path(str(files(__package__).joinpath(name)))
    if not path.exists():
        raise InputError(f"'{name}' is missing from this installation of labeler; install it again, or from a clone")
    return path
