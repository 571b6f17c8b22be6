"""What is told deep inside is heard by whoever waits in this process, and by nobody else."""

import asyncio
import threading

import pytest

from labeler.progress import Stopped, doing, listening, tell, wanted_until


def heard():
    found = []
    return found, lambda *told: found.append(told)


def test_what_any_thread_tells_is_heard_while_somebody_listens():
    found, listener = heard()
    tell("encoding words", 0, 9, "words")
    with listening(listener):
        thread = threading.Thread(target=tell, args=("encoding words", 3, 9, "words"))
        thread.start()
        thread.join()
        tell("reading", 1, None)
    tell("encoding words", 9, 9, "words")
    assert found == [("encoding words", 3, 9, "words"), ("reading", 1, None, "")]


def test_several_hear_the_same_and_leave_in_any_order():
    (first, one), (second, other) = heard(), heard()
    outer, inner = listening(one), listening(other)
    outer.__enter__()
    inner.__enter__()
    tell("a", 0, 1)
    outer.__exit__(None, None, None)
    tell("b", 0, 1)
    inner.__exit__(None, None, None)
    tell("c", 0, 1)
    assert [stage for stage, *_ in first] == ["a"]
    assert [stage for stage, *_ in second] == ["a", "b"]


def test_the_same_listener_twice_is_let_go_of_once_each():
    found, listener = heard()
    with listening(listener):
        with listening(listener):
            tell("a", 0, 1)
        tell("b", 0, 1)
    tell("c", 0, 1)
    assert [stage for stage, *_ in found] == ["a", "a", "b"]


def test_a_stage_is_over_however_it_ends():
    found, listener = heard()
    with pytest.raises(ValueError, match="broken"), listening(listener), doing("loading a model"):
        raise ValueError("broken")
    assert found == [("loading a model", 0, 1, ""), ("loading a model", 1, 1, "")]


def test_what_is_wanted_no_more_stops_where_it_tells_that_there_is_more_to_do():
    unwanted = threading.Event()
    done = []

    def work():
        for at in range(100):
            tell("work", at, 100)
            done.append(at)
            if at == 3:
                unwanted.set()

    async def elsewhere():
        with wanted_until(unwanted.is_set):
            await asyncio.to_thread(work)

    with pytest.raises(Stopped):
        asyncio.run(elsewhere())
    assert done == [0, 1, 2, 3]
    tell("others' work", 0, 1)
    with wanted_until(lambda: True):
        tell("work", 100, 100)  # it is over: nobody is stopped
