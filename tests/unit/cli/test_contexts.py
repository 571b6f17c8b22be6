import numpy as np
import pytest
from rich.console import Console

from labeler.cli import contexts
from labeler.cli.contexts import AFTER, BEFORE, around, highlighted
from labeler.features import Context


def context(*active, n=100):
    activations = np.zeros(n, dtype=np.float32)
    activations[list(active)] = 2.0
    tokens = tuple(f" w{at}" for at in range(n))
    return Context(id=0, document="d", split="explain", tokens=tokens, activations=activations)


def cuts(*active, n=100):
    return [(part.start, part.stop) for part in around(context(*active, n=n).activations > 0)]


def test_what_stands_around_active_tokens_is_kept():
    assert cuts(50) == [(50 - BEFORE, 50 + 1 + AFTER)]
    assert cuts(0) == [(0, 1 + AFTER)]
    assert cuts(99) == [(99 - BEFORE, 100)]
    assert cuts(20, 80) == [(20 - BEFORE, 21 + AFTER), (80 - BEFORE, 81 + AFTER)]
    assert cuts(20, 22) == [(20 - BEFORE, 23 + AFTER)]
    assert cuts() == [(0, 100)]


def test_no_sign_takes_the_place_of_a_single_token():
    near = 50 + AFTER + BEFORE + 2
    assert cuts(50, near) == [(50 - BEFORE, near + 1 + AFTER)]
    assert len(cuts(50, near + 1)) == 2


@pytest.fixture
def screen(monkeypatch):
    """Makes a console with some colours ours."""

    def of(**options):
        monkeypatch.setattr(contexts, "out", Console(width=400, **options))

    return of


@pytest.mark.parametrize(
    ("options", "environment"),
    [
        ({"force_terminal": False}, {}),
        ({"force_terminal": True}, {"NO_COLOR": "1"}),
        ({"force_terminal": True}, {"TERM": "dumb"}),
    ],
    ids=["piped", "NO_COLOR", "TERM=dumb"],
)
def test_without_colours_active_tokens_are_marked(screen, monkeypatch, options, environment):
    for name in ("NO_COLOR", "FORCE_COLOR", "COLORTERM", "TERM"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {"TERM": "xterm-256color", **environment}.items():
        monkeypatch.setenv(name, value)
    screen(**options)
    line = highlighted(context(50), strongest=4.0).plain
    assert "w49⟦ w50⟧5 w51" in line
    assert line.startswith("   2.0  … ")
    assert line.endswith("w56 …  d · explain")


def test_with_colours_the_ground_tells_it(screen, monkeypatch):
    for name in ("NO_COLOR", "TERM"):
        monkeypatch.delenv(name, raising=False)
    screen(force_terminal=True, color_system="truecolor")
    line = highlighted(context(50), strongest=4.0)
    assert "⟦" not in line.plain
    (lit,) = [span for span in line.spans if "on rgb" in str(span.style)]
    assert line.plain[lit.start : lit.end] == " w50"


def test_control_characters_of_a_corpus_do_not_reach_the_terminal(screen):
    hostile = Context(
        id=0,
        document="d\x1b[2J",
        split="explain",
        tokens=("a\x1b[31m", "\u202eb\n"),
        activations=np.array([0, 1], dtype=np.float32),
    )
    for options in ({"force_terminal": False}, {"force_terminal": True, "color_system": "truecolor"}):
        screen(**options)
        plain = highlighted(hostile, strongest=1.0).plain
        assert plain.isprintable()
