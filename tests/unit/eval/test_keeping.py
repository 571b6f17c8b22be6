"""Rows of a study that was stopped: what is there is not made again, and what made it is not mixed up."""

import json

import pytest

from eval.keeping import Kept
from labeler.errors import InputError

CONFIGURATION = {"file": "abc", "shuffles": 5}


def test_rows_are_there_when_the_file_is_opened_again(tmp_path):
    path = tmp_path / "deep" / "rows.jsonl"
    with Kept(path, CONFIGURATION) as kept:
        kept.add(("lexical", 1), {"true": 0.1 + 0.2, "shuffled": [None, 1e-9]})
        assert json.loads(path.read_text().splitlines()[1])["true"] == 0.1 + 0.2  # on the disk at once
    with Kept(path, CONFIGURATION) as kept:
        assert len(kept) == 1
        assert kept.get(("lexical", 1)) == {"true": 0.1 + 0.2, "shuffled": [None, 1e-9]}
        assert kept.get(("lexical", 2)) is None
        kept.add(("lexical", 2), {"true": None})
    with Kept(path, CONFIGURATION) as kept:
        assert len(kept) == 2


@pytest.mark.parametrize("lost", range(1, 80, 3))
def test_wherever_a_kill_cut_the_file_the_whole_rows_before_it_count(tmp_path, lost):
    path = tmp_path / "rows.jsonl"
    with Kept(path, CONFIGURATION) as kept:
        for index in range(3):
            kept.add((index,), {"true": index / 3})
    whole = path.read_bytes()
    path.write_bytes(whole[:-lost])
    with Kept(path, CONFIGURATION) as kept:
        there = len(kept)
        for index in range(3):
            if kept.get((index,)) is None:
                kept.add((index,), {"true": index / 3})
    assert there < 3
    assert path.read_bytes() == whole


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"file": "abc", "shuffles": 3}, "shuffles 5, now 3"),
        ({"file": "abc", "shuffles": 5, "labeler": "1"}, "labeler None, now '1'"),
        ({"file": "abc"}, "shuffles 5, now None"),
    ],
)
def test_rows_of_another_configuration_are_refused_by_name_and_left_alone(tmp_path, changed, told):
    path = tmp_path / "rows.jsonl"
    with Kept(path, CONFIGURATION) as kept:
        kept.add((1,), {"true": 1.0})
    before = path.read_bytes()
    with pytest.raises(InputError, match=rf"rows\.jsonl' holds rows of another configuration \({told}\)"):
        Kept(path, changed).__enter__()
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    "other", ["index,label\n1,a\n", "index,label", '{"key": [1]}\n', "[]\n", '{"configuration": 3}\n']
)
def test_somebody_elses_file_is_left_alone(tmp_path, other):
    path = tmp_path / "labels.csv"
    path.write_text(other)
    with pytest.raises(InputError, match=r"labels\.csv'"):
        Kept(path, CONFIGURATION).__enter__()
    assert path.read_text() == other


def test_two_do_not_write_at_once_and_a_place_that_cannot_be_written_is_named(tmp_path):
    path = tmp_path / "rows.jsonl"
    with Kept(path, CONFIGURATION), pytest.raises(InputError, match="another process is writing"):
        Kept(path, CONFIGURATION).__enter__()
    with pytest.raises(InputError, match="cannot write"):
        Kept(tmp_path, CONFIGURATION).__enter__()
