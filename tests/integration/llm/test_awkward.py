"""The habits of real servers, over real HTTP: errors within a 200, streams, functions, and bodies that never end."""

import asyncio
import dataclasses
import gzip
import json
import time

import pytest
from aiohttp import web

from labeler.llm.answers import read_answer
from labeler.llm.calls import ask_until_answered
from labeler.llm.endpoints import Endpoint
from labeler.llm.errors import (
    AccessError,
    BusyError,
    LLMError,
    MalformedError,
    OversizedError,
    RefusedError,
    RejectedError,
    TimedOutError,
    TooLongError,
)
from labeler.llm.names import LLMName
from labeler.llm.protocol import UNKNOWN, Address, Request, Usage
from labeler.llm.providers import http as transport
from labeler.llm.providers import http as wire
from labeler.llm.providers.anthropic_batches import AnthropicBatchBackend
from labeler.llm.providers.openai_batches import OpenAIBatchBackend
from labeler.llm.quirks import ServerMemory
from tests.fakes.account import Kept
from tests.fakes.awkward import (
    AwkwardServer,
    RawServer,
    always,
    chat,
    deltas,
    events,
    in_turn,
    message,
    named_events,
    pieces_of_a_message,
    raw,
    sending,
)
from tests.integration.llm.schemas import LABEL, Label

FORMED = Request(prompt="Which words?", system="You name features.", schema=Label)
J = json.dumps(LABEL)
KEY = "secret-key"
APIS = ("openai", "anthropic")


def opened(api, server, key=KEY, **options):
    path, kind = ("/v1", OpenAIBatchBackend) if api == "openai" else ("", AnthropicBatchBackend)
    endpoint = Endpoint(base_url=server.url + path, key=key, official=False, trusted=True)
    return kind(LLMName.parse(f"{api}:m@{server.url}{path}"), endpoint, **options)


async def ask(api, handle, request=FORMED, **options):
    """The reply to one attempt."""
    async with AwkwardServer(handle) as server:
        backend = opened(api, server, **options)
        try:
            return await backend.ask(request)
        finally:
            await backend.close()


async def failure(api, handle, **options):
    """How one attempt fails, and the seconds that it takes."""
    began = time.monotonic()
    with pytest.raises((LLMError, AccessError)) as caught:
        await ask(api, handle, **options)
    assert str(caught.value).isprintable()
    return caught.value, time.monotonic() - began


def outcomes(record):
    """What stands of the calls: those that were billed, or may have been."""
    return [call.outcome for call in record.calls.values()]


async def answer(handle, n=1, api="openai"):
    """The last of several questions' answers, the account, how long was waited, and what was asked."""
    waits, record = [], Kept()

    async def sleep(seconds):
        waits.append(seconds)

    async with AwkwardServer(handle) as server:
        backend = opened(api, server)
        try:
            given = [
                await ask_until_answered(
                    backend, dataclasses.replace(FORMED, draw=draw), record=record, sleep=sleep, uniform=lambda: 0.0
                )
                for draw in range(n)
            ]
        finally:
            await backend.close()
    return given[-1], record, waits, server.bodies


def rate_limited(code):
    return {"id": None, "choices": None, "usage": None, "error": {"message": "Provider returned error", "code": code}}


