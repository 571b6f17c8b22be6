"""Looking through a list of batches, whatever a server says."""

import pytest

from labeler.llm.errors import BusyError, MalformedError
from labeler.llm.providers.batch_lookup import MARGIN_SECONDS, PAGES, SETTLED_SECONDS, id_of, listed, not_arrived
from labeler.llm.refusals import Failures

NOW = 1_700_000_000.0
FAILURES = Failures("openai:m", None)


class Pages:
    """A list that is sent in these pages, and the last for ever."""

    def __init__(self, *pages):
        self.pages, self.asked = pages, []

    async def __call__(self, path, **params):
        self.asked.append(params)
        return self.pages[min(len(self.asked), len(self.pages)) - 1]


def page(*batches, more=False):
    return {"data": list(batches), "has_more": more}


def batch(name, created_at):
    return {"id": name, "created_at": created_at}


async def names(get, since=NOW):
    return [one["id"] async for one in listed(get, "/batches", "after", since, FAILURES)]


async def test_a_list_is_followed_until_it_ends():
    get = Pages(page(batch("a", NOW), batch("b", NOW), more=True), page(batch("c", NOW), more=True), page())
    assert await names(get) == ["a", "b", "c"]
    assert [params.get("after") for params in get.asked] == [None, "b", "c"]


@pytest.mark.parametrize("old", [NOW - MARGIN_SECONDS - 1, "2023-11-14T22:08:19Z", "2023-11-14T23:08:19+01:00"])
async def test_a_list_is_followed_back_to_when_it_matters(old):
    near = "2023-11-14T22:08:21Z"
    get = Pages(page(batch("a", near), batch("b", old), batch("c", NOW), more=True))
    assert await names(get) == ["a"]
    assert len(get.asked) == 1


@pytest.mark.parametrize("at", [None, "yesterday", {}, float("nan")])
async def test_a_batch_of_unknown_age_is_looked_at(at):
    assert await names(Pages(page(batch("a", at), batch("b", NOW)))) == ["a", "b"]


async def test_what_stands_in_a_list_and_is_no_batch_is_passed_over():
    assert await names(Pages(page(7, None, batch("a", NOW)))) == ["a"]


@pytest.mark.parametrize("found", [None, [], "page", {}, {"data": 7}, {"data": None}])
async def test_what_is_no_list_is_malformed(found):
    with pytest.raises(MalformedError, match="openai:m: this is no list of batches"):
        await names(Pages(found))


async def test_a_list_without_an_end_is_given_up():
    get = Pages(page(batch("a", NOW), more=True))
    assert len(await names(get)) == len(get.asked) == PAGES


@pytest.mark.parametrize("found", [None, {}, {"id": 7}, {"id": ""}, {"id": "../files"}, {"id": ".."}, {"id": "a b"}])
def test_an_id_that_cannot_stand_in_a_path_is_none(found):
    with pytest.raises(MalformedError):
        id_of(found, FAILURES)


def test_what_is_not_in_the_list_did_not_arrive_once_enough_time_has_passed():
    with pytest.raises(BusyError, match="cannot be told yet"):
        not_arrived(NOW, NOW + SETTLED_SECONDS - 1, FAILURES)
    not_arrived(NOW, NOW + SETTLED_SECONDS, FAILURES)
