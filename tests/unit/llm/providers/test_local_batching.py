"""Who is handed on when, who hears what, and what happens to the others when one goes wrong."""

import asyncio

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from labeler.llm.errors import LLMError, RejectedError
from labeler.llm.protocol import Reply, Request
from labeler.llm.providers.local import Batcher


class Machine:
    """Answers a request with itself after as many steps as it has room for tokens; stops where it is told to."""

    def __init__(self):
        self.left = {}
        self.prompts = {}
        self.newcomers = []
        self.gone = []
        self.failing = set()
        self.error = None
        self.gate = asyncio.Event()
        self.gate.set()
        self.reached = asyncio.Event()

    async def advance(self, newcomers, gone):
        self.newcomers.append([request.prompt for request in newcomers.values()])
        self.gone.append([self.prompts[name] for name in gone])
        for name in gone:
            del self.left[name]
        for name, request in newcomers.items():
            assert name not in self.prompts
            self.prompts[name] = request.prompt
            self.left[name] = request.max_tokens
        self.reached.set()
        await self.gate.wait()
        await asyncio.sleep(0)
        if self.error is not None:
            error, self.error = self.error, None
            self.left.clear()
            raise error
        self.left = {name: left - 1 for name, left in self.left.items()}
        done = [name for name, left in self.left.items() if left <= 0]
        for name in done:
            del self.left[name]
        return {
            name: RejectedError(self.prompts[name])
            if self.prompts[name] in self.failing
            else Reply(text=self.prompts[name])
            for name in done
        }

    async def held(self):
        """Return once it stands before the closed gate."""
        await asyncio.wait_for(self.reached.wait(), 20)

    def hold(self):
        self.gate.clear()
        self.reached.clear()


@pytest.fixture
async def machine():
    return Machine()


@pytest.fixture
async def batcher(machine):
    return Batcher(machine.advance)


def ask(batcher, prompt, steps=1):
    return asyncio.create_task(batcher.ask(Request(prompt=prompt, max_tokens=steps)))


async def test_those_who_come_together_go_together(batcher, machine):
    replies = await asyncio.gather(*(ask(batcher, f"{i}") for i in range(40)))
    assert [reply.text for reply in replies] == [f"{i}" for i in range(40)]
    assert machine.newcomers == [[f"{i}" for i in range(40)]]


async def test_a_newcomer_joins_before_the_others_are_done_and_leaves_before_them(batcher, machine):
    order = []
    machine.hold()
    long = ask(batcher, "long", steps=50)
    long.add_done_callback(lambda _: order.append("long"))
    await machine.held()
    short = ask(batcher, "short", steps=2)
    short.add_done_callback(lambda _: order.append("short"))
    await asyncio.sleep(0)  # one step of the loop, in which it joins the queue
    machine.gate.set()
    await asyncio.gather(long, short)
    assert order == ["short", "long"]
    assert machine.newcomers[:2] == [["long"], ["short"]]
    assert len(machine.newcomers) == 50


async def test_a_cancelled_caller_takes_nothing_from_the_others(batcher, machine):
    machine.hold()
    tasks = [ask(batcher, f"{i}", steps=3) for i in range(3)]
    await machine.held()
    tasks[1].cancel()
    machine.gate.set()
    assert [reply.text for reply in await asyncio.gather(tasks[0], tasks[2])] == ["0", "2"]
    assert tasks[1].cancelled()
    assert [name for names in machine.gone for name in names] == ["1"]


async def test_whoever_is_cancelled_before_the_step_is_not_handed_on(batcher, machine):
    machine.hold()
    first = ask(batcher, "first")
    await machine.held()
    gone, stays = ask(batcher, "gone"), ask(batcher, "stays")
    await asyncio.sleep(0)
    gone.cancel()
    machine.gate.set()
    await asyncio.gather(first, stays)
    assert machine.newcomers == [["first"], ["stays"]]
    assert machine.gone == [[], []]


async def test_what_nobody_waits_for_any_more_is_not_gone_on_with(batcher, machine):
    machine.hold()
    task = ask(batcher, "endless", steps=10**9)
    await machine.held()
    task.cancel()
    machine.gate.set()
    assert (await ask(batcher, "next")).text == "next"
    assert machine.left == {}
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_what_fails_is_told_to_whoever_asked_it(batcher, machine):
    machine.failing = {"bad"}
    good, bad = await asyncio.gather(ask(batcher, "good"), ask(batcher, "bad"), return_exceptions=True)
    assert good.text == "good"
    assert isinstance(bad, RejectedError)


async def test_a_failing_step_leaves_the_next_one_its_chance(batcher, machine):
    machine.error = error = RuntimeError("out of memory")
    failed = await asyncio.gather(ask(batcher, "a", 5), ask(batcher, "b"), return_exceptions=True)
    assert failed == [error, error]
    assert (await ask(batcher, "c")).text == "c"


async def test_a_failing_step_is_not_told_to_those_who_came_meanwhile(batcher, machine):
    machine.hold()
    first = ask(batcher, "first")
    await machine.held()
    late = ask(batcher, "late")
    await asyncio.sleep(0)
    machine.error = RuntimeError("out of memory")
    machine.gate.set()
    with pytest.raises(RuntimeError, match="memory"):
        await first
    assert (await late).text == "late"
    assert machine.newcomers == [["first"], ["late"]]


async def test_closing_answers_those_who_wait_with_an_error(batcher, machine):
    machine.hold()
    running = ask(batcher, "running")
    await machine.held()
    waiting = ask(batcher, "waiting")
    await asyncio.sleep(0)
    await batcher.close()
    for error in await asyncio.gather(running, waiting, return_exceptions=True):
        assert isinstance(error, LLMError)


async def test_closing_before_the_first_step_leaves_nobody_waiting(batcher):
    task = ask(batcher, "x")
    await asyncio.sleep(0)
    await batcher.close()
    with pytest.raises(LLMError, match="closed"):
        await task


async def test_nothing_stays_behind_on_the_loop(batcher):
    await ask(batcher, "x")
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == {asyncio.current_task()}


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 6), st.integers(0, 5), st.none() | st.integers(0, 6), st.booleans()), max_size=12)
)
def test_everybody_who_waits_hears_of_their_own_request(callers):
    """Callers of so many steps come after so many turns of the loop, some give up after some more, some fail."""

    async def life():
        machine = Machine()
        batcher = Batcher(machine.advance)
        machine.failing = {str(i) for i, (*_, fails) in enumerate(callers) if fails}

        async def caller(i, steps, later, patience):
            for _ in range(later):
                await asyncio.sleep(0.001)
            task = ask(batcher, str(i), steps)
            for _ in range(10**6 if patience is None else patience):
                if task.done():
                    break
                await asyncio.sleep(0.001)
            task.cancel()
            return (await asyncio.gather(task, return_exceptions=True))[0]

        found = await asyncio.gather(*(caller(i, *each[:3]) for i, each in enumerate(callers)))
        for i, (outcome, (*_, patience, fails)) in enumerate(zip(found, callers, strict=True)):
            if isinstance(outcome, asyncio.CancelledError):
                assert patience is not None
            elif fails:
                assert isinstance(outcome, RejectedError)
                assert str(outcome) == str(i)
            else:
                assert outcome.text == str(i)
        while len(asyncio.all_tasks()) > 1:  # the last may have given up before it was let go of
            await asyncio.sleep(0.001)
        assert machine.left == {}

    asyncio.run(life())
