"""The command: one file a subcommand."""

from labeler.cli.app import main

__all__ = ["main"]
