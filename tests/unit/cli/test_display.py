"""Text on terminals that lack some of its signs."""

import io
import json
import sys

import pytest

from labeler.cli.display import print_json, write_anywhere


@pytest.fixture
def terminal(monkeypatch):
    """A function that makes a terminal of an encoding ours, and one that reads what came there."""
    raw = io.BytesIO()

    def of(encoding):
        monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(raw, encoding=encoding, write_through=True))
        write_anywhere()
        return lambda: raw.getvalue().decode(encoding)

    return of


@pytest.mark.parametrize(
    ("encoding", "shown"),
    [("ascii", "+ - x ... [a] e ?"), ("latin-1", "+ - x ... [a] é ?"), ("utf-8", "✓ – ✗ … ⟦a⟧ é 犬")],
)
def test_what_an_encoding_lacks_is_written_in_what_it_has(terminal, encoding, shown):
    said = terminal(encoding)
    print("✓ – ✗ … ⟦a⟧ é 犬", end="")
    assert said() == shown


@pytest.mark.parametrize(
    ("encoding", "shown"), [("ascii", "\"a\" - 'b' +- 1 -> 2"), ("latin-1", "\"a\" - 'b' ± 1 -> 2")]
)
def test_common_marks_of_text_are_read_in_ascii(terminal, encoding, shown):
    said = terminal(encoding)
    print("“a” — ‘b’ ± 1 → 2", end="")
    assert said() == shown


@pytest.mark.parametrize(("encoding", "shown"), [("ascii", "caf?"), ("latin-1", "caf?"), ("utf-8", r"caf\udce9")])
def test_a_file_name_in_another_encoding_is_no_error(terminal, encoding, shown):
    said = terminal(encoding)
    print("caf\udce9", end="")
    assert said() == shown


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_json_loses_no_half_characters_either(terminal, encoding):
    said = terminal(encoding)
    print_json({"path": "caf\udce9"})
    assert json.loads(said()) == {"path": "caf\udce9"}


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_json_loses_nothing_in_any_encoding(terminal, encoding):
    said = terminal(encoding)
    print_json({"label": "✓ – é 犬"})
    assert json.loads(said()) == {"label": "✓ – é 犬"}
