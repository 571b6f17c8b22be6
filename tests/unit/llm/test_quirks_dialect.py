"""What a server will not take, learned and remembered, and found out by one call while others wait."""

import asyncio

import pytest

from labeler.llm import quirks as module
from labeler.llm.errors import BusyError, MalformedError, RejectedError
from labeler.llm.quirks import FORM, Dialect
from labeler.llm.refusals import FaultError, RejectionError

LESSONS = {"temperature": "temperature", "form": FORM}
NAMES = {"temperature": "temperature", "form": "response_format"}


class Server:
    """Does not take some parts; each of its answers waits until it is let go."""

    def __init__(self, *refused, held=False):
        self.refused = refused
        self.asked = []
        self.under_way = 0
        self.free = asyncio.Event()
        if not held:
            self.free.set()

    def sending(self, offered):
        async def send(without):
            parts = set(offered) - without
            self.asked.append(parts)
            self.under_way += 1
            try:
                await self.free.wait()
                await asyncio.sleep(0)
            finally:
                self.under_way -= 1
            for part in self.refused:
                if part in parts:
                    raise RejectionError("no", f"cannot take {NAMES[part]}", 400)
            return "yes"

        return send


class Notes:
    """A memory that shows what it is told."""

    def __init__(self, *known):
        self.known = frozenset(known)
        self.told = []
        self.evidence = []

    def recall(self):
        return self.known

    def remember(self, what, *, said="", times=1):
        self.told.append({what})
        self.evidence.append((said, times))


async def settle():
    for _ in range(20):
        await asyncio.sleep(0)


async def test_one_call_finds_out_while_the_others_wait():
    server, dialect = Server("temperature", held=True), Dialect(LESSONS, probing=True)
    calls = [asyncio.create_task(dialect.speak(server.sending(LESSONS), LESSONS)) for _ in range(10)]
    await settle()
    assert server.asked == [{"temperature", "form"}]
    server.free.set()
    assert await asyncio.gather(*calls) == ["yes"] * 10
    assert server.asked == [{"temperature", "form"}] + [{"form"}] * 10


async def test_what_was_taken_before_is_not_found_out_again_and_a_new_part_is():
    server, dialect = Server(), Dialect(LESSONS, probing=True)
    await dialect.speak(server.sending(["form"]), ["form"])
    server.free.clear()
    calls = [asyncio.create_task(dialect.speak(server.sending(["form"]), ["form"])) for _ in range(5)]
    calls += [asyncio.create_task(dialect.speak(server.sending(LESSONS), LESSONS)) for _ in range(5)]
    await settle()
    assert server.under_way == 6
    server.free.set()
    await asyncio.gather(*calls)


async def test_when_the_first_call_fails_the_next_one_finds_out():
    dialect, asked = Dialect(LESSONS, probing=True), []

    async def send(without):
        asked.append(len(asked))
        await asyncio.sleep(0)
        if len(asked) == 1:
            raise BusyError("busy")
        if len(asked) == 2:
            raise RejectedError("no")
        return "yes"

    found = await asyncio.gather(*(dialect.speak(send, ["form"]) for _ in range(5)), return_exceptions=True)
    assert [type(one) for one in found] == [BusyError, RejectedError, str, str, str]


async def test_a_call_that_is_cancelled_while_it_finds_out_lets_the_next_one():
    server, dialect = Server(held=True), Dialect(LESSONS, probing=True)
    first, second = (asyncio.create_task(dialect.speak(server.sending(["form"]), ["form"])) for _ in range(2))
    await settle()
    first.cancel()
    await settle()
    assert len(server.asked) == 2
    server.free.set()
    assert await second == "yes"


async def test_a_slow_server_holds_nobody_up_for_long(monkeypatch):
    monkeypatch.setattr(module, "PROBE_SECONDS", 0.01)
    server, dialect = Server(held=True), Dialect(LESSONS, probing=True)
    calls = [asyncio.create_task(dialect.speak(server.sending(["form"]), ["form"])) for _ in range(5)]
    async with asyncio.timeout(20):
        while server.under_way < 5:
            await asyncio.sleep(0.005)
    server.free.set()
    assert await asyncio.gather(*calls) == ["yes"] * 5


async def test_without_probing_nobody_waits():
    server, dialect = Server("temperature", held=True), Dialect(LESSONS)
    calls = [asyncio.create_task(dialect.speak(server.sending(LESSONS), LESSONS)) for _ in range(10)]
    await settle()
    assert server.under_way == 10
    server.free.set()
    assert await asyncio.gather(*calls) == ["yes"] * 10


async def test_lessons_are_remembered_once_and_recalled():
    notes = Notes()
    server, dialect = Server("temperature"), Dialect(LESSONS, memory=notes)
    for _ in range(3):
        await dialect.speak(server.sending(LESSONS), LESSONS)
    assert notes.told == [{"temperature"}]
    later = Server("temperature")
    await Dialect(LESSONS, memory=Notes("temperature", "long forgotten")).speak(later.sending(LESSONS), LESSONS)
    assert later.asked == [{"form"}]


async def test_what_was_dropped_is_remembered_with_the_next_answer():
    notes = Notes()
    dialect = Dialect(LESSONS, memory=notes)
    dialect.drop("form")
    assert notes.told == []
    server = Server()
    await dialect.speak(server.sending(LESSONS), LESSONS)
    assert notes.told == [{"form"}]
    assert server.asked == [{"temperature"}]


