import signal
import threading

import pytest

from labeler import api
from labeler.home import open_store
from labeler.settings import Settings
from tests.fakes.command import end, run, start, wait_until
from tests.fakes.evidence import WORDS, make_store, on
from tests.fakes.provider import ProviderThread, hang, json_answer

RULES = tuple(on(word) for word in dict.fromkeys(WORDS))
"""A feature for every word of the toy language."""


def slow_explainer(asked):
    """Names the first marked word, after half a second."""
    marked = asked.prompt.split("⟦")[1].split("⟧")[0].strip()
    return json_answer({"label": f'the word "{marked}"', "description": "", "confidence": 0.9}, seconds=0.5)


@pytest.fixture
def home(tmp_path):
    make_store(tmp_path / ".labeler", rules=RULES)
    return tmp_path


def states(rows):
    return [(row["index"], row["state"]) for row in rows]


EVERY = [(index, "labelled") for index in range(len(RULES))]


def test_a_fleet_labels_every_feature_once_though_a_worker_is_killed(home, redis_url, postgres_url):
    urls = {"LABELER_BROKER_URL": redis_url, "LABELER_DATABASE_URL": postgres_url}
    chosen = Settings(_env_file=None, home=home / ".labeler", broker_url=redis_url, database_url=postgres_url)
    workers = [start(home, "worker", **urls), start(home, "worker", **urls)]
    try:
        with ProviderThread(slow_explainer) as provider:
            dictionary = api.Dictionary("toy", open_store(chosen.shelf, "toy"), chosen)
            labelling = dictionary.label(explainers=[f"openai:m@{provider.url}/v1"], simulators=["lexical"])
            wait_until(lambda: labelling.progress().leased)
            victim = workers[0]
            victim.send_signal(signal.SIGKILL)
            victim.wait()
            wait_until(lambda: labelling.record.state == "finished", 120)
            billed = provider.provider.billed
    finally:
        end(workers)
    assert states(labelling.rows()) == EVERY
    assert len(billed) <= 2 * len(EVERY)  # only what was in flight is asked again
    assert labelling.progress().calls >= len(EVERY)


def test_a_run_waits_for_workers_and_a_worker_stops_when_told(home, redis_url, postgres_url):
    urls = {"LABELER_BROKER_URL": redis_url, "LABELER_DATABASE_URL": postgres_url}
    detached = run(home, "label", "toy", "--explainer", "lexical", "--simulator", "lexical", "--detach", **urls)
    assert detached.returncode == 0, detached.stderr
    assert f"{len(RULES)} features are waiting" in detached.stdout
    worker = start(home, "worker", **urls)
    try:
        chosen = Settings(_env_file=None, home=home / ".labeler", broker_url=redis_url, database_url=postgres_url)
        dictionary = api.Dictionary("toy", open_store(chosen.shelf, "toy"), chosen)
        (labelling,) = dictionary.runs()
        wait_until(lambda: labelling.record.state == "finished")
        worker.send_signal(signal.SIGTERM)
        assert worker.wait(timeout=30) == 0
    finally:
        end([worker])
    assert states(labelling.rows()) == EVERY


def test_labels_out_of_a_file_are_scored_by_a_worker_that_has_no_such_file(home, redis_url, postgres_url):
    urls = {"LABELER_BROKER_URL": redis_url, "LABELER_DATABASE_URL": postgres_url}
    labels = home / "labels.csv"
    labels.write_text("index,label\n" + "".join(f"{index},label {index}\n" for index in range(len(RULES))))
    detached = run(home, "score", "toy", "--labels", "labels.csv", "--simulator", "lexical", "--detach", **urls)
    assert detached.returncode == 0, detached.stderr
    labels.unlink()
    worker = start(home, "worker", **urls)
    try:
        chosen = Settings(_env_file=None, home=home / ".labeler", broker_url=redis_url, database_url=postgres_url)
        (scoring,) = api.Dictionary("toy", open_store(chosen.shelf, "toy"), chosen).runs()
        wait_until(lambda: scoring.record.state == "finished")
    finally:
        end([worker])
    assert states(scoring.rows()) == EVERY
    assert {row["explainer"] for row in scoring.rows()} == {"file:labels.csv"}