ERRORS = [
    (rate_limited(429), BusyError),
    (rate_limited("429"), BusyError),
    (rate_limited("rate_limit_exceeded"), BusyError),
    (rate_limited(502), BusyError),
    (rate_limited(408), TimedOutError),
    (rate_limited(504), BusyError),
    ({"error": "Rate limit reached for requests"}, BusyError),
    ({"error": {"message": "The model is loading"}}, BusyError),
    ({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}, BusyError),
    ({"type": "error", "error": {"type": "rate_limit_error", "message": "slower"}}, BusyError),
    ({"choices": [{"error": {"code": 503, "message": "gone"}, "finish_reason": "error"}]}, BusyError),
    ({"choices": [{"message": {"content": J[:9]}, "finish_reason": "error"}]}, BusyError),
    ({"choices": None, "usage": None}, BusyError),
    ([rate_limited(429)], BusyError),
    ({"code": "Throttling.RateQuota", "message": "slower"}, BusyError),
    ({"Output": {"__type": "ThrottlingException"}, "Version": "1.0"}, BusyError),
    ({"status": "error", "message": "rate limit exceeded"}, BusyError),
    ({"code": "InvalidApiKey", "message": "no"}, AccessError),
    ({"error": {"code": "content_filter", "message": "no"}}, RejectedError),
    ({"detail": "Not Found"}, RejectedError),
    (rate_limited(404), RejectedError),
    (rate_limited(400), RejectedError),
    ({"object": "error", "message": "no such model", "type": "NotFoundError", "code": 404}, RejectedError),
    ({"type": "error", "error": {"type": "invalid_request_error", "message": "no"}}, RejectedError),
    ({"code": 400, "message": "no such thing"}, RejectedError),
    ({"error": {"message": "No endpoints found that support this"}}, RejectedError),
    (rate_limited(401), AccessError),
    (rate_limited(402), AccessError),
    ({"error": {"message": "pay", "code": "insufficient_quota"}}, AccessError),
    ({"choices": None, "base_resp": {"status_code": 1008, "status_msg": "insufficient balance"}}, AccessError),
]


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize(("body", "kind"), ERRORS, ids=[json.dumps(body)[:60] for body, _ in ERRORS])
async def test_an_error_within_a_200_is_that_error_and_not_billed(api, body, kind):
    error, _ = await failure(api, always(body))
    assert isinstance(error, kind)
    assert isinstance(error, AccessError) or not (error.maybe_billed or error.usage)


async def test_what_a_server_counted_before_it_failed_is_what_it_took():
    body = rate_limited(502) | {"usage": {"prompt_tokens": 9, "completion_tokens": 4}}
    error, _ = await failure("openai", always(body))
    assert error.usage == Usage(input_tokens=9, output_tokens=4)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"error": {"message": "This model's maximum context length is 4096 tokens."}}, 200),
        ({"error": "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4096"}, 200),
        ({"code": "InvalidParameter", "message": "the prompt is too long"}, 200),
        ({"error": {"message": "This model's maximum context length is 4096 tokens."}}, 400),
    ],
)
async def test_what_is_too_long_is_that_wherever_it_is_told(body, status):
    error, _ = await failure("openai", always(body, status=status))
    assert type(error) is TooLongError


@pytest.mark.parametrize(
    "frame",
    [
        {"error": None},
        {"error": {}},
        {"error": {"code": 0, "message": ""}},
        {"error": {"code": 0, "message": "success"}},
        {"error": {"code": 200, "message": "OK"}},
        {"code": 0},
    ],
)
async def test_the_frame_of_an_error_around_an_answer_is_none(frame):
    assert (await ask("openai", always(chat(J) | frame))).text == J


async def test_a_429_within_a_200_waits_and_goes_on():
    busy = rate_limited(429)
    given, record, waits, _ = await answer(in_turn(always(busy, **{"Retry-After": "7"}), always(busy), always(chat(J))))
    assert given.parsed == Label(**LABEL)
    assert outcomes(record) == ["answered"]
    assert waits[0] == 7


async def test_a_404_within_a_200_ends_with_the_providers_own_words():
    raw = '{"error": {"message": "the upstream words"}}'
    body = {"error": {"message": "No endpoints found", "code": 404, "metadata": {"raw": raw}}}
    async with AwkwardServer(always(body)) as server:
        backend, record = opened("openai", server), Kept()
        with pytest.raises(RejectedError, match=r"HTTP 404: No endpoints found: .*the upstream words"):
            await ask_until_answered(backend, FORMED, record=record)
        await backend.close()
    assert outcomes(record) == []
    assert len(server.bodies) == 1


