"""Single items done in groups, whoever still waits for them."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from labeler.pipeline import ledger as grouped
from labeler.pipeline.ledger import Grouped


@pytest.fixture
def threads():
    with ThreadPoolExecutor(2) as pool:
        yield pool


async def test_what_comes_while_a_group_is_under_way_is_the_next(threads):
    groups, go = [], threading.Event()

    def double(items):
        groups.append(list(items))
        assert go.wait(10)
        return [2 * item for item in items]

    doubled = Grouped(double, threads)
    first = asyncio.create_task(doubled(1))
    while not groups:
        await asyncio.sleep(0)
    later = [asyncio.create_task(doubled(n)) for n in range(2, 7)]
    await asyncio.sleep(0)
    go.set()
    assert await asyncio.gather(first, *later) == [2, 4, 6, 8, 10, 12]
    assert groups == [[1], [2, 3, 4, 5, 6]]


async def test_no_group_is_larger_than_the_most(threads, monkeypatch):
    monkeypatch.setattr(grouped, "MOST", 4)
    groups = []
    count = Grouped(lambda items: groups.append(len(items)) or items, threads)
    assert await asyncio.gather(*(count(n) for n in range(10))) == list(range(10))
    assert groups == [4, 4, 2]


async def test_an_error_is_its_groups_and_no_other_groups(threads):
    def work(items):
        if 0 in items:
            raise OSError("away")
        return items

    same = Grouped(work, threads)
    with pytest.raises(OSError, match="away"):
        await same(0)
    assert await same(1) == 1


async def test_an_item_is_done_though_nobody_waits_for_it_any_more(threads):
    done = []

    def work(items):
        done.extend(items)
        return items

    kept = Grouped(work, threads)
    task = asyncio.create_task(kept("paid"))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    await kept.flush()
    assert done == ["paid"]
