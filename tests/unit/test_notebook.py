"""What is being done is shown in a notebook's cell, as one output that moves; elsewhere nothing changes."""

import asyncio
import logging
import sys
import threading
import types

import pytest

import labeler.notebook
import labeler.progress
from labeler import api
from labeler.notebook import Cell, in_notebook, shown, watching
from labeler.progress import tell
from labeler.settings import Settings
from tests.fakes.environment import clean
from tests.fakes.evidence import make_store


class Kernel:
    """What IPython is to this package: a shell with a kernel, and displays that can be told anew."""

    def __init__(self, kernel=True):
        self.shell = types.SimpleNamespace(kernel=object()) if kernel else types.SimpleNamespace()
        self.outputs = []

    def display(self, data, *, raw, display_id):
        assert raw
        assert display_id
        self.outputs.append([data])
        mine = self.outputs[-1]
        return types.SimpleNamespace(update=lambda data, *, raw: mine.append(data))


@pytest.fixture
def kernel(monkeypatch):
    return install(monkeypatch, Kernel())


def install(monkeypatch, kernel):
    ipython = types.ModuleType("IPython")
    ipython.get_ipython = lambda: kernel.shell
    ipython.display = types.ModuleType("IPython.display")
    ipython.display.display = kernel.display
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    monkeypatch.setitem(sys.modules, "IPython.display", ipython.display)
    return kernel


def test_a_notebook_is_where_a_kernel_runs(monkeypatch):
    monkeypatch.delitem(sys.modules, "IPython", raising=False)
    assert not in_notebook()
    assert "IPython" not in sys.modules  # not even looked for
    install(monkeypatch, Kernel(kernel=False))  # IPython in a terminal
    assert not in_notebook()
    install(monkeypatch, Kernel())
    assert in_notebook()


def test_stages_move_in_one_output(kernel, monkeypatch):
    monkeypatch.setattr(labeler.notebook, "EVERY", 0)
    with shown(None) as progress:
        progress("reading <b>", 0, 100, "tokens")
        thread = threading.Thread(target=tell, args=("loading a model", 0, 1))
        thread.start()
        thread.join()
        progress("reading <b>", 100, 100, "tokens")
    (pictures,) = kernel.outputs
    assert len(pictures) == 3
    assert '<progress value="0" max="100"></progress> reading &lt;b&gt;: 0/100 tokens' in pictures[0]["text/html"]
    assert pictures[-1]["text/plain"].startswith("reading <b>: 100/100 tokens")
    assert "loading a model" in pictures[-1]["text/plain"]


def test_a_thousand_steps_are_not_a_thousand_pictures(kernel):
    cell = Cell()
    for done in range(1001):
        cell.show("encoding words", done, 1000, "words")
    (pictures,) = kernel.outputs
    assert 2 <= len(pictures) < 100
    assert "1,000/1,000 words" in pictures[-1]["text/plain"]


def test_who_brings_a_progress_of_his_own_keeps_it(kernel):
    heard = []
    with shown(lambda *told: heard.append(told)) as progress:
        progress("reading", 0, 1)
    with watching(heard.append, "labelling") as watch:
        watch("a look")
    assert heard == [("reading", 0, 1), "a look"]
    assert kernel.outputs == []


@pytest.fixture
def script(monkeypatch):
    """A script without a notebook, and a clock that it moves."""
    monkeypatch.delitem(sys.modules, "IPython", raising=False)
    now = types.SimpleNamespace(at=1000.0)
    for module in (labeler.notebook, labeler.progress):
        monkeypatch.setattr(module, "time", types.SimpleNamespace(monotonic=lambda: now.at))
    return now


def work(script, seconds):
    with shown(None) as progress:
        for done in range(seconds + 1):
            progress("reading", done * 10, seconds * 10, "tokens")
            script.at += done < seconds


def test_in_a_script_what_is_soon_done_says_nothing(script, capsys):
    work(script, 9)
    assert capsys.readouterr() == ("", "")


def test_in_a_script_long_work_says_every_ten_seconds_where_it_is_and_that_it_is_over(script, capsys):
    work(script, 25)
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.splitlines() == [
        "reading: 100/250 tokens  10 tokens/s  left 0:15",
        "reading: 200/250 tokens  10 tokens/s  left 0:05",
        "reading: 250/250 tokens  10 tokens/s",
    ]


def test_in_a_script_a_run_says_where_it_is(script, capsys):
    run = types.SimpleNamespace(in_control=1, done=2, total=9, usd=0.5, failed=1)
    with watching(None, "labelling") as look:
        look(run)
        script.at += 11
        look(run)
    assert capsys.readouterr().err == "labelling features: 3/9 features  spent $0.5000  failed 1  left -:--\n"


@pytest.mark.parametrize("name", ["labeler", "labeler.progress"])
def test_in_a_script_the_level_of_a_logger_asks_for_silence(script, capsys, name):
    logger = logging.getLogger(name)
    logger.setLevel(logging.WARNING)
    try:
        work(script, 25)
    finally:
        logger.setLevel(logging.NOTSET)
    assert capsys.readouterr() == ("", "")


def test_a_run_is_seen_through_and_shown_while_the_cells_loop_runs(kernel, tmp_path, monkeypatch):
    clean(monkeypatch)
    toy = api.Dictionary("toy", make_store(tmp_path), Settings(_env_file=None, home=tmp_path))

    async def cell():
        assert asyncio.get_running_loop().is_running()
        assert toy.plan("0-3", explainers="lexical", simulators="lexical")[0].features == 4
        run = toy.label("0-3", explainers="lexical", simulators="lexical")
        return run.work()

    assert asyncio.run(cell()).by_state == {"labelled": 4}
    (pictures,) = kernel.outputs
    assert "labelling features: 4/4 features" in pictures[-1]["text/plain"]
    assert "spent $0.0000" in pictures[-1]["text/html"]
