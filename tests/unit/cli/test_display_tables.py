"""What tables make of their cells on terminals of any width."""

import pytest
from rich.text import Text

from labeler.cli import display
from labeler.cli.display import Column, by_itself, print_flowing, print_table

COLUMNS = (Column("run"), Column("hook"), Column("tokens", right=True), Column("begun"), Column("why", sentences=True))
ROWS = (
    ("e25e024453e9", "blocks.14.hook_resid_post", "1,213,689", "2026-11-28 17:35", "it was stopped while it was begun"),
    ("0123456789ab", "0-res-jb", "7", "2026-11-28 17:36", ""),
)


@pytest.fixture
def drawn(monkeypatch, capsys):
    """The lines of a table on a terminal of a width."""

    def at(width, columns=COLUMNS, rows=ROWS):
        monkeypatch.setattr(display.out, "_width", width)
        print_table(columns, rows)
        return [line.rstrip() for line in capsys.readouterr().out.splitlines() if line.strip()]

    return at


@pytest.mark.parametrize("width", [1, 10, 20, 40, 60, 80, 100, 140, display.ENDLESS])
def test_names_and_numbers_stand_whole_on_one_line_at_any_width(drawn, width):
    lines = drawn(width)
    for row in ROWS:
        assert all(any(cell in line for line in lines) for cell in row[:-1])
    assert "…" not in "".join(lines)
    assert " ".join(" ".join(lines).split()).count("stopped") == 1  # whole words of sentences, too


def test_a_file_is_as_wide_as_its_table(drawn):
    header, rule, *rows = drawn(display.out.width)
    assert display.out.width == display.ENDLESS
    assert header.split() == ["run", "hook", "tokens", "begun", "why"]
    assert len(rule) < 120
    assert [row.split()[0] for row in rows] == ["e25e024453e9", "0123456789ab"]


def test_sentences_go_on_in_the_next_line_before_columns_are_given_up(drawn):
    lines = drawn(95)
    assert lines[0].split()[0] == "run"
    assert any(line.strip() == "was begun" for line in lines)


@pytest.mark.parametrize(("cells", "kept"), [(("", ""), False), (("0", "0"), False), (("", "3"), True)])
def test_a_column_that_says_nothing_of_any_row_is_left_out(drawn, cells, kept):
    columns = (Column("run"), Column("worth", optional=True), Column("of"))
    header, *_ = drawn(80, columns, [("a", cells[0], "0"), ("b", cells[1], "")])
    assert header.split() == (["run", "worth", "of"] if kept else ["run", "of"])


def test_tables_among_the_same_rows_look_alike(monkeypatch, capsys):
    columns = (Column("score"), Column("beats", right=True, optional=True), Column("n", right=True))
    rows = [("short", "", "1"), ("a much longer name", "100 %", "16,000")]
    headers = []
    for row in rows:
        monkeypatch.setattr(display.out, "_width", 60)
        print_table(columns, [row], rows)
        headers.append(capsys.readouterr().out.splitlines()[1])
    assert headers[0] == headers[1]
    assert headers[0].split() == ["score", "beats", "n"]


@pytest.mark.parametrize("width", [30, 60, 80, display.ENDLESS])
def test_what_goes_on_in_further_lines_loses_no_word(monkeypatch, capsys, width):
    monkeypatch.setattr(display.out, "_width", width)
    text = " ".join(f"word{at}" for at in range(40))
    print_flowing(Text(text), 4)
    first, *others = capsys.readouterr().out.splitlines()
    assert max(map(len, [first, *others])) <= width
    assert all(line.startswith("    w") for line in others)
    assert " ".join(" ".join([first, *others]).split()) == text


def test_without_room_for_columns_each_cell_stands_behind_its_name(drawn):
    lines = drawn(60)
    assert lines == [
        "e25e024453e9  hook blocks.14.hook_resid_post",
        "  tokens 1,213,689  begun 2026-11-28 17:35",
        "  why it was stopped while it was begun",
        "0123456789ab  hook 0-res-jb  tokens 7",
        "  begun 2026-11-28 17:36",
    ]
    assert by_itself(COLUMNS, ROWS[1], 200).plain.endswith("begun 2026-11-28 17:36")  # of an empty cell, nothing


def test_text_of_others_is_clean_in_every_shape(drawn):
    row = ("a\x1b[31mb", "c\nd", "1", "e\u202ef", "[bold]g")
    for width in (20, 200):
        said = "\n".join(drawn(width, rows=[row]))
        assert all(shown in said for shown in ("a[31mb", "c⏎d", "ef", "[bold]g"))
