"""What is shown of long work: every stage by name, moving, on a terminal and without one."""

import io
import re
import threading
import time
import types

import pytest
from rich.console import Console

from labeler import progress
from labeler.cli import following
from labeler.cli.following import Board, Following, collecting, fitted
from labeler.progress import Stage, tell

RUN = {
    "in_control": 0, "done": 0, "total": 12, "usd": 0.0, "calls": 0, "failed": 0, "pending": 0, "unpriced_calls": 0,
    "leased": 1, "parked": 0,
}  # fmt: skip


def run(**changes):
    return types.SimpleNamespace(**{**RUN, **changes})


@pytest.fixture
def clock(monkeypatch):
    """A clock that stands still until it is moved, and that no other thread looks at."""
    now = types.SimpleNamespace(at=1000.0)
    monkeypatch.setattr(Board, "_beat", lambda board: board._ended.wait())
    for module in (following, progress):
        monkeypatch.setattr(module, "time", types.SimpleNamespace(monotonic=lambda: now.at))
    return now


@pytest.fixture
def lines(monkeypatch):
    """What a file gets that stderr goes to."""
    file = io.StringIO()
    monkeypatch.setattr(following, "err", Console(file=file, force_terminal=False, width=40))
    return lambda: file.getvalue().splitlines()


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def screen(monkeypatch):
    file = Terminal()
    monkeypatch.setattr(following, "err", Console(file=file, force_terminal=True, width=160))
    return lambda: re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", file.getvalue())


def test_without_a_terminal_a_stage_says_when_it_begins_every_ten_seconds_and_when_it_ends(clock, lines):
    with collecting() as progress:
        for done in range(0, 101, 4):
            progress("reading the corpus", done * 100, 10_000, "tokens")
            clock.at += 1
    assert lines() == [
        "reading the corpus: 0/10,000 tokens  left -:--",
        "reading the corpus: 4,000/10,000 tokens  400 tokens/s  left 0:15",
        "reading the corpus: 8,000/10,000 tokens  400 tokens/s  left 0:05",
        "reading the corpus: 10,000/10,000 tokens  400 tokens/s",
    ]


def test_a_line_comes_also_while_nothing_moves(monkeypatch, lines):
    monkeypatch.setattr(following, "EVERY", 0.05)
    with collecting() as progress:
        progress("loading smollm2-135m", 0, 1)
        deadline = time.monotonic() + 10
        while len(lines()) < 4 and time.monotonic() < deadline:
            time.sleep(0.01)
    assert len(lines()) >= 4
    assert all(re.fullmatch(r"loading smollm2-135m: \d+ s", line) for line in lines())


def test_what_an_earlier_call_had_done_is_no_speed(clock):
    stage = Stage("reading", 90_000, done=90_000, total=100_000, unit="tokens")
    clock.at += 10
    assert stage.speed == ""
    assert stage.left == "left -:--"
    stage.done = 91_000
    assert stage.speed == "100 tokens/s"
    assert stage.left == "left 1:30"


def test_a_stage_that_comes_again_begins_anew(clock, lines):
    with collecting() as progress:
        for _ in range(2):
            progress("merging", 0, 64, "features")
            clock.at += 2
            progress("merging", 64, 64, "features")
            progress("merging", 64, 64, "features")  # told twice, written once
            clock.at += 100
    assert lines() == ["merging: 0/64 features  left -:--", "merging: 64/64 features  32 features/s"] * 2


def test_what_cannot_be_counted_is_told_only_where_it_takes_long(clock, lines):
    with collecting() as progress:
        progress("loading the sentence encoder", 0, 1)
        clock.at += 9
        progress("loading the sentence encoder", 1, 1)
        progress("loading smollm2-135m", 0, 1)
        clock.at += 12
        progress("loading smollm2-135m", 0, 1)
        progress("loading smollm2-135m", 1, 1)
    assert lines() == ["loading smollm2-135m: 12 s"] * 2


def test_a_run_says_what_its_worker_is_at_before_any_feature_is_done(clock, lines):
    with Following() as follow:
        follow(run())
        clock.at += 1
        thread = threading.Thread(target=tell, args=("encoding words", 0, 8_000, "words"))
        thread.start()
        thread.join()
        clock.at += 10
        tell("encoding words", 1_000, 8_000, "words")
        follow(run())
        tell("encoding words", 8_000, 8_000, "words")
        clock.at += 11
        follow(run(done=3, calls=7, usd=0.25))
    begun, encoding, later = lines()
    assert begun == "labelling features: 0/12 features  spent $0.00  failed 0  0 calls  left -:--"
    assert encoding.endswith("left -:--; encoding words: 1,000/8,000 words  100 words/s  left 1:10")
    assert "3/12 features" in later
    assert "spent $0.2500  failed 0  7 calls" in later
    assert "encoding" not in later


