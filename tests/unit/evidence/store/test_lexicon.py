"""The index of words against reading every context."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labeler.evidence.store.lexicon import WORDS, lexicon_of, places_file, write_lexicon
from labeler.evidence.store.storage import DamagedFileError, Tensors, write_tensors
from labeler.words import stem, words
from tests.fakes.small_store import LENGTH, small_material, table_of

tokens = st.text(max_size=5) | st.sampled_from(["a.b", "İs", " don", "’t", "", "\n", "),", " ab"])


@settings(max_examples=150, deadline=None)
@given(st.lists(st.lists(tokens, max_size=LENGTH), min_size=2, max_size=10))
def test_every_token_has_the_words_that_overlap_it(contexts):
    contexts = [["".join(token).encode("utf-8", "replace").decode() for token in row] for row in contexts]
    lexicon = small_material(contexts).store.lexicon
    rows = np.arange(len(contexts))
    last = lexicon.of(rows)
    places, further = lexicon.further(rows)
    found = {}
    for place, word in [*zip(places.tolist(), further.tolist(), strict=True), *enumerate(last.ravel().tolist())]:
        if word >= 0:
            found.setdefault(place, []).append(lexicon.spelled[word].decode())
    expected = {}
    for row, context in enumerate(contexts):
        for word in words(context):
            for token in word.tokens:
                expected.setdefault(row * LENGTH + token, []).append(word.text.lower())
    assert found == expected
    for row in contexts:
        for word in words(row):
            ids = lexicon.named([word.stem])
            assert word.text.lower() in {lexicon.spelled[at].decode() for at in ids}
            assert all(stem(lexicon.spelled[at].decode()) == word.stem for at in ids)
    assert not len(lexicon.named(["nobody-wrote-this"]))


def test_an_index_is_gone_on_from_as_its_store_grows(tmp_path):
    files = []
    for number, row in enumerate((["one", " two", " Two"], [" two", " three.", " ones"])):
        path = tmp_path / f"contexts-{number:05d}.safetensors"
        write_tensors(path, table_of([row, row]).arrays())
        files.append(Tensors(path))
        write_lexicon(tmp_path, files)
    apart = tmp_path / "apart"
    apart.mkdir()
    write_lexicon(apart, files)
    assert (apart / WORDS).read_bytes() == (tmp_path / WORDS).read_bytes()
    one, other = lexicon_of(tmp_path, [2, 2]), lexicon_of(apart, [2, 2])
    np.testing.assert_array_equal(one.of(np.arange(4)), other.of(np.arange(4)))
    assert [one.spelled[at].decode() for at in one.of(np.array([3]))[0, :3]] == ["two", ".", "ones"]


@pytest.mark.parametrize(
    ("name", "wrong"),
    [("word", 99), ("further", -1), ("further_start", 7), ("further_position", 200)],
)
def test_an_index_that_does_not_fit_its_words_is_refused_by_name(tmp_path, name, wrong):
    path = tmp_path / "contexts-00000.safetensors"
    write_tensors(path, table_of([["a.b", " c"], ["d"]]).arrays())
    write_lexicon(tmp_path, [Tensors(path)])
    places = tmp_path / places_file(0)
    arrays = {key: value.copy() for key, value in Tensors(places).items()}
    arrays[name].ravel()[-1] = wrong
    write_tensors(places, arrays)
    with pytest.raises(DamagedFileError, match=r"places-00000.*do not fit"):
        lexicon_of(tmp_path, [2]).of(np.arange(2))