FINE = {"error": {"code": 0, "message": "success"}}
STREAMS = {
    "pieces": events(*deltas(J[:5], J[5:])),
    "without the last word": events(*deltas(J[:5], J[5:]), done=False),
    "comments between": b": waiting\n\n: waiting\n\n" + events(*deltas(J)),
    "lines of Windows": events(*deltas(J)).replace(b"\n", b"\r\n"),
    "all at once": events(chat(J)),
    "a word that all is well": events(*[piece | FINE for piece in deltas(J[:5], J[5:])]),
    "a function": events(
        {"choices": [{"delta": {"tool_calls": [{"index": 0, "function": {"name": "f", "arguments": J[:7]}}]}}]},
        {"choices": [{"delta": {"tool_calls": [{"index": 0, "function": {"arguments": J[7:]}}]}}]},
        {
            "choices": [{"delta": {}, "finish_reason": "tool_calls"}],
            "usage": {"prompt_tokens": 9, "completion_tokens": 4},
        },
    ),
}


@pytest.mark.parametrize("kind", ["text/event-stream", "application/json"])
@pytest.mark.parametrize("stream", STREAMS.values(), ids=STREAMS.keys())
async def test_a_server_that_only_streams_is_read(stream, kind):
    reply = await ask("openai", sending(stream, kind=kind))
    assert read_answer(reply, FORMED, "m").parsed == Label(**LABEL)
    assert reply.usage == Usage(input_tokens=9, output_tokens=4)


async def test_a_stream_of_claudes_events_is_read():
    reply = await ask("anthropic", sending(named_events(*pieces_of_a_message(J[:5], J[5:])), kind="text/event-stream"))
    assert read_answer(reply, FORMED, "m").parsed == Label(**LABEL)
    assert (reply.usage.input_tokens, reply.usage.output_tokens) == (9, 4)


@pytest.mark.parametrize("api", APIS)
async def test_a_stream_ends_where_it_says_so_although_nobody_hangs_up(api):
    stream = events(*deltas(J)) if api == "openai" else named_events(*pieces_of_a_message(J))
    began = time.monotonic()
    assert (await ask(api, sending(stream, hold=30))).text == J
    assert time.monotonic() - began < 10


@pytest.mark.parametrize("api", APIS)
async def test_a_stream_that_breaks_off_is_no_answer(api):
    stream = events(deltas(J)[0], done=False) if api == "openai" else named_events(*pieces_of_a_message(J)[:4])
    error, _ = await failure(api, sending(stream))
    assert type(error) is MalformedError
    assert error.maybe_billed


async def test_an_error_in_a_stream_is_that_error():
    for told in (rate_limited(429), {"code": "Throttling", "message": "slower"}):
        error, _ = await failure("openai", sending(events(deltas(J)[0], told)))
        assert type(error) is BusyError


@pytest.mark.parametrize(
    "said",
    [
        chat(None, tool_calls=[{"id": "1", "type": "function", "function": {"name": "Label", "arguments": J}}]),
        chat("", tool_calls=[{"function": {"name": "Label", "arguments": LABEL}}]),
        chat("I call a function.", function_call={"name": "Label", "arguments": J}),
        chat(None, function_call={"name": "Label", "arguments": J}, tool_calls=None),
    ],
)
async def test_a_server_that_only_calls_functions_is_read(said):
    reply = await ask("openai", always(said))
    assert read_answer(reply, FORMED, "m").parsed == Label(**LABEL)


async def test_the_input_of_a_tool_is_read():
    body = message("I use a tool.")
    body["content"].append({"type": "tool_use", "id": "1", "name": "Label", "input": LABEL})
    reply = await ask("anthropic", always(body | {"stop_reason": "tool_use"}))
    assert read_answer(reply, FORMED, "m").parsed == Label(**LABEL)


def endless(**options):
    return sending(b'{"choices": [{"message": {"content": "', again=b"x" * 2**16, **options)


@pytest.mark.parametrize("api", APIS)
async def test_an_answer_that_never_ends_is_given_up_and_not_asked_for_again(api):
    async with AwkwardServer(endless()) as server:
        backend, record = opened(api, server), Kept()
        with pytest.raises(OversizedError, match="longer than 8 MB"):
            await ask_until_answered(backend, FORMED, record=record)
        await backend.close()
    assert outcomes(record) == [UNKNOWN]
    assert len(server.bodies) == 1


