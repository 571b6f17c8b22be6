import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labeler.evidence.importers.base import ForeignWindow, cut


def window(values, document=None):
    tokens = tuple(f" t{i}" for i in range(len(values)))
    return ForeignWindow(tokens=tokens, activations=np.array(values, dtype=np.float32), document=document, stratum="s")


def peaked(n, peak):
    return window([1.0 if i == peak else 0.0 for i in range(n)])


@given(st.lists(st.floats(0, 100, width=32), min_size=1, max_size=300), st.integers(1, 64))
def test_pieces_joined_are_the_window(values, length):
    whole = window(values, document="d")
    pieces = cut(whole, length)
    assert tuple(token for piece in pieces for token in piece.tokens) == whole.tokens
    np.testing.assert_array_equal(np.concatenate([piece.activations for piece in pieces]), whole.activations)
    assert all(1 <= len(piece.tokens) == len(piece.activations) <= length for piece in pieces)
    assert {(piece.document, piece.stratum) for piece in pieces} == {("d", "s")}


@pytest.mark.parametrize("n", [1, 31, 32])
def test_short_windows_stay_whole(n):
    whole = peaked(n, 0)
    assert cut(whole) == [whole]


@pytest.mark.parametrize("peak", range(24, 119))
def test_the_strongest_token_stands_three_quarters_into_a_full_piece(peak):
    piece = next(piece for piece in cut(peaked(127, peak)) if piece.activations.any())
    assert len(piece.tokens) == 32
    assert piece.activations.argmax() == 24


def test_near_the_ends_the_piece_is_full_all_the_same():
    first, last = cut(peaked(127, 3)), cut(peaked(127, 125))
    assert len(first[0].tokens) == 32
    assert first[0].activations.argmax() == 3
    assert len(last[-1].tokens) == 32
    assert last[-1].activations.argmax() == 30


def test_what_is_left_is_cut_evenly():
    assert [len(piece.tokens) for piece in cut(peaked(127, 64))] == [20, 20, 32, 27, 28]
    assert [len(piece.tokens) for piece in cut(peaked(33, 0))] == [32, 1]


def test_of_equal_strength_the_first_counts_and_silence_is_cut_too():
    twice = window([0.0] * 40 + [2.0] + [0.0] * 40 + [2.0] + [0.0] * 40)
    assert next(piece.activations.argmax() for piece in cut(twice) if piece.activations.any()) == 24
    assert sum(len(piece.tokens) for piece in cut(window([0.0] * 100))) == 100


def test_a_window_without_a_document_gives_pieces_without_one():
    assert {piece.document for piece in cut(peaked(100, 50))} == {None}
