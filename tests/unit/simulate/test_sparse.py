import asyncio

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labeler.errors import InputError
from labeler.llm.errors import MalformedError
from labeler.llm.protocol import Answer, Capabilities, Usage
from labeler.simulate.sparse import Guess, Guesses, Quote, SparseSimulator, on_tokens, usable
from tests.fakes.evidence import make_store

TOKENS = ("The", " cat", " sat", " on", " the", " C", "at", ".")


def values(*quotes: Quote):
    found = on_tokens(quotes, TOKENS, 10)
    return None if found is None else found.values.tolist()


def test_quotes_are_mapped_to_the_tokens_they_overlap():
    assert values(Quote(text="sat", occurrence=1, strength=7)) == [0, 0, 7, 0, 0, 0, 0, 0, 0, 0]
    assert values(Quote(text="Cat", occurrence=1, strength=3)) == [0, 0, 0, 0, 0, 3, 3, 0, 0, 0]
    assert values() == [0] * 10


def test_an_occurrence_is_counted_from_one():
    tokens = (" a", " b", " a", " b")
    assert on_tokens([Quote(text="a", occurrence=2, strength=5)], tokens, 4).values.tolist() == [0, 0, 5, 0]


def test_what_is_unambiguous_is_repaired():
    assert values(Quote(text="SAT", occurrence=1, strength=2))[2] == 2
    assert values(Quote(text="sat", occurrence=3, strength=2))[2] == 2
    assert values(Quote(text="sat", occurrence=1, strength=0)) == [0] * 10
    assert values(Quote(text="the", occurrence=2, strength=2)).index(2) == 4  # counted with "The"


def repaired(*quotes: Quote):
    found = on_tokens(quotes, TOKENS, 10)
    return found.n_quotes, found.n_repaired


def test_repairs_are_counted():
    exact = Quote(text="sat", occurrence=1, strength=2)
    assert repaired(exact, exact) == (2, 0)
    assert repaired(Quote(text="Ca", occurrence=1, strength=2)) == (1, 0)  # a part of a word is what may be quoted
    assert repaired(exact, Quote(text="SAT", occurrence=1, strength=2)) == (2, 1)
    assert repaired(Quote(text="sat", occurrence=2, strength=2)) == (1, 1)
    assert repaired(Quote(text="sat", occurrence=1, strength=0)) == (1, 1)


def test_a_place_that_could_be_two_is_no_answer():
    assert on_tokens([Quote(text="cat", occurrence=2, strength=5)], (" cat", " concat"), 2) is None
    assert values(Quote(text="The", occurrence=2, strength=2)) is None  # "The", or the second of both spellings


@pytest.mark.parametrize(
    "quote",
    [
        Quote(text="dog", occurrence=1, strength=3),
        Quote(text=" ", occurrence=1, strength=3),
        Quote(text="sat", occurrence=1, strength=11),
        Quote(text="sat", occurrence=1, strength=-1),
    ],
)
def test_what_is_not_in_the_text_or_out_of_range_is_no_answer(quote):
    assert values(quote) is None


def test_an_occurrence_that_is_not_there_is_no_answer():
    assert on_tokens([Quote(text="a", occurrence=3, strength=5)], (" a", " a"), 2) is None


@given(st.lists(st.text(min_size=1, max_size=5), min_size=1, max_size=8), st.data())
def test_no_quote_ever_raises(tokens, data):
    quote = Quote(
        text=data.draw(st.text(max_size=8)),
        occurrence=data.draw(st.integers(-3, 9)),
        strength=data.draw(st.integers(-5, 15)),
    )
    found = on_tokens([quote], tokens, len(tokens))
    assert found is None or (found.values >= 0).all()


def test_contexts_left_out_or_named_twice_are_not_answered():
    guesses = Guesses(
        contexts=[Guess(id=1, active=[]), Guess(id=2, active=[]), Guess(id=2, active=[]), Guess(id=9, active=[])]
    )
    tokens = [(" a",), (" b",), (" c",)]
    assert list(usable([0, 1, 2], guesses, tokens, 1)) == [0]


class Scripted:
    """A backend that quotes the word ``penny`` and leaves out contexts as told."""

    name = "openai:scripted"
    capabilities = Capabilities(schema=True)

    def __init__(self, forgets: int) -> None:
        self.forgets = forgets
        self.asked: list[str] = []

    async def ask(self, request):
        self.asked.append(request.prompt)
        lines = [line for line in request.prompt.splitlines() if line.startswith("<context id=")]
        guesses = []
        for line in lines:
            number = int(line.split('"')[1])
            count = line.count("penny")
            quotes = [Quote(text="penny", occurrence=i, strength=9) for i in range(1, count + 1)]
            guesses.append(Guess(id=number, active=quotes))
        if self.forgets:
            self.forgets -= 1
            guesses.pop()
        return Answer(text="", parsed=Guesses(contexts=guesses), usage=Usage(input_tokens=10))


def simulate(backend, tmp_path):
    store = make_store(tmp_path, n=200)
    frame = store.frame(3, "score")
    rows = np.r_[np.flatnonzero(frame.firing)[:8], np.flatnonzero(~frame.firing)[:17]]
    frame = frame.take(rows)
    billed = []
    simulator = SparseSimulator(backend, lambda name, prompt: lambda usage, outcome: billed.append(outcome))
    found = asyncio.run(simulator.predict(["penny"], store.material(frame.contexts)))
    return frame, found[0], billed, simulator.counts


def test_several_contexts_are_asked_about_at_once_and_the_truth_comes_back(tmp_path):
    backend = Scripted(forgets=0)
    frame, found, billed, counts = simulate(backend, tmp_path)
    np.testing.assert_array_equal(found > 0, frame.truth > 0)
    assert len(backend.asked) == len(billed) == 3
    assert counts == {"contexts": 25, "quotes": (frame.truth > 0).sum(), "repaired": 0}


def test_a_context_that_was_left_out_is_asked_about_again(tmp_path):
    backend = Scripted(forgets=2)
    frame, found, _, counts = simulate(backend, tmp_path)
    np.testing.assert_array_equal(found > 0, frame.truth > 0)
    assert len(backend.asked) == 4
    assert (counts["contexts"], counts["asked again"]) == (25, 2)


def test_a_context_that_stays_left_out_is_a_failure_and_never_a_zero(tmp_path):
    with pytest.raises(MalformedError, match="contexts stayed without a usable answer"):
        simulate(Scripted(forgets=99), tmp_path)


def test_a_backend_without_schemas_is_refused():
    backend = Scripted(0)
    backend.capabilities = Capabilities(logprobs=True)
    with pytest.raises(InputError, match="simulator 'sparse' needs answers in a given form"):
        SparseSimulator(backend, lambda *_: lambda *_: None)


def test_line_ends_do_not_shift_a_quote():
    tokens = (" a", "\r", "\n", "\r\n", "x", " cat")
    assert on_tokens([Quote(text="cat", occurrence=1, strength=4)], tokens, 6).values.tolist() == [0, 0, 0, 0, 0, 4]