def test_a_worker_without_a_broker_says_what_it_needs(home):
    refused = run(home, "worker")
    assert refused.returncode == 2
    assert refused.stderr.startswith("labeler: a worker of a fleet needs LABELER_BROKER_URL")


@pytest.mark.parametrize("how", [pytest.param(signal.SIGKILL, marks=pytest.mark.long), signal.SIGINT])
def test_a_run_on_a_laptop_survives_being_stopped(home, how):
    with ProviderThread(slow_explainer) as provider:
        name = f"openai:m@{provider.url}/v1"
        process = start(home, "label", "toy", "--explainer", name, "--simulator", "lexical")
        try:
            chosen = Settings(_env_file=None, home=home / ".labeler")
            dictionary = api.Dictionary("toy", open_store(chosen.shelf, "toy"), chosen)
            wait_until(lambda: (home / ".labeler" / "labeler.db").exists() and dictionary.runs())
            (labelling,) = dictionary.runs()
            wait_until(lambda: labelling.progress().leased)
            process.send_signal(how)
            process.wait(timeout=60)
        finally:
            end([process])
        if how == signal.SIGINT:
            assert process.returncode == 130
            assert labelling.progress().leased == 0
        resumed = run(home, "resume", labelling.id)
    assert resumed.returncode == 0, resumed.stderr
    assert states(labelling.rows()) == EVERY


def test_a_laptop_works_on_the_run_it_was_asked_for_and_on_no_other(home):
    chosen = Settings(_env_file=None, home=home / ".labeler")
    dictionary = api.Dictionary("toy", open_store(chosen.shelf, "toy"), chosen)
    with ProviderThread(slow_explainer) as provider:
        paid = dictionary.label([0], explainers=[f"openai:m@{provider.url}/v1"], simulators=["lexical"])
        asked_for = run(home, "label", "toy", "--features", "1-3", "--simulator", "lexical")
        assert asked_for.returncode == 0, asked_for.stderr
        assert provider.provider.asked == []
    assert paid.record.state == "running"


def test_one_process_works_on_one_run_after_another(home):
    chosen = Settings(_env_file=None, home=home / ".labeler")
    dictionary = api.Dictionary("toy", open_store(chosen.shelf, "toy"), chosen)
    for index in (1, 2):
        labelling = dictionary.label([index], explainers=["lexical"], simulators=["lexical"])
        watcher = threading.Thread(target=labelling.work, daemon=True)
        watcher.start()
        watcher.join(timeout=60)
        assert not watcher.is_alive(), "the run was not worked on"
        assert states(labelling.rows()) == [(index, "labelled")]


def test_a_worker_that_is_told_to_stop_gives_back_what_it_holds(home, redis_url, postgres_url):
    urls = {"LABELER_BROKER_URL": redis_url, "LABELER_DATABASE_URL": postgres_url}
    chosen = Settings(_env_file=None, home=home / ".labeler", broker_url=redis_url, database_url=postgres_url)
    dictionary = api.Dictionary("toy", open_store(chosen.shelf, "toy"), chosen)
    with ProviderThread(lambda asked: hang()) as provider:
        labelling = dictionary.label(explainers=[f"openai:m@{provider.url}/v1"], simulators=["lexical"])
        worker = start(home, "worker", **urls)
        try:
            wait_until(lambda: len(provider.provider.asked) > 0)
            worker.send_signal(signal.SIGTERM)
            assert worker.wait(timeout=30) == 0
        finally:
            end([worker])
    assert labelling.progress().leased == 0
    assert labelling.progress().unknown_calls > 0