@pytest.mark.parametrize("api", APIS)
async def test_a_stream_that_never_ends_is_given_up(api):
    error, _ = await failure(api, sending(again=b'data: {"choices": []}\n\n' * 4000))
    assert isinstance(error, OversizedError)


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize(("status", "kind"), [(500, BusyError), (429, BusyError), (400, RejectedError)])
async def test_a_refusal_that_never_ends_is_read_at_its_beginning(api, status, kind):
    error, seconds = await failure(api, endless(status=status))
    assert isinstance(error, kind)
    assert seconds < 10


@pytest.mark.parametrize("status", [200, 500])
async def test_a_small_body_that_unpacks_to_a_huge_one_is_not_unpacked(status):
    packed = gzip.compress(b'{"choices": "' + b"x" * 2**26)

    async def handle(request, asked):
        return web.Response(body=packed, status=status, headers={"Content-Encoding": "gzip"})

    error, _ = await failure("openai", handle)
    assert isinstance(error, OversizedError if status == 200 else BusyError)


@pytest.mark.parametrize("api", APIS)
async def test_a_drip_of_bytes_ends_with_the_time_of_the_whole(api):
    error, seconds = await failure(api, sending(again=b" ", pause=0.02), seconds=0.5)
    assert type(error) is TimedOutError
    assert error.maybe_billed
    assert seconds < 5


@pytest.mark.parametrize("api", APIS)
async def test_an_answer_that_stops_coming_ends_with_the_time_of_a_pause(api):
    error, seconds = await failure(api, sending(b'{"choices": [', hold=30), idle=0.2)
    assert type(error) is TimedOutError
    assert "stopped coming for 0.2 s" in str(error)
    assert seconds < 10


async def test_a_refusal_that_stops_coming_is_that_refusal(monkeypatch):
    monkeypatch.setattr(transport, "IDLE_SECONDS", 0.2)
    error, seconds = await failure("openai", sending(b'{"error": {"message": "no', status=400, hold=30))
    assert isinstance(error, RejectedError)
    assert seconds < 10


async def test_an_answer_that_takes_long_to_begin_may():
    async def handle(request, asked):
        await asyncio.sleep(0.5)
        return web.json_response(chat(J))

    assert (await ask("openai", handle, idle=0.1)).text == J


@pytest.mark.parametrize("api", APIS)
async def test_who_has_much_to_write_has_time_for_it(api):
    async def handle(request, asked):
        await asyncio.sleep(0.5)
        return web.json_response(chat(J) if api == "openai" else message(J))

    thinker = dataclasses.replace(FORMED, room=12_000)
    assert (await ask(api, handle, thinker, seconds=0.25)).text == J
    error, _ = await failure(api, handle, seconds=0.25)
    assert type(error) is TimedOutError


def formed(body):
    return "response_format" in body or "output_config" in body


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize(
    ("status", "said", "within"),
    [
        (500, "failed to compile the grammar", False),
        (500, "json_schema: unsupported keyword", False),
        (400, "this model takes no schema", False),
        (400, "response_format is not supported; nor is output_config", True),
        (502, "the grammar engine failed", True),
    ],
)
async def test_an_error_that_names_the_schema_teaches_to_ask_in_words(api, status, said, within):
    whole = chat(J) if api == "openai" else message(J)

    async def handle(request, asked):
        if formed(asked):
            return web.json_response({"error": {"message": said, "code": status}}, status=200 if within else status)
        return web.json_response(whole)

    given, record, waits, bodies = await answer(handle, n=4, api=api)
    assert given.parsed == Label(**LABEL)
    assert waits == []
    assert outcomes(record) == ["answered"] * len(record.calls)
    again = [True, False] if status != 400 else [False]  # a fault may be chance
    assert [formed(body) for body in bodies] == [True, False, *again, False, False]
    assert all("JSON schema" in json.dumps(body) for body in bodies if not formed(body))


GROQ = [
    "Generated JSON does not match the expected schema. Please adjust your prompt.",
    "Failed to generate JSON. Please adjust your prompt. See 'failed_generation' for more details.",
]


@pytest.mark.parametrize("said", GROQ)
async def test_a_model_that_misses_a_schema_once_is_asked_again_by_it(said):
    miss = always(
        {"error": {"message": said, "type": "invalid_request_error", "code": "json_validate_failed"}}, status=400
    )
    _, record, _, bodies = await answer(in_turn(miss, always(chat(J)), miss, always(chat(J))), n=3)
    assert outcomes(record) == ["answered"] * 3
    assert all(formed(body) for body in bodies)
    assert len(bodies) == 5


