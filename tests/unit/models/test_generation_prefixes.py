"""Which beginnings are worth keeping, what is found again, and what gives way."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from labeler.models.generation import BLOCK, Prefixes


def layers(ids):
    """Keys and values from which their tokens can be read."""
    keys = torch.tensor(ids, dtype=torch.float32)[None, None, :, None]
    return [(keys, -keys), (keys + 1, keys + 2)]


def kept(store, ids):
    """The tokens of what is found of these; every layer has to hold the same."""
    n, found = store.find(ids)
    if not n:
        assert found == []
        return []
    (keys, values), (more, most) = found
    tokens = keys[0, 0, :, 0].tolist()
    assert keys.shape == (1, 1, n, 1)
    assert torch.equal(values, -keys)
    assert torch.equal(more, keys + 1)
    assert torch.equal(most, keys + 2)
    return tokens


SYSTEM = list(range(3 * BLOCK))


def test_what_one_prompt_has_alone_is_not_shared():
    store = Prefixes()
    store.note(SYSTEM)
    assert store.shared(SYSTEM) == 0


def test_whole_blocks_that_two_prompts_begin_with_are_shared():
    store = Prefixes()
    first, second = [*SYSTEM, 5, 5, 5], [*SYSTEM[: 2 * BLOCK + 7], *range(900, 999)]
    store.note(first)
    store.note(second)
    assert store.shared(first) == store.shared(second) == 2 * BLOCK
    assert store.shared([*range(50, 99), *SYSTEM]) == 0


@pytest.mark.parametrize(("length", "shared"), [(2 * BLOCK, BLOCK), (2 * BLOCK + 1, 2 * BLOCK), (1, 0), (0, 0)])
def test_of_equal_prompts_at_least_one_token_has_to_run(length, shared):
    store = Prefixes()
    for _ in range(2):
        store.note(SYSTEM[:length])
    assert store.shared(SYSTEM[:length]) == shared


def test_the_longest_beginning_that_is_kept_is_found():
    store = Prefixes()
    assert kept(store, SYSTEM) == []
    store.keep(SYSTEM[: 2 * BLOCK], layers(SYSTEM[: 2 * BLOCK]))
    assert kept(store, SYSTEM) == SYSTEM[: 2 * BLOCK]
    assert kept(store, SYSTEM[: BLOCK + 3]) == SYSTEM[:BLOCK]
    assert kept(store, [*SYSTEM[:BLOCK], *[7] * BLOCK]) == SYSTEM[:BLOCK]
    assert kept(store, SYSTEM[1:]) == []


def test_the_least_recently_used_gives_way():
    store = Prefixes(room=4 * BLOCK)
    one, two, three = ([base, *SYSTEM[1 : 2 * BLOCK]] for base in (1, 2, 3))
    store.keep(one, layers(one))
    store.keep(two, layers(two))
    assert kept(store, one) == one
    store.keep(three, layers(three))
    assert kept(store, two) == []
    assert kept(store, one) == one
    assert kept(store, three) == three


def test_what_exceeds_the_room_is_not_kept():
    store = Prefixes(room=2 * BLOCK)
    store.keep(SYSTEM, layers(SYSTEM))
    assert kept(store, SYSTEM) == []


@settings(deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(["note", "keep"]), st.lists(st.integers(0, 1), max_size=4)), max_size=12),
    st.integers(1, 6),
)
def test_nothing_is_ever_found_of_other_tokens(actions, blocks):
    store = Prefixes(room=blocks * BLOCK)
    for action, marks in actions:
        ids = [mark for mark in marks for _ in range(BLOCK)]
        if action == "note":
            store.note(ids)
        elif ids:
            store.keep(ids, layers(ids))
        found = kept(store, ids)
        assert found == ids[: len(found)]
        assert len(found) <= blocks * BLOCK
        assert store.shared(ids) % BLOCK == 0
        if action == "keep" and 0 < len(ids) <= blocks * BLOCK:
            assert found == ids
