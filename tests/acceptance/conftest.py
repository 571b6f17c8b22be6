"""A model, a dictionary and a corpus small enough for seconds, as files like a user's own."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from tests.fakes.dictionary import save_dictionary
from tests.fakes.tiny_model import save_tiny_model

TOPICS = (
    "the cat sat on the mat and the other cats ate the bread",
    "then they stood there with the rest of the other bread",
    "a mat and a cat and a breath of air over there",
)


@pytest.fixture(scope="session")
def own_files(tmp_path_factory) -> Path:
    """A folder with ``model/``, ``sae/``, ``corpus.jsonl`` and ``corpus.txt``."""
    folder = tmp_path_factory.mktemp("own")
    save_tiny_model(folder / "model")
    save_dictionary(folder / "sae")
    rng = random.Random(0)
    texts = [" ".join(rng.choices(" ".join(TOPICS).split(), k=400)) for _ in range(30)]
    (folder / "corpus.jsonl").write_text(
        "".join(json.dumps({"id": f"d{i}", "text": t}) + "\n" for i, t in enumerate(texts))
    )
    (folder / "corpus.txt").write_text("\n\n".join(texts))
    return folder
