"""What was learned of servers, and is remembered for a week."""

import itertools
import json
import threading

import pytest

from labeler.llm.protocol import Address
from labeler.llm.servers import FILE, WEEK_SECONDS, ServerMemory

HERE = Address("openai", "qwen3", "http://127.0.0.1:8000/v1")
NOW = 1_700_000_000.0


def memory(home, address=HERE, now=NOW):
    return ServerMemory(home, address, clock=lambda: now)


def test_lessons_are_remembered_by_server_and_model(tmp_path):
    assert memory(tmp_path).recall() == frozenset()
    memory(tmp_path).remember({"temperature"})
    memory(tmp_path).remember(["response_format"])
    memory(tmp_path, Address("openai", "other", HERE.base_url)).remember({"max_tokens"})
    assert memory(tmp_path).recall() == {"temperature", "response_format"}
    assert memory(tmp_path, Address("openai", "other", HERE.base_url)).recall() == {"max_tokens"}
    assert memory(tmp_path, Address("openai", "qwen3", "http://127.0.0.1:8001/v1")).recall() == frozenset()


def test_after_a_week_everything_is_learned_anew(tmp_path):
    memory(tmp_path).remember({"temperature"})
    memory(tmp_path, now=NOW + WEEK_SECONDS - 1).remember({"response_format"})
    assert memory(tmp_path, now=NOW + WEEK_SECONDS - 1).recall() == {"temperature", "response_format"}
    assert memory(tmp_path, now=NOW + WEEK_SECONDS).recall() == frozenset()
    memory(tmp_path, now=NOW + WEEK_SECONDS).remember({"max_tokens"})
    assert memory(tmp_path, now=NOW + WEEK_SECONDS).recall() == {"max_tokens"}


def test_a_lesson_from_the_future_is_not_believed(tmp_path):
    memory(tmp_path, now=NOW + 10).remember({"temperature"})
    assert memory(tmp_path).recall() == frozenset()


@pytest.mark.parametrize(
    "damage",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b"[]",
        b"7",
        b"[" * 100_000,
        json.dumps({f"{HERE.base_url} {HERE.model}": 7}).encode(),
        json.dumps({f"{HERE.base_url} {HERE.model}": {"at": "now", "without": ["temperature"]}}).encode(),
        json.dumps({f"{HERE.base_url} {HERE.model}": {"at": NOW, "without": "temperature"}}).encode(),
        json.dumps({f"{HERE.base_url} {HERE.model}": {"at": NOW, "without": [7, {}]}}).encode(),
        b'{"a": {"at": NaN, "without": []}}',
    ],
)
def test_a_damaged_file_is_as_good_as_none(tmp_path, damage):
    (tmp_path / FILE).write_bytes(damage)
    assert memory(tmp_path).recall() == frozenset()
    memory(tmp_path).remember({"temperature"})
    assert memory(tmp_path).recall() == {"temperature"}


def test_a_home_that_is_not_there_is_not_made(tmp_path):
    memory(tmp_path / "none").remember({"temperature"})
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_cannot_be_replaced_leaves_nothing_behind(tmp_path):
    (tmp_path / FILE).mkdir()
    memory(tmp_path).remember({"temperature"})
    assert [path.name for path in tmp_path.iterdir()] == [FILE]


def test_writers_at_the_same_time_do_no_damage(tmp_path):
    addresses = [Address("openai", f"m{i}", HERE.base_url) for i in range(8)]

    def write(address):
        for part in "abcdefgh":
            memory(tmp_path, address).remember({part})

    threads = [threading.Thread(target=write, args=(address,)) for address in addresses]
    for step in (threading.Thread.start, threading.Thread.join):
        list(map(step, threads))
    found = [memory(tmp_path, address).recall() for address in addresses]
    assert any(found)
    assert all(parts <= set("abcdefgh") for parts in found)
    assert set(json.loads((tmp_path / FILE).read_bytes())) <= {f"{a.base_url} {a.model}" for a in addresses}
    assert list(itertools.islice(tmp_path.iterdir(), 2)) == [tmp_path / FILE]