def test_what_is_told_of_an_endless_stage_is_no_news_for_long(clock, lines):
    with Following() as follow:
        follow(run())
        tell("running smollm2-135m", 500, None, "tokens")
        clock.at += 11
        follow(run())
        tell("running smollm2-135m", 1_600, None, "tokens")
        clock.at += 11
        follow(run())
        clock.at += 31
        follow(run())
    assert [("running smollm2-135m" in line) for line in lines()] == [False, True, True, False]
    assert lines()[2].endswith("; running smollm2-135m: 1,600 tokens  50 tokens/s")


def test_labels_that_wait_for_the_null_are_told_apart_from_features_without_one(clock, lines):
    with Following() as follow:
        follow(run(in_control=7, done=2))
    (line,) = lines()
    assert line.startswith("labelling features: 9/12 features")
    assert "7 waiting for the null" in line


def test_nulls_are_a_stage_of_their_own(clock, lines):
    with Following("scoring") as follow:
        follow(run(in_control=12))
        follow(run(in_control=12))
        clock.at += 11
        follow(run(in_control=8, done=4))
        follow(run(done=12))
    assert [line.split("  ")[0] for line in lines()] == [
        "scoring features: 12/12 features",
        "comparing with nulls: 0/12 features",
        "comparing with nulls: 4/12 features",
        "comparing with nulls: 12/12 features",
    ]


def test_on_a_terminal_every_stage_has_a_bar_and_nothing_is_written_in_lines(screen):
    with collecting() as progress:
        progress("reading the corpus", 0, 1_000, "tokens")
        progress("reading the corpus", 1_000, 1_000, "tokens")
        progress("loading [bold]a model", 0, 1)
        progress("loading [bold]a model", 1, 1)
    shown = screen()
    assert "reading the corpus   ━" in shown
    assert "1,000/1,000" in shown
    assert "loading [bold]a model" in shown
    assert "tokens  left" not in shown


def test_on_a_terminal_what_the_worker_was_at_is_gone_when_it_is_over(screen):
    with Board() as board:
        board.show("labelling features", 0, 12, "features")
        board.show("encoding words", 0, 10, "words", aside=True)
        board.show("encoding words", 10, 10, "words", aside=True)
        visible = {task.description: task.visible for task in board._bars.tasks}
    assert visible == {"labelling features": True, "encoding words": False}
    screen()


@pytest.mark.parametrize("width", [40, 60, 80, 120, 160])
@pytest.mark.parametrize(
    "name", ["labelling features", "comparing with nulls", "loading a-model-with-a-name-that-is-long"]
)
def test_the_count_the_time_left_and_a_bar_are_seen_at_any_width(clock, width, name):
    facts = ["spent $0.1234", "failed 2", "40 calls", "3 answers to come"]
    stage = Stage(name, 0, done=12, total=40, unit="features", facts=facts)
    clock.at += 10
    shown, bar, rest = fitted(stage, "0:00:10", width)
    assert len(shown) + 1 + bar + 1 + len(rest) <= width
    assert bar >= 8
    assert rest.startswith("12/40")
    assert rest.endswith(stage.left)
    assert shown.rstrip() == name or shown.rstrip().endswith("…")
    if width >= 80 and len(name) <= 20:
        assert "spent $0.1234 failed 2" in rest
    if width >= 160 and len(name) <= 20:
        assert all(part in rest for part in (*facts, stage.speed, "0:00:10"))


@pytest.mark.parametrize(("terminal", "term"), [(True, "dumb"), (False, "xterm")])
def test_a_file_with_colours_and_a_terminal_that_cannot_move_get_lines(monkeypatch, clock, terminal, term):
    file = Terminal() if terminal else io.StringIO()
    console = Console(file=file, force_terminal=True, width=80, _environ={"TERM": term})
    monkeypatch.setattr(following, "err", console)
    with collecting() as progress:
        progress("reading", 0, 10, "tokens")
        progress("reading", 10, 10, "tokens")
    assert file.getvalue().splitlines() == ["reading: 0/10 tokens  left -:--", "reading: 10/10 tokens"]