@pytest.mark.parametrize("api", APIS)
async def test_an_answer_that_is_too_long_to_be_one_is_not_asked_for_again_and_teaches_nothing(api):
    said = "x " * 250_000
    async with AwkwardServer(always(chat(said) if api == "openai" else message(said))) as server:
        backend, record = opened(api, server), Kept()
        for draw in range(3):
            with pytest.raises(OversizedError, match="more than 400,000 characters") as caught:
                await ask_until_answered(backend, dataclasses.replace(FORMED, draw=draw), record=record)
            assert caught.value.usage.output_tokens == 4
        await backend.close()
    assert len(server.bodies) == 3
    assert all(formed(body) for body in server.bodies)
    assert outcomes(record) == ["oversized"] * 3


async def test_a_server_that_takes_nothing_but_streams_is_asked_for_them():
    said = "This model only supports streaming; please set stream to true"

    async def handle(request, asked):
        if not asked.get("stream"):
            return await always({"error": {"message": said}}, status=400)(request, asked)
        return await sending(events(*deltas(J)), kind="text/event-stream")(request, asked)

    given, record, _, bodies = await answer(handle, n=3)
    assert given.parsed == Label(**LABEL)
    assert [body.get("stream") for body in bodies] == [None, True, True, True]
    assert [usage.output_tokens for usage, _ in record.recorded] == [4, 4, 4]


@pytest.mark.parametrize(
    ("limit", "most", "again", "pause"),
    [
        ("LONGEST", 2**20, b"x" * 2**16, 0.0),
        ("LONGEST_RESULTS", 2**20, b"{}\n" * 2**14, 0.0),
        ("RESULTS_SECONDS", 0.3, b"{}\n", 0.02),
    ],
)
async def test_results_of_a_batch_that_never_end_are_given_up(monkeypatch, limit, most, again, pause):
    monkeypatch.setattr(wire, limit, most)

    async def handle(request, asked):
        if request.path.endswith("/content"):
            return await sending(again=again, pause=pause)(request, asked)
        return web.json_response({"id": "batch_1", "status": "completed", "output_file_id": "file_1"})

    async with AwkwardServer(handle) as server:
        backend = opened("openai", server)
        with pytest.raises(OversizedError, match="never end"):
            [line async for line in backend.results("batch_1")]
        await backend.close()


CHUNKED = "Transfer-Encoding: chunked"
WHOLE = {
    "openai": raw(json.dumps(chat(J)).encode(), length=len(json.dumps(chat(J)))),
    "anthropic": raw(json.dumps(message(J)).encode(), length=len(json.dumps(message(J)))),
}
LOST = {
    "before the body": raw(b"", length=1000),
    "in mid-body": raw(b'{"choices": ', length=1000),
    "in a chunk": raw(b'20\r\n{"choices": ', CHUNKED),
    "between chunks": raw(b'c\r\n{"choices": \r\n', CHUNKED),
    "in mid-stream": raw(b'19\r\ndata: {"choices": []}\r\n\r\n\r\n', CHUNKED),
    "in the headers": b"HTTP/1.1 200 OK\r\nContent-Type: appl",
    "at once": b"",
}
SPOILED = {
    "the size of a chunk": raw(b'zz\r\n{"choices": ', CHUNKED),
    "the size of a later chunk": raw(b'c\r\n{"choices": \r\nzz\r\n', CHUNKED),
    "the status": b"HTTP/1.1 abc OK\r\n\r\n",
    "another protocol": b"SSH-2.0-OpenSSH_9.6\r\n",
    "a header": b"HTTP/1.1 200 OK\r\nno header\r\n\r\n",
    "a header that never ends": b"HTTP/1.1 200 OK\r\nX: " + b"x" * 2**17,
    "the length": raw(b"{}", "Content-Length: many"),
    "gzip": raw(b"no gzip at all", "Content-Encoding: gzip", length=14),
    "half a gzip": raw(gzip.compress(b"{}" * 99)[:20], "Content-Encoding: gzip", length=20),
    "deflate": raw(b"neither", "Content-Encoding: deflate", length=7),
    "many encodings": raw(b"{}", "Content-Encoding: " + ", ".join(["gzip"] * 6), length=2),
}


