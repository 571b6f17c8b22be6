"""Keeping model libraries from writing over a progress display."""

from __future__ import annotations

import os


def hush() -> None:
    """Turn off the progress bars and advice of transformers and tokenizers; call before a model is loaded."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    from transformers.utils import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()
