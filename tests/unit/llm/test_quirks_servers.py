"""What was learned of servers: remembered for a week, shown, and forgotten on request."""

import itertools
import json
import threading
import time

import pytest

from labeler.errors import InputError
from labeler.llm.protocol import Address
from labeler.llm.quirks import FILE, WEEK_SECONDS, ServerMemory, forget, known
from labeler.settings import Settings

HERE = Address("openai", "qwen3", "http://127.0.0.1:8000/v1")
OTHER = Address("openai", "other", HERE.base_url)
ELSEWHERE = Address("openai", "qwen3", "http://127.0.0.1:8001/v1")
NOW = 1_700_000_000.0
LESSON = {
    "provider": "openai",
    "model": "qwen3",
    "base_url": HERE.base_url,
    "what": "temperature",
    "said": "no",
    "times": 2,
    "first": NOW,
    "last": NOW,
    "value": None,
}


def memory(home, address=HERE, now=NOW):
    return ServerMemory(home, address, clock=lambda: now)


def test_lessons_are_remembered_by_server_and_model(tmp_path):
    assert not memory(tmp_path).recall()
    memory(tmp_path).remember("temperature")
    memory(tmp_path).remember("response_format")
    memory(tmp_path, OTHER).remember("max_tokens")
    assert memory(tmp_path).recall().keys() == {"temperature", "response_format"}
    assert memory(tmp_path, OTHER).recall().keys() == {"max_tokens"}
    assert not memory(tmp_path, ELSEWHERE).recall()


def test_a_lesson_is_kept_with_its_evidence_and_its_dates(tmp_path):
    memory(tmp_path).remember("response_format", said="no schemas", times=2)
    memory(tmp_path, now=NOW + 5).remember("response_format", said="still none")
    memory(tmp_path).remember("contexts", value=40)
    memory(tmp_path, now=NOW + 7).remember("contexts", value=20)
    lesson, size = memory(tmp_path, now=NOW + 9).recall().values()
    assert (lesson.said, lesson.times, lesson.first, lesson.last) == ("still none", 3, NOW, NOW + 5)
    assert (size.value, size.times, size.last) == (20, 2, NOW + 7)


def test_what_was_said_is_kept_short(tmp_path):
    memory(tmp_path).remember("temperature", said="no " * 1000)
    assert len(memory(tmp_path).recall()["temperature"].said) == 200


def test_after_a_week_everything_is_learned_anew(tmp_path):
    memory(tmp_path).remember("temperature")
    memory(tmp_path, now=NOW + WEEK_SECONDS - 1).remember("response_format")
    assert memory(tmp_path, now=NOW + WEEK_SECONDS - 1).recall().keys() == {"temperature", "response_format"}
    assert not memory(tmp_path, now=NOW + WEEK_SECONDS).recall()
    memory(tmp_path, now=NOW + WEEK_SECONDS).remember("max_tokens")
    assert memory(tmp_path, now=NOW + WEEK_SECONDS).recall().keys() == {"max_tokens"}


def test_a_lesson_from_the_future_is_not_believed(tmp_path):
    memory(tmp_path, now=NOW + 10).remember("temperature")
    assert not memory(tmp_path).recall()


@pytest.mark.parametrize(
    "damage",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b"{}",
        b"7",
        b"[" * 100_000,
        b"[7, null, [], {}]",
        *(
            json.dumps([LESSON | change]).encode()
            for change in (
                {"first": "now"},
                {"first": float("nan")},
                {"last": True},
                {"times": None},
                {"value": "many"},
                {"what": ["temperature"]},
                {"said": "\x1b[2J"},
                {"model": None},
            )
        ),
    ],
)
def test_a_damaged_file_is_as_good_as_none(tmp_path, damage):
    (tmp_path / FILE).write_bytes(damage)
    assert not memory(tmp_path).recall()
    memory(tmp_path).remember("temperature")
    assert memory(tmp_path).recall().keys() == {"temperature"}


def test_a_damaged_lesson_takes_no_other_with_it(tmp_path):
    (tmp_path / FILE).write_text(json.dumps([LESSON | {"times": None}, LESSON, 7]))
    assert memory(tmp_path).recall().keys() == {"temperature"}


def test_a_home_that_is_not_there_is_not_made(tmp_path):
    memory(tmp_path / "none").remember("temperature")
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_cannot_be_replaced_leaves_nothing_behind(tmp_path):
    (tmp_path / FILE).mkdir()
    memory(tmp_path).remember("temperature")
    assert [path.name for path in tmp_path.iterdir()] == [FILE]


def test_writers_at_the_same_time_do_no_damage(tmp_path):
    addresses = [Address("openai", f"m{i}", HERE.base_url) for i in range(8)]

    def write(address):
        for part in "abcdefgh":
            memory(tmp_path, address).remember(part)

    threads = [threading.Thread(target=write, args=(address,)) for address in addresses]
    for step in (threading.Thread.start, threading.Thread.join):
        list(map(step, threads))
    found = [memory(tmp_path, address).recall() for address in addresses]
    assert any(found)
    assert all(parts.keys() <= set("abcdefgh") for parts in found)
    assert {entry["model"] for entry in json.loads((tmp_path / FILE).read_bytes())} <= {a.model for a in addresses}
    assert list(itertools.islice(tmp_path.iterdir(), 2)) == [tmp_path / FILE]


@pytest.fixture
def learned(tmp_path):
    """Settings of a home in which something was learned of three models today, and of one long ago."""
    long_ago = time.time() - 2 * WEEK_SECONDS
    ServerMemory(tmp_path, Address("openai", "old", HERE.base_url), clock=lambda: long_ago).remember("temperature")
    for address in (HERE, OTHER, ELSEWHERE, Address("anthropic", "qwen3", HERE.base_url)):
        ServerMemory(tmp_path, address).remember("temperature", said="no", times=2)
    ServerMemory(tmp_path, HERE).remember("response_format")
    return Settings(home=tmp_path, _env_file=None)


def names(found):
    return [f"{one.provider}:{one.model}@{one.base_url}" for one in found]


def test_all_that_is_known_is_shown_in_words(learned):
    found = known(learned)
    assert [(one.model, one.what) for one in found if one.provider == "openai"] == [
        ("other", "temperature"),
        ("qwen3", "response_format"),
        ("qwen3", "temperature"),
        ("qwen3", "temperature"),
    ]
    assert found[0].meaning == "takes no temperature"
    assert (found[0].times, found[0].said) == (2, "no")


def test_a_model_is_forgotten_at_one_server_or_at_all(learned):
    assert forget(learned, f"openai:qwen3@{HERE.base_url}/") == 2
    assert names(known(learned)) == [
        f"anthropic:qwen3@{HERE.base_url}",
        f"openai:other@{HERE.base_url}",
        f"openai:qwen3@{ELSEWHERE.base_url}",
    ]
    assert forget(learned, "openai:qwen3") == 1
    assert forget(learned, "openai:qwen3") == 0
    assert forget(learned) == 2
    assert known(learned) == []


def test_forgetting_in_a_home_that_is_not_there_does_nothing(tmp_path):
    home = Settings(home=tmp_path / "none", _env_file=None)
    assert known(home) == []
    assert forget(home) == 0
    assert not home.home.exists()


def test_forgetting_asks_for_a_models_name(learned):
    with pytest.raises(InputError, match="not a language model's name"):
        forget(learned, "qwen3")