async def asked_raw(server, api="openai"):
    """What comes of one attempt."""
    backend = opened(api, server)
    try:
        return await backend.ask(FORMED)
    except LLMError as error:
        return error
    finally:
        await backend.close()


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("resets", [False, True])
@pytest.mark.parametrize("sent", LOST.values(), ids=LOST.keys())
async def test_a_connection_that_is_lost_may_have_cost_something(api, resets, sent):
    async with RawServer(sent, resets=resets) as server:
        found = await asked_raw(server, api)
    assert type(found) is BusyError
    assert found.maybe_billed


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("sent", SPOILED.values(), ids=SPOILED.keys())
async def test_what_is_spoiled_on_the_way_may_have_cost_something(api, sent):
    async with RawServer(sent) as server:
        found = await asked_raw(server, api)
    assert isinstance(found, BusyError | MalformedError)
    assert found.maybe_billed
    assert found.retryable


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("resets", [False, True])
@pytest.mark.parametrize(("status", "kind"), [(500, BusyError), (429, BusyError), (400, RejectedError)])
async def test_a_refusal_that_is_cut_is_that_refusal(api, resets, status, kind):
    for body, length, *headers in (
        (b'{"error": {"message": "no', 1000),
        (b'20\r\n{"error": ', None, CHUNKED),
        (b"no gzip", 7, "Content-Encoding: gzip"),
    ):
        async with RawServer(raw(body, *headers, status=status, length=length), resets=resets) as server:
            found = await asked_raw(server, api)
        assert isinstance(found, kind)
        assert not found.maybe_billed


@pytest.mark.parametrize(
    "sent", [LOST["in mid-body"], LOST["in a chunk"], SPOILED["gzip"], SPOILED["the status"]], ids=str
)
async def test_what_was_lost_is_settled_as_unknown_and_asked_for_again_later(sent):
    waits, record = [], Kept()

    async def sleep(seconds):
        waits.append(seconds)

    async with RawServer(sent, sent, WHOLE["openai"]) as server:
        backend = opened("openai", server)
        given = await ask_until_answered(backend, FORMED, record=record, sleep=sleep, uniform=lambda: 1.0)
        await backend.close()
    assert given.parsed == Label(**LABEL)
    assert outcomes(record) == [UNKNOWN, UNKNOWN, "answered"]
    assert waits == [0.5, 1.0]


async def test_results_of_a_batch_that_are_cut_are_asked_for_later():
    batch = json.dumps({"id": "b", "status": "completed", "output_file_id": "f"}).encode()
    async with RawServer(raw(batch, length=len(batch)), raw(b"{}\n{", length=1000)) as server:
        backend = opened("openai", server)
        with pytest.raises(BusyError):
            [line async for line in backend.results("b")]
        await backend.close()


def nested(depth, around="error", innermost="no"):
    """JSON so deep, written as text: not even writing it is easy."""
    return (f'{{"{around}": ' * depth + json.dumps(innermost) + "}" * depth).encode()


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("depth", [90, 330, 490, 978, 100_000])
@pytest.mark.parametrize("around", ["error", "choices", "detail", "message"])
async def test_an_answer_that_is_nested_however_deep_is_no_answer(api, depth, around):
    error, _ = await failure(api, sending(nested(depth, around)))
    assert isinstance(error, BusyError | MalformedError)


@pytest.mark.parametrize("api", APIS)
@pytest.mark.parametrize("depth", [330, 490, 978, 100_000])
async def test_a_refusal_that_is_nested_however_deep_is_that_refusal(api, depth):
    error, _ = await failure(api, sending(nested(depth), status=400))
    assert isinstance(error, RejectedError)


