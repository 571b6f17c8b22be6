"""Several calls at once: one failure ends the others, questions that wait are put together."""

import asyncio
import gc
import warnings

import pytest

from labeler.llm.calls import together
from labeler.llm.protocol import PendingError, PendingRequest, Usage


def waiting(*keys):
    requests = [PendingRequest(key=key, backend="b", prompt="p", body={}, bound=Usage()) for key in keys]

    async def work():
        await asyncio.sleep(0)
        raise PendingError(requests)

    return work()


async def value(found, ended=None):
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    if ended is not None:
        ended.append(found)
    return found


async def test_results_come_in_order():
    assert await together([value(1), value(2), value(3)]) == [1, 2, 3]
    assert await together([]) == []


async def test_a_failure_ends_the_others():
    ended = []

    async def fails():
        raise ValueError("no")

    async def lasts():
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("cancelled")

    with pytest.raises(ValueError, match="no"):
        await together([lasts(), fails(), lasts()])
    assert ended == ["cancelled"] * 2


async def test_what_waits_is_put_together_once_the_others_have_come_to_their_end():
    ended = []
    with pytest.raises(PendingError) as pending:
        await together([waiting("a", "b"), value(1, ended), waiting("b", "c")])
    assert [request.key for request in pending.value.requests] == ["a", "b", "c"]
    assert ended == [1]


async def test_a_failure_is_told_before_what_waits():
    async def fails():
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await together([waiting("a"), fails()])


async def test_groups_within_groups():
    with pytest.raises(PendingError) as pending:
        await together([together([waiting("a"), value(1)]), together([waiting("b")])])
    assert [request.key for request in pending.value.requests] == ["a", "b"]


async def test_nothing_that_is_ended_before_its_first_step_is_told_of():
    for steps in range(4):
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            task = asyncio.create_task(together(value(number) for number in range(3)))
            for _ in range(steps):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            del task
            gc.collect()
        assert [str(one.message) for one in told] == []
