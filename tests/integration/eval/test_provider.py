"""The fake provider, asked by the providers' own clients."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
import urllib.request

import anthropic
import openai
import pytest
from pydantic import BaseModel

from eval.provider import Knobs, Provider
from labeler.prompts import load_prompt
from tests.fakes import environment

LONG = "You look at features. " * 200


class Clock:
    def __init__(self):
        self.now = 1_700_000_000.0

    def __call__(self):
        return self.now


class Label(BaseModel):
    label: str
    description: str
    confidence: float


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch):
    environment.clean(monkeypatch)


def claude(provider, **others):
    return anthropic.Anthropic(api_key="k", base_url=provider.url, max_retries=0, **others)


def gpt(provider, **others):
    return openai.OpenAI(api_key="k", base_url=f"{provider.url}/v1", max_retries=0, **others)


def question(text="hi", **others):
    return {"max_tokens": 300, "model": "small", "messages": [{"role": "user", "content": text}], **others}


def explain_prompt():
    active = ["the⟦ slave⟧8 trade", "a⟦ slave⟧3"]
    return load_prompt("explain").render(active=active, silent=["nothing"], promoted="")


def test_messages_with_a_schema_and_a_cached_prefix():
    system = [{"type": "text", "text": LONG, "cache_control": {"type": "ephemeral"}}]
    form = {"format": {"type": "json_schema", "schema": anthropic.transform_schema(Label)}}
    asked = question(explain_prompt(), system=system, output_config=form)
    with Provider(Knobs(input_price=1, output_price=5)) as provider, claude(provider) as client:
        first = client.messages.create(**asked)
        second = client.messages.create(**asked)
        assert Label.model_validate_json(first.content[0].text).label == 'the word "slave"'
        assert (first.stop_reason, first.usage.service_tier) == ("end_turn", "standard")
        assert first.usage.cache_creation_input_tokens == second.usage.cache_read_input_tokens == 1101
        assert first.usage.cache_read_input_tokens == second.usage.cache_creation_input_tokens == 0
        assert first.usage.input_tokens == second.usage.input_tokens < 300
        counted = client.messages.count_tokens(model="small", messages=asked["messages"], system=system)
        assert counted.input_tokens < first.usage.input_tokens + 1101
        totals = provider.totals()
        assert (totals.calls, totals.repeats, totals.rebought) == (2, 1, 1)
        assert (totals.cached_tokens, totals.written_tokens) == (1101, 1101)
        with urllib.request.urlopen(f"{provider.url}/billed") as page:
            assert json.load(page) == {**totals.as_json(), "said": {"answered": 2}}
        urllib.request.urlopen(urllib.request.Request(f"{provider.url}/reset", method="POST")).close()
        assert provider.billed == []


def test_completions_with_a_schema_and_a_cached_prefix():
    messages = [{"role": "system", "content": LONG}, {"role": "user", "content": explain_prompt()}]
    with Provider() as provider, gpt(provider) as client:
        first = client.chat.completions.parse(model="small", messages=messages, response_format=Label)
        second = client.chat.completions.parse(model="small", messages=messages, response_format=Label)
        assert first.choices[0].message.parsed.label == 'the word "slave"'
        assert first.usage.prompt_tokens_details.cached_tokens == 0
        assert second.usage.prompt_tokens_details.cached_tokens == 1024
        assert first.usage.total_tokens == first.usage.prompt_tokens + first.usage.completion_tokens
        assert provider.totals().input_tokens == 2 * first.usage.prompt_tokens
        assert "small" in [model.id for model in client.models.list()]


def test_models_with_ways_of_their_own():
    with Provider() as provider, claude(provider) as one, gpt(provider) as other:
        thought = one.messages.create(**question(model="small-thinking"))
        assert [block.type for block in thought.content] == ["thinking", "text"]
        with pytest.raises(openai.BadRequestError, match="temperature") as rejected:
            other.chat.completions.create(**question(model="small-reasoning", temperature=0))
        assert (rejected.value.param, rejected.value.code) == ("temperature", "unsupported_parameter")
        reasoned = other.chat.completions.create(**question(model="small-reasoning"))
        assert reasoned.usage.completion_tokens_details.reasoning_tokens == 64
        with pytest.raises(openai.BadRequestError, match="response_format"):
            other.chat.completions.parse(**question(model="small-plain"), response_format=Label)
        with pytest.raises(anthropic.BadRequestError, match="messages"):
            one.messages.create(**{**question(), "messages": []})
        assert provider.totals().calls == 2


def test_anthropics_limits_are_told_with_every_answer():
    knobs = Knobs(requests_per_minute=2, input_tokens_per_minute=10_000, output_tokens_per_minute=1_000)
    with Provider(knobs, clock=Clock()) as provider, claude(provider) as client:
        answered = client.messages.with_raw_response.create(**question())
        assert answered.headers["anthropic-ratelimit-requests-remaining"] == "1"
        assert answered.headers["anthropic-ratelimit-requests-reset"] == "2023-11-14T22:13:50Z"
        assert answered.headers["anthropic-ratelimit-input-tokens-limit"] == "10000"
        assert answered.headers["anthropic-ratelimit-output-tokens-remaining"] == "992"
        assert answered.request_id.startswith("req_")
        client.messages.create(**question())
        with pytest.raises(anthropic.RateLimitError) as refused:
            client.messages.create(**question())
        assert refused.value.response.headers["retry-after"] == "30"
        assert refused.value.response.headers["anthropic-ratelimit-requests-remaining"] == "0"
        assert refused.value.type == "rate_limit_error"
        assert provider.totals().calls == 2
        assert provider.said == {"answered": 2, "limited": 1}


def test_openais_limits_are_told_with_every_answer():
    knobs = Knobs(requests_per_minute=600, input_tokens_per_minute=500)
    with Provider(knobs, clock=Clock()) as provider, gpt(provider) as client:
        answered = client.chat.completions.with_raw_response.create(**question())
        assert answered.headers["x-ratelimit-limit-requests"] == "600"
        assert answered.headers["x-ratelimit-reset-requests"] == "100ms"
        assert answered.headers["x-ratelimit-remaining-tokens"] == "199"
        assert answered.headers["x-ratelimit-reset-tokens"] == "36.12s"
        with pytest.raises(openai.RateLimitError) as refused:
            client.chat.completions.create(**question())
        assert refused.value.code == "rate_limit_exceeded"
        assert refused.value.response.headers["retry-after-ms"] == "12240"
        assert refused.value.response.headers["retry-after"] == "13"
        assert provider.totals().calls == 1


@pytest.mark.parametrize(
    ("fault", "error", "billed"),
    [
        ("rate_limited", anthropic.RateLimitError, 0),
        ("server_error", anthropic.InternalServerError, 0),
        ("overloaded", anthropic.OverloadedError, 0),
        ("timeout", anthropic.APITimeoutError, 0),
        ("timeout_billed", anthropic.APITimeoutError, 1),
        ("reset", anthropic.APIConnectionError, 0),
        ("reset_billed", anthropic.APIConnectionError, 1),
    ],
)
def test_faults_of_the_wire_at_anthropics(fault, error, billed):
    with Provider(Knobs(**{fault: 1.0})) as provider, claude(provider, timeout=0.5) as client:
        with pytest.raises(error):
            client.messages.create(**question())
        assert provider.totals().calls == billed
        assert provider.said == {fault: 1}


@pytest.mark.parametrize(
    ("fault", "status", "billed"),
    [
        ("rate_limited", 429, 0),
        ("server_error", 500, 0),
        ("overloaded", 503, 0),
        ("reset", None, 0),
        ("reset_billed", None, 1),
    ],
)
def test_faults_of_the_wire_at_openais(fault, status, billed):
    with Provider(Knobs(**{fault: 1.0})) as provider, gpt(provider) as client:
        with pytest.raises(openai.APIError) as failed:
            client.chat.completions.create(**question())
        assert getattr(failed.value, "status_code", None) == status
        assert provider.totals().calls == billed


def test_what_hangs_ends_by_itself():
    with Provider(Knobs(timeout=1.0, hang_seconds=0.1)) as provider, claude(provider, timeout=30) as client:
        with pytest.raises(anthropic.APIConnectionError) as failed:
            client.messages.create(**question())
        assert not isinstance(failed.value, anthropic.APITimeoutError)


def test_what_is_billed_and_lost_is_told_from_what_was_had():
    with Provider(Knobs(reset_billed=1.0)) as provider, claude(provider) as client:
        for _ in range(3):
            with pytest.raises(anthropic.APIConnectionError):
                client.messages.create(**question())
        assert list(provider.billed_twice().values()) == [3]
        assert (provider.totals().repeats, provider.totals().rebought) == (2, 0)
        assert all(bill.usd > 0 for bill in provider.billed)


def test_spoilt_answers_are_billed():
    stops = {"truncated": "max_tokens", "refusal": "refusal", "empty": "end_turn"}
    for fault, stop in stops.items():
        with Provider(Knobs(**{fault: 1.0})) as provider, claude(provider) as client:
            assert client.messages.create(**question()).stop_reason == stop
            assert [bill.useful for bill in provider.billed] == [False]
    with Provider(Knobs(refusal=1.0)) as provider, gpt(provider) as client:
        message = client.chat.completions.create(**question()).choices[0].message
        assert (message.content, bool(message.refusal)) == (None, True)


def test_a_slow_answer_is_an_answer():
    with Provider(Knobs(slow=1.0, slow_seconds=0.2)) as provider, gpt(provider) as client:
        begun = time.monotonic()
        assert client.chat.completions.create(**question()).choices[0].message.content
        assert time.monotonic() - begun >= 0.2


def test_many_at_once_are_all_counted():
    with Provider(Knobs(latency=0.05)) as provider, gpt(provider) as client:
        threads = [
            threading.Thread(target=lambda n=n: client.chat.completions.create(**question(str(n)))) for n in range(20)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert (provider.totals().calls, provider.totals().repeats) == (20, 0)


def test_a_batch_of_messages_from_end_to_end():
    clock = Clock()
    knobs = Knobs(batch_seconds=60, batch_errored=0.2, batch_expired=0.2, truncated=0.2)
    requests = [{"custom_id": f"b-{n}", "params": question(f"question {n}")} for n in range(50)]
    with Provider(knobs, clock=clock) as provider, claude(provider) as client:
        batch = client.messages.batches.create(requests=requests)
        assert (batch.processing_status, batch.request_counts.processing) == ("in_progress", 50)
        clock.now += 30
        assert client.messages.batches.retrieve(batch.id).processing_status == "in_progress"
        assert 0 < provider.totals().calls < 30
        with pytest.raises(anthropic.AnthropicError):
            client.messages.batches.results(batch.id)
        clock.now += 31
        batch = client.messages.batches.retrieve(batch.id)
        counts = batch.request_counts
        assert (batch.processing_status, counts.processing) == ("ended", 0)
        results = list(client.messages.batches.results(batch.id))
        assert sorted(one.custom_id for one in results) == sorted(one["custom_id"] for one in requests)
        assert [one.custom_id for one in results] != [one["custom_id"] for one in requests]
        kinds = [one.result.type for one in results]
        assert min(counts.succeeded, counts.errored, counts.expired) > 0
        assert [kinds.count(kind) for kind in ("succeeded", "errored", "expired")] == [
            counts.succeeded,
            counts.errored,
            counts.expired,
        ]
        messages = [one.result.message for one in results if one.result.type == "succeeded"]
        assert {message.usage.service_tier for message in messages} == {"batch"}
        assert {message.stop_reason for message in messages} == {"end_turn", "max_tokens"}
        assert {one.result.error.error.type for one in results if one.result.type == "errored"} == {"api_error"}
        totals = provider.totals()
        assert totals.calls == totals.batch_calls == counts.succeeded
        full = sum(message.usage.input_tokens * 1e-6 + message.usage.output_tokens * 5e-6 for message in messages)
        assert totals.usd == totals.batch_usd == pytest.approx(full / 2)


def test_batches_of_messages_are_listed_newest_first_and_cancelled():
    clock = Clock()
    with Provider(Knobs(batch_seconds=60), clock=clock) as provider, claude(provider) as client:
        made = []
        for n in range(5):
            requests = [{"custom_id": "a", "params": question(str(n))}, {"custom_id": "b", "params": question("b")}]
            made.append(client.messages.batches.create(requests=requests).id)
        first = client.messages.batches.list(limit=2)
        assert ([one.id for one in first.data], first.has_more) == (made[:2:-1], True)
        assert [one.id for one in client.messages.batches.list(limit=2)] == made[::-1]
        clock.now += 40
        assert client.messages.batches.cancel(made[0]).processing_status == "canceling"
        batch = client.messages.batches.retrieve(made[0])
        assert (batch.processing_status, batch.request_counts.canceled) == ("ended", 1)
        assert {one.custom_id: one.result.type for one in client.messages.batches.results(made[0])} == {
            "a": "succeeded",
            "b": "canceled",
        }
        with pytest.raises(anthropic.BadRequestError):
            client.messages.batches.cancel(made[0])
        with pytest.raises(anthropic.NotFoundError):
            client.messages.batches.retrieve("msgbatch_none")
        with pytest.raises(anthropic.BadRequestError, match="custom_id"):
            client.messages.batches.create(requests=[{"custom_id": "a b", "params": question()}])


def upload(client, bodies):
    rows = [
        {"custom_id": custom_id, "method": "POST", "url": "/v1/chat/completions", "body": body}
        for custom_id, body in bodies
    ]
    content = "".join(json.dumps(row) + "\n" for row in rows).encode()
    return client.files.create(file=("batch.jsonl", content), purpose="batch")


def submit(client, bodies, **others):
    file = upload(client, bodies)
    return client.batches.create(
        input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h", **others
    )


def rows(client, name):
    return [json.loads(row) for row in client.files.content(name).text.splitlines()]


def test_a_batch_of_completions_from_end_to_end():
    clock = Clock()
    bodies = [(f"b-{n}", question(f"question {n}")) for n in range(50)]
    knobs = Knobs(batch_seconds=60, batch_errored=0.2, batch_expired=0.2)
    with Provider(knobs, clock=clock) as provider, gpt(provider) as client:
        batch = submit(client, bodies, metadata={"labeler": "b"})
        assert (batch.status, batch.metadata) == ("validating", {"labeler": "b"})
        assert client.files.retrieve(batch.input_file_id).purpose == "batch"
        assert len(rows(client, batch.input_file_id)) == 50
        clock.now += 30
        batch = client.batches.retrieve(batch.id)
        assert (batch.status, batch.output_file_id, batch.request_counts.total) == ("in_progress", None, 50)
        assert 0 < batch.request_counts.completed == provider.totals().calls
        clock.now += 31
        batch = client.batches.retrieve(batch.id)
        assert (batch.status, batch.expired_at) == ("expired", int(clock.now) - 1)
        good, bad = rows(client, batch.output_file_id), rows(client, batch.error_file_id)
        assert len(good) == batch.request_counts.completed == provider.totals().calls
        assert len(bad) == batch.request_counts.failed == 50 - len(good)
        assert {row["custom_id"] for row in good + bad} == {custom_id for custom_id, _ in bodies}
        openai.types.chat.ChatCompletion.model_validate(good[0]["response"]["body"], strict=True)
        assert {row["response"]["status_code"] for row in bad if row["response"]} == {500}
        assert {row["error"]["code"] for row in bad if row["error"]} == {"batch_expired"}
        assert provider.totals().usd == provider.totals().batch_usd > 0
        submit(client, [("again", next(body for name, body in bodies if name == good[0]["custom_id"]))])
        clock.now += 61
        assert provider.totals().rebought == 1


def test_batches_of_completions_are_listed_newest_first_and_cancelled():
    clock = Clock()
    with Provider(Knobs(batch_seconds=60), clock=clock) as provider, gpt(provider) as client:
        made = [submit(client, [("a", question(str(n))), ("b", question("b"))]).id for n in range(5)]
        first = client.batches.list(limit=2)
        assert ([one.id for one in first.data], first.has_more) == (made[:2:-1], True)
        assert [one.id for one in client.batches.list(limit=2)] == made[::-1]
        clock.now += 40
        assert client.batches.cancel(made[0]).status == "cancelling"
        batch = client.batches.retrieve(made[0])
        assert batch.status == "cancelled"
        assert [row["custom_id"] for row in rows(client, batch.output_file_id)] == ["a"]
        assert [row["error"]["code"] for row in rows(client, batch.error_file_id)] == ["batch_cancelled"]
        with pytest.raises(openai.ConflictError):
            client.batches.cancel(made[0])
        with pytest.raises(openai.NotFoundError):
            client.files.content("file-none")


def test_a_batch_that_is_none_fails_as_a_whole():
    with Provider() as provider, gpt(provider) as client:
        batch = client.batches.retrieve(submit(client, [("a", question()), ("a", question())]).id)
        assert (batch.status, batch.errors.data[0].code, batch.errors.data[0].line) == (
            "failed",
            "duplicate_custom_id",
            2,
        )
        assert batch.output_file_id is batch.error_file_id is None
        wrong = submit(client, [("a", question(model="reasoning", temperature=0)), ("b", question(model="reasoning"))])
        batch = client.batches.retrieve(wrong.id)
        assert batch.status == "completed"
        assert rows(client, batch.error_file_id)[0]["response"]["status_code"] == 400


def test_the_first_batches_may_fail_as_a_whole():
    with Provider(Knobs(batch_fails_first=1)) as provider, gpt(provider) as one, claude(provider) as other:
        first, second = submit(one, [("a", question())]), submit(one, [("a", question())])
        assert one.batches.retrieve(first.id).status == "failed"
        assert one.batches.retrieve(second.id).status == "completed"
        assert provider.totals().calls == 1
        requests = [{"custom_id": name, "params": question(name)} for name in "abc"]
        for n_errored in (3, 0):
            batch = other.messages.batches.create(requests=requests)
            assert other.messages.batches.retrieve(batch.id).request_counts.errored == n_errored


@pytest.mark.parametrize(("fault", "n"), [("reset", 0), ("reset_billed", 1)])
def test_a_batch_may_be_taken_though_nobody_said_so(fault, n):
    with Provider(Knobs(**{fault: 1.0})) as provider, gpt(provider) as one, claude(provider) as other:
        with pytest.raises(openai.APIConnectionError):
            submit(one, [("a", question())])
        with pytest.raises(anthropic.APIConnectionError):
            other.messages.batches.create(requests=[{"custom_id": "a", "params": question()}])
        assert len(one.batches.list().data) == len(other.messages.batches.list().data) == n


def test_the_command_says_where_it_is_and_ends_when_told():
    command = [sys.executable, "-m", "eval.provider", "--latency", "0.01", "--truncated", "1"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=dict(os.environ)) as process:
        try:
            url = process.stdout.readline().strip()
            with openai.OpenAI(api_key="k", base_url=f"{url}/v1", max_retries=0) as client:
                assert client.chat.completions.create(**question()).choices[0].finish_reason == "length"
        finally:
            process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