async def test_a_rejection_that_no_lesson_mends_is_raised_and_teaches_nothing():
    notes = Notes()
    dialect = Dialect(LESSONS, memory=notes)

    async def send(without):
        raise RejectionError("no", "the prompt 'temperature' is too long", 400)

    with pytest.raises(RejectionError):
        await dialect.speak(send, LESSONS)
    assert dialect.without == frozenset()
    assert notes.told == []


async def faulty(without):
    if "form" not in without:
        raise FaultError("HTTP 500: no", "cannot compile the response_format")
    return "yes"


async def test_a_fault_that_names_a_part_is_gone_around_at_once_and_teaches_when_it_comes_again():
    notes, asked = Notes(), []
    dialect = Dialect(LESSONS, memory=notes, probing=True)

    async def send(without):
        asked.append("form" not in without)
        return await faulty(without)

    for _ in range(3):
        assert await dialect.speak(send, ["form"]) == "yes"
    assert asked == [True, False, True, False, False]
    assert (notes.told, notes.evidence) == ([{"form"}], [("HTTP 500: no", 2)])


async def test_a_fault_that_does_not_come_again_teaches_nothing():
    notes = Notes()
    dialect = Dialect(LESSONS, memory=notes)
    for send in (faulty, Server().sending(["form"]), faulty, Server().sending(["form"])):
        assert await dialect.speak(send, ["form"]) == "yes"
    assert dialect.without == frozenset()
    assert notes.told == []


async def test_a_fault_that_names_nothing_is_raised():
    async def send(without):
        raise FaultError("HTTP 500", "out of memory")

    with pytest.raises(FaultError):
        await Dialect(LESSONS).speak(send, ["form"])


def test_one_miss_teaches_nothing_and_several_do_where_none_was_right():
    dialect = Dialect(LESSONS)
    dialect.missed("form", "no JSON")
    assert dialect.without == frozenset()
    dialect.missed("form", "no JSON")
    assert dialect.without == {"form"}
    dialect = Dialect(LESSONS)
    dialect.missed("form", "no JSON")
    dialect.heeded("form")
    for _ in range(5):
        dialect.missed("form", "no JSON")
    assert dialect.without == frozenset()


MISSES = [
    "Generated JSON does not match the expected schema. Please adjust your prompt. json_validate_failed",
    "Failed to generate JSON. Please adjust your prompt. See 'failed_generation' for more details.",
    "The model produced invalid JSON for the response_format",
    "model output error: generated text is not valid against the json_schema",
]
NO_MISSES = [
    "response_format is not supported",
    "Failed to generate JSON schema",
    "failed to compile the grammar",
    "this model does not support structured_output",
]


def raising(*errors):
    """Fails so each time a form is asked for, in turn, and then answers."""
    left = list(errors)

    async def send(without):
        if left and "form" not in without:
            raise left.pop(0)
        return "yes"

    return send


def errors(said):
    return RejectionError("HTTP 400", said, 400), FaultError("HTTP 500", said)


@pytest.mark.parametrize("error", [error for said in MISSES for error in errors(said)], ids=str)
async def test_what_the_model_missed_is_no_lesson_and_is_asked_for_again(error):
    notes = Notes()
    dialect = Dialect(LESSONS, memory=notes)
    send = raising(error)
    with pytest.raises(MalformedError) as caught:
        await dialect.speak(send, LESSONS)
    assert caught.value.retryable
    assert (caught.value.usage, caught.value.maybe_billed) == (None, False)
    assert await dialect.speak(send, LESSONS) == "yes"
    dialect.heeded("form")
    for _ in range(5):
        with pytest.raises(MalformedError):
            await dialect.speak(raising(error), LESSONS)
    assert (dialect.without, notes.told) == (frozenset(), [])


@pytest.mark.parametrize("said", NO_MISSES)
async def test_what_the_server_does_not_take_is_a_lesson(said):
    notes = Notes()
    dialect = Dialect(LESSONS, memory=notes)
    assert await dialect.speak(raising(RejectionError("no", said, 400)), LESSONS) == "yes"
    assert (notes.told, notes.evidence) == ([{"form"}], [("no", 1)])


async def test_a_model_that_always_misses_the_form_is_asked_in_words():
    notes = Notes()
    dialect = Dialect(LESSONS, memory=notes)
    send = raising(*[RejectionError("HTTP 400", MISSES[0], 400)] * 9)
    for _ in range(2):
        with pytest.raises(MalformedError):
            await dialect.speak(send, LESSONS)
    assert await dialect.speak(send, LESSONS) == "yes"
    assert (notes.told, notes.evidence) == ([{"form"}], [("HTTP 400", 2)])


async def test_misses_in_a_batch_are_sent_again_and_teach_nothing():
    dialect = Dialect(LESSONS)
    assert all(dialect.told(said, LESSONS) for said in MISSES * 2)
    assert dialect.without == frozenset()
    assert not dialect.told(MISSES[1], ["temperature"])


async def test_many_calls_that_are_rejected_at_once_are_counted():
    notes = Notes()
    server, dialect = Server("form", held=True), Dialect(LESSONS, memory=notes)
    calls = [asyncio.create_task(dialect.speak(server.sending(LESSONS), LESSONS)) for _ in range(7)]
    await settle()
    server.free.set()
    await asyncio.gather(*calls)
    assert sum(times for _, times in notes.evidence) == 7
