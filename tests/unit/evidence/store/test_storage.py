import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labeler.evidence.store.storage import DamagedFileError, Tensors, packed, unpacked, write_tensors

ARRAYS = {
    "a": np.arange(12, dtype=np.int32).reshape(3, 4),
    "half": np.array([0.5, 65504], dtype=np.float16),
    "none": np.zeros((0, 7), dtype=np.float32),
    "flags": np.array([True, False]),
}


@pytest.fixture
def path(tmp_path):
    write_tensors(tmp_path / "file.safetensors", ARRAYS, {"seen": "all"})
    return tmp_path / "file.safetensors"


def test_arrays_come_back_as_they_were(path):
    file = Tensors(path)
    assert set(file) == set(ARRAYS)
    assert file.metadata == {"seen": "all"}
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(file[name], array)
        assert file[name].dtype == array.dtype


def test_nothing_is_left_of_a_write_that_failed(tmp_path):
    with pytest.raises(Exception, match=r".+"):
        write_tensors(tmp_path / "file.safetensors", {"a": np.array([object()])})
    assert not (tmp_path / "file.safetensors").exists()


def test_an_array_that_is_not_there_is_named(path):
    with pytest.raises(DamagedFileError, match="it has no 'b'"):
        Tensors(path)["b"]


@pytest.mark.parametrize(
    "header",
    [
        {"a": {"dtype": "I32", "shape": [10**10], "data_offsets": [0, 4 * 10**10]}},
        {"a": {"dtype": "I32", "shape": [2**33, 2**33], "data_offsets": [0, 4]}},
        {"a": {"dtype": "I32", "shape": [-1], "data_offsets": [0, 4]}},
        {"a": {"dtype": "OBJECT", "shape": [1], "data_offsets": [0, 4]}},
        {"a": {"dtype": "I32", "shape": [1], "data_offsets": [-4, 0]}},
        {"a": {"dtype": "I32", "shape": "x", "data_offsets": [0, 4]}},
        {"a": [1, 2]},
        [1],
    ],
)
def test_a_header_that_claims_what_cannot_be_is_refused(tmp_path, header):
    text = json.dumps(header).encode()
    (tmp_path / "x").write_bytes(len(text).to_bytes(8, "little") + text + b"\0" * 16)
    with pytest.raises(DamagedFileError, match="x: damaged"):
        Tensors(tmp_path / "x")


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_damage_is_refused_or_leaves_arrays_within_the_file(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("t") / "file.safetensors"
    write_tensors(path, ARRAYS)
    whole = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 6))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(whole[: data.draw(st.integers(0, len(whole)))])
    try:
        for array in Tensors(path).values():
            array.sum()
    except DamagedFileError:
        pass


@given(st.lists(st.text(), max_size=8))
def test_strings_of_any_kind_are_kept(strings):
    assert unpacked(packed(strings)) == strings
