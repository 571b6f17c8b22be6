"""The demo: a chat model's recorded answers to the very prompts that this machine makes, killed half way and called again."""

import json
import re
import signal
from pathlib import Path

import pytest

from labeler.recorded_demo import KEYS, NAME
from tests.fakes.command import end, run, start, wait_until

pytestmark = pytest.mark.timeout(600)


def catalogue_of(folder):
    from labeler.api import open_catalogue
    from labeler.settings import Settings

    return open_catalogue(Settings(_env_file=None, home=folder / ".labeler"))


@pytest.fixture(scope="module")
def shown(tmp_path_factory):
    """A folder in which the demo was killed half way and called again, what it had by then, and what it said in the end."""
    folder = tmp_path_factory.mktemp("demo")
    process = start(folder, "demo")
    try:
        wait_until(lambda: (folder / ".labeler/labeler.db").exists() or ended(process), 120)
        catalogue = catalogue_of(folder)
        wait_until(lambda: catalogue.runs(NAME) or ended(process), 120)
        first = catalogue.runs(NAME)[0].id
        wait_until(lambda: catalogue.progress(first).by_state.get("labelled", 0) >= 1 or ended(process), 240)
        process.send_signal(signal.SIGKILL)
        process.wait()
    finally:
        end([process])
    before = {row["index"]: row["label"] for row in catalogue.rows(NAME)}
    return folder, first, before, run(folder, "demo", timeout=400)


def test_it_survives_kill_9_and_ends_with_every_feature_once(shown):
    folder, first, before, again = shown
    assert again.returncode == 0, again.stderr
    catalogue = catalogue_of(folder)
    assert [record.id for record in catalogue.runs(NAME)] == [first]
    rows = list(catalogue.rows(NAME))
    assert len(rows) == len({row["index"] for row in rows}) == 40
    assert {row["state"] for row in rows} <= {"labelled", "unclear"}
    assert before.items() <= {row["index"]: row["label"] for row in rows}.items()


def test_its_prompts_are_those_that_were_answered(shown):
    folder, _, _, again = shown
    rows = list(catalogue_of(folder).rows(NAME))
    unclear = [row["index"] for row in rows if row["state"] == "unclear"]
    assert len(unclear) <= 4
    for row in rows:
        if row["index"] not in unclear:
            assert set(KEYS) <= set(row["scores"])
            assert row["scores"]["simulation.sparse"]["null_percentile"] is not None
            assert row["provenance"]["held_out"] is True
    assert "something else was asked" not in again.stdout


def test_labels_stand_above_their_nulls(shown):
    *_, again = shown
    for name in ("sparse", "embedding", "lexical"):
        (line,) = [line for line in again.stdout.splitlines() if line.startswith(f"{name} ")]
        assert float(line.split("[")[1].split(",")[0]) > 0, line


def test_it_says_whose_answers_they_are_and_what_they_would_cost(shown):
    *_, again = shown
    assert "answers are recorded" in again.stdout.splitlines()[0]
    assert "blind" in again.stdout
    assert "would cost about $" in again.stdout
    assert "labeler show demo" in again.stdout


def test_what_it_tells_to_try_next_works(shown):
    folder, *_, again = shown
    commands = [line.split() for line in again.stdout.splitlines() if line.startswith("  labeler ")]
    assert [command[1] for command in commands] == ["show", "report", "export"]
    before = labels_in(folder)
    for command in commands:
        done = run(folder, *command[1:])
        assert done.returncode == 0, done.stderr
    assert len(before) == 40
    assert labels_in(folder) == before, "nothing that it tells to try takes the labels' place"


NUMBER = re.compile(r"(?<![\w.])[-+]?\d[\d,]*(?:\.\d+)?")
PAGE = (Path(__file__).parents[2] / "docs" / "show.md").read_text(encoding="utf-8")


def test_the_page_on_show_quotes_what_is_shown_and_explains_what_it_quotes(shown):
    """Word for word; figures as near as another processor comes."""
    folder, *_ = shown
    command, quoted = re.search(r"```text\n\$ labeler ([^\n]*)\n(.*?)```", PAGE, re.DOTALL).groups()
    said = run(folder, *command.split(), COLUMNS="").stdout  # in a pipe: as wide as it has to be
    assert [NUMBER.sub("#", " ".join(line.split())) for line in said.splitlines()] == [
        NUMBER.sub("#", " ".join(line.split())) for line in quoted.splitlines()
    ]
    figures, theirs = ([float(n.replace(",", "")) for n in NUMBER.findall(text)] for text in (said, quoted))
    assert figures == pytest.approx(theirs, rel=0.1, abs=0.03)
    explained = [names for names, _ in re.findall(r"^\| (`.*?`) \| (.*) \|$", PAGE.split("\n## ")[0], re.MULTILINE)]
    assert len(explained) > 15
    for line in explained:
        for name in re.findall(r"`([^`]+)`", line):
            assert name in quoted, name


def labels_in(folder):
    told = run(folder, "export", NAME, "--out", "rows.jsonl", "--force")
    assert told.returncode == 0, told.stderr
    rows = [json.loads(line) for line in (folder / "rows.jsonl").read_text().splitlines()]
    return {row["index"]: (row["label"], row["scores"].get("simulation.sparse")) for row in rows}


def test_called_again_it_shows_the_same_at_once(shown):
    folder, *_, again = shown
    once_more = run(folder, "demo")
    assert once_more.returncode == 0
    table = lambda text: [line for line in text.splitlines() if " [" in line]  # noqa: E731
    assert table(once_more.stdout) == table(again.stdout)


def test_another_dictionary_of_that_name_is_left_alone(tmp_path):
    from tests.fakes.evidence import make_store

    make_store(tmp_path / ".labeler", name=NAME)
    refused = run(tmp_path, "demo")
    assert refused.returncode == 2
    assert "another dictionary's name" in refused.stderr
    assert len(refused.stderr.strip().splitlines()) == 1


def ended(process) -> bool:
    """Whether it ended by itself, which it should not have yet; then what it said is the error."""
    if process.poll() is not None:
        raise AssertionError(process.communicate()[1])
    return False
