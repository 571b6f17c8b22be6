import pytest

from labeler.arguments import among, parse_features
from labeler.cli.display import dollars
from labeler.errors import InputError
from labeler.printable import clean


def test_ranges_single_indices_and_files(tmp_path):
    assert parse_features("0-3, 9", range(10)) == [0, 1, 2, 3, 9]
    path = tmp_path / "wanted"
    path.write_text("4\n7\n")
    assert parse_features(f"@{path}", range(10)) == [4, 7]


@pytest.mark.parametrize("text", ["", "a", "3-1", "-4", "1-", "1,,x", "@nowhere", "0-99999999999", "10"])
def test_what_is_no_index_is_named(text):
    with pytest.raises(InputError):
        parse_features(text, range(10))


def test_where_only_some_are_here_a_range_means_those():
    assert parse_features("0-99,250", [3, 70, 250, 900]) == [3, 70, 250]
    with pytest.raises(InputError, match="no feature of '100-200' is here; the nearest is 70"):
        parse_features("100-200", [3, 70, 250, 900])


def test_of_what_is_named_all_that_is_here_is_taken_and_the_rest_named():
    here = [0, 1, 2, 5]
    assert among(["2", "0-1", "2"], here, "toy") == ([2, 0, 1], [])
    assert among(["0-9"], here, "toy") == ([0, 1, 2, 5], ["6-9"])
    assert among(["1-6", "3", "8-9,7"], here, "toy") == ([1, 2, 5], ["6", "3", "8-9", "7"])
    for named, says in ((["9"], "feature 9 is out of range: 'toy' has features 0 to 5"), (["3-4"], "nearest is 2")):
        with pytest.raises(InputError, match=says):
            among(named, here, "toy")
    for wrong in ("x", "3-1", ""):
        with pytest.raises(InputError):
            among(["0", wrong], here, "toy")


def test_text_of_others_cannot_move_the_cursor():
    assert clean("a\x1b[31mb\nc\u202ed") == "a[31mb⏎cd"


def test_small_sums_keep_their_digits():
    assert [dollars(x) for x in (0, 0.00042, 12.5, None)] == ["$0.00", "$0.0004", "$12.50", "unknown"]
