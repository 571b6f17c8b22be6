"""What reaches the database is what every database and every reader of JSON takes."""

from __future__ import annotations

import json
import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.dialects import sqlite

from labeler.catalogue.database import WholeText, clean_json, clean_number, clean_text

any_text = st.text(st.characters(exclude_categories=()))
any_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | any_text,
    lambda inner: st.lists(inner) | st.dictionaries(any_text, inner) | st.tuples(inner, inner),
    max_leaves=10,
)


@given(any_text)
def test_clean_text_is_utf8_without_nul(text):
    clean = clean_text(text)

    assert "\0" not in clean
    assert clean.encode().decode() == clean
    assert clean_text(clean) == clean


def test_ordinary_text_stays_as_it_is():
    for text in ("", "slavery", "naïve — 東京 🗼", "a\tb\r\nc\x7f\u2028"):
        assert clean_text(text) == text


def test_halves_that_belong_together_become_one_character():
    assert clean_text("\ud83d\uddfc and \ud800") == "🗼 and \ufffd"


@given(any_json)
def test_clean_json_is_strict_json(value):
    encoded = json.dumps(clean_json(value), ensure_ascii=False, allow_nan=False).encode()

    assert json.loads(encoded) == clean_json(value)
    assert b"\\u0000" not in encoded


def test_clean_json_of_numpy_is_plain():
    value = {"mean": np.float32(0.5), "n": np.int64(3), "all": np.array([1.0, np.nan]), 7: np.bool_(True)}

    assert clean_json(value) == {"mean": 0.5, "n": 3, "all": [1.0, None], "7": True}


def test_only_finite_numbers_are_numbers():
    assert [clean_number(x) for x in (None, math.nan, math.inf, -math.inf, 2, -0.5)] == [None] * 4 + [2.0, -0.5]


@given(any_text | any_text.map("json:".__add__))
def test_whole_text_comes_out_as_it_went_in(text):
    stored = WholeText().process_bind_param(text, sqlite.dialect())

    assert clean_text(stored) == stored
    # Halves of a character that stand side by side are one character to everybody who reads them.
    found = WholeText().process_result_value(stored, sqlite.dialect())
    assert found.encode("utf-16", "surrogatepass") == text.encode("utf-16", "surrogatepass")
