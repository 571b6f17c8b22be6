"""Other projects' real files, where they are present."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


def shared_data(name: str) -> Path:
    """A folder of LABELER_SHARED_DATA, or of ``shared/data`` beside the repository; the test is skipped without it."""
    beside = Path(__file__).resolve().parents[3].parent / "shared" / "data"
    folder = Path(os.environ.get("LABELER_SHARED_DATA", beside)) / name
    if not folder.is_dir():
        pytest.skip(f"no real files '{name}': set LABELER_SHARED_DATA to the folder that holds them")
    return folder
