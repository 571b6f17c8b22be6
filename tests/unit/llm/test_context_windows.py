"""Room for thinking, and lengths, out of many answers: what one of them shows makes no other call larger or smaller."""

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labeler.llm.context_windows import GROWTH, LITTLE, MARGIN, MOST_TOKENS, ORDER, Sizes
from labeler.llm.protocol import Reply, Request, Usage
from labeler.llm.refusals import FaultError, RejectionError

ASKED = Request(prompt="Which words?", max_tokens=300, room=40_000)
FRESH = Request(prompt="Which words?", max_tokens=300)


class Notes:
    """A memory that shows what it is told."""

    def __init__(self):
        self.values, self.times = {}, {}

    def recall(self):
        return {}

    def remember(self, what, *, said="", times=1, value=None):
        self.values[what] = value
        self.times[what] = self.times.get(what, 0) + times


def thought(tokens, stop="end"):
    usage = Usage(input_tokens=50, output_tokens=tokens)
    return Reply(text="" if stop == "truncated" else "{}", stop=stop, usage=usage, thought=tokens)


ANSWERS = st.lists(st.tuples(st.integers(LITTLE, 30_000), st.sampled_from(["end", "truncated"])), max_size=40)


@given(ANSWERS)
def test_room_for_all_is_what_two_answers_agree_on(answers):
    notes = Notes()
    sizes = Sizes(memory=notes)
    for tokens, stop in answers:
        sizes.heard(thought(tokens, stop), ASKED, 100)
    share = {"end": MARGIN, "truncated": GROWTH}
    wanted = sorted(min(MOST_TOKENS, math.ceil(share[stop] * tokens)) for tokens, stop in answers)
    left = sizes.room(FRESH, 100) - FRESH.max_tokens
    second = wanted[-2] if len(wanted) > 1 else 0
    assert left <= ORDER * second + 1
    assert (left > 0) == any(high <= ORDER * low for low, high in itertools.pairwise(wanted))
    assert notes.values.get("thinking", 0) == (
        left if left < MOST_TOKENS - FRESH.max_tokens else notes.values["thinking"]
    )
    assert notes.times.get("thinking", 0) <= len(answers)
    assert len(sizes._sightings) <= 16


@given(ANSWERS)
def test_what_is_seen_again_has_room(answers):
    sizes = Sizes()
    for tokens, stop in [*answers, *answers]:
        sizes.heard(thought(tokens, stop), ASKED, 100)
    most = max((tokens for tokens, _ in answers), default=0)
    assert sizes.room(FRESH, 100) >= min(MOST_TOKENS, 300 + most)


def rejections(words, n=1):
    kinds = (RejectionError("no", words, 400), FaultError("no", words))
    return [kind for kind in kinds for _ in range(n)]


@pytest.mark.parametrize("error", rejections("This model supports at most 64 completion tokens"))
async def test_the_most_that_a_server_writes_is_tried_at_once_and_believed_after_a_whole_answer(error):
    notes, rooms = Notes(), []
    sizes = Sizes(memory=notes)

    async def send(request):
        rooms.append(request.room)
        if request.room is None or request.room > 64:
            raise error
        return Reply(text="{}", stop="end", usage=Usage(input_tokens=50, output_tokens=9))

    assert (await sizes.ask(send, FRESH, 100)).stop == "end"
    assert rooms == [None, 64]
    assert (sizes.room(FRESH, 100), notes.values, notes.times) == (64, {"written": 64}, {"written": 1})


async def test_an_answer_longer_than_the_most_that_a_server_says_it_writes_shows_that_it_writes_more():
    notes = Notes()
    sizes = Sizes(memory=notes)
    for counted in (9, 0):  # it counts, and it does not
        asked = iter([RejectionError("no", "at most 5 completion tokens", 422), "an answer of more than five tokens"])

        async def send(request, asked=asked, counted=counted):
            found = next(asked)
            if isinstance(found, Exception):
                raise found
            return Reply(text=found, usage=Usage(input_tokens=50, output_tokens=counted))

        await sizes.ask(send, FRESH, 100)
    assert (sizes.room(FRESH, 100), notes.values) == (300, {})


def test_the_context_of_requests_that_are_not_at_hand_is_believed_when_it_was_told_twice_and_kept_to():
    notes = Notes()
    sizes = Sizes(memory=notes)
    kept_to = Reply(text="{}", usage=Usage(input_tokens=900, output_tokens=50))
    for _ in range(2):
        sizes.told("maximum context length is 1024 tokens", 400)
        assert notes.values == {}
        sizes.heard(kept_to)
    assert notes.values == {"context": 1024}
    for _ in range(3):
        sizes.told("maximum context length is 700 tokens", 400)
        sizes.heard(kept_to)
    assert notes.values == {"context": 1024}