@pytest.mark.parametrize("depth", [90, 330, 978, 100_000])
@pytest.mark.parametrize("kind", ["arguments", "pieces", "input", "partial input"])
async def test_what_a_function_is_called_with_is_read_however_deep(depth, kind):
    deep = nested(depth).decode()
    start, *_ = pieces_of_a_message()
    pieces = [
        {"type": "content_block_start", "index": 0, "content_block": {"type": "tool_use", "name": "f", "input": {}}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "input_json_delta", "partial_json": deep}},
    ]
    call = {"function": {"name": "f", "arguments": "DEEP"}}
    bodies = {
        "arguments": json.dumps(chat(None, tool_calls=[call])).encode().replace(b'"DEEP"', deep.encode()),
        "pieces": events({"choices": [{"delta": {"tool_calls": [call]}}]}).replace(b'"DEEP"', deep.encode()),
        "input": json.dumps(message("") | {"content": [{"type": "tool_use", "input": "DEEP"}]})
        .encode()
        .replace(b'"DEEP"', deep.encode()),
        "partial input": named_events(start, *pieces, *pieces_of_a_message()[-2:]),
    }
    async with AwkwardServer(sending(bodies[kind])) as server:
        backend = opened("openai" if kind in ("arguments", "pieces") else "anthropic", server)
        with pytest.raises(MalformedError):
            await ask_until_answered(backend, FORMED, record=Kept(), sleep=lambda _: asyncio.sleep(0))
        await backend.close()


async def test_blanks_before_an_answer_are_no_answer():
    chunks = [b" \r\n" * 300] * 1_000
    assert (await ask("openai", sending(*chunks, json.dumps(chat(J)).encode()), idle=5.0)).text == J
    assert (await ask("openai", sending(*chunks, b"\xef\xbb\xbf" + events(*deltas(J))))).text == J


@pytest.mark.parametrize("key", ["x", "length", "max_completion_tokens"])
async def test_a_key_that_is_a_word_keeps_nothing_from_being_understood(key):
    long, name = "maximum context length is 4096 tokens, x", "max_tokens is not supported; use max_completion_tokens"
    error, _ = await failure("openai", always({"error": {"message": long}}, status=400), key=key)
    assert type(error) is TooLongError
    refuse = always({"error": {"message": name}}, status=400)
    async with AwkwardServer(in_turn(refuse, always(chat(J)))) as server:
        backend = opened("openai", server, key=key)
        assert (await backend.ask(FORMED)).text == J
        await backend.close()
    assert "max_completion_tokens" in server.bodies[-1]


@pytest.mark.parametrize("api", APIS)
async def test_what_quotes_the_key_is_kept_without_it(api, tmp_path):
    said = f"I take no temperature, and no {KEY}"
    bodies = {
        "openai": [chat(None, refusal=f"Incorrect API key: {KEY}"), chat(f"Incorrect API key: {KEY}")],
        "anthropic": [message(f"Incorrect API key: {KEY}")],
    }[api]
    batched = [
        {"custom_id": "c", "response": {"status_code": 200, "body": body}}
        if api == "openai"
        else {"custom_id": "c", "result": {"type": "succeeded", "message": body}}
        for body in bodies
    ]

    async def handle(request, asked):
        if request.path.endswith(("/content", "/results")):
            return web.Response(body=b"".join(json.dumps(line).encode() + b"\n" for line in batched))
        if request.method == "GET":
            return web.json_response({"id": "b", "status": "completed", "output_file_id": "f"})
        if "temperature" in asked:
            return web.json_response({"error": {"message": said}}, status=400)
        return web.json_response(bodies[len(server.bodies) % len(bodies)])

    async with AwkwardServer(handle) as server:
        memory = ServerMemory(tmp_path, Address(api, "m", server.url))
        backend = opened(api, server, memory=memory)
        for draw in range(2 * len(bodies)):
            reply = await backend.ask(dataclasses.replace(FORMED, temperature=1.0, draw=draw))
            with pytest.raises((MalformedError, RefusedError)) as caught:
                read_answer(reply, FORMED, "m")
            assert "[key]" in repr(reply)
            assert KEY not in repr(reply) + str(caught.value)
        lines = [line async for line in backend.results("b")]
        await backend.close()
    assert [repr(line).count("[key]") for line in lines] == [1] * len(bodies)
    assert KEY not in repr(lines)
    learned = memory.recall()
    assert "no [key]" in learned["temperature"].said
    assert KEY not in repr(learned)
