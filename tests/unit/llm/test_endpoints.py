import pytest

from labeler.llm.endpoints import known_of, same_model, undated
from labeler.llm.names import LLMName
from labeler.llm.prices import Facts, Price, Prices
from labeler.llm.protocol import Usage
from labeler.llm.rate_limits import parse_limits


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("anthropic:claude-haiku-4-5", "anthropic:claude-haiku-4-5-20251001", True),
        ("openai:gpt-5-nano", "openai:gpt-5-nano-2025-08-07", True),
        ("openai:GPT-5-nano", "openai:gpt-5-nano", True),
        ("anthropic:claude-3-5-haiku-latest", "anthropic:claude-3-5-haiku-20241022", True),
        (
            "openai:anthropic/claude-haiku-4-5@https://x/v1",
            "openai:anthropic/claude-haiku-4-5@20251001@https://x/v1/",
            True,
        ),
        ("openai:gpt-4o", "openai:gpt-4o-2024-08-06", True),
        ("openai:gpt-4o", "openai:gpt-4o-2024-05-13", False),  # it has a price of its own
        ("openai:gpt-4o-2024-08-06", "openai:gpt-4o-2024-11-20", False),
        ("openai:gpt-5", "openai:gpt-5-nano", False),
        ("openai:gpt-5-nano", "openai:gpt-5-nano@https://x/v1", False),
        ("openai:claude-haiku-4-5", "anthropic:claude-haiku-4-5-20251001", False),
        ("openai:m-123", "openai:m", False),
        ("anthropic", "anthropic:m", False),
        ("nobody:m", "nobody:m-20251001", False),
    ],
)
def test_a_model_is_known_by_its_name_with_and_without_a_date(one, other, same):
    assert same_model(one, other) is same
    assert same_model(other, one) is same
    assert same_model(one, one)


def test_only_dates_are_no_part_of_a_model():
    assert undated("claude-haiku-4-5-20251001") == "claude-haiku-4-5"
    assert undated("gpt-5-nano-2025-08-07") == "gpt-5-nano"
    for name in ("qwen3-30b-a3b-2507", "gpt-4-0613", "m-12345678", "2025-08-07", "phi-4"):
        assert undated(name) == name


def test_the_very_name_goes_before_an_alias_and_a_new_snapshot_before_an_old_one():
    known = {"openai:m-2025-01-01": 1, "openai:m-2026-01-01": 2, "openai:m": 3}
    assert known_of(["openai:m-2025-01-01"], known) == 1
    assert known_of(["openai:m"], known) == 3
    del known["openai:m"]
    assert known_of(["openai:m"], known) == 2
    assert known_of(["openai:other"], known) is None
    assert known_of(["openai:m@http://x/v1", "openai:m-2025-01-01"], known) == 1


@pytest.mark.parametrize(
    ("written", "asked"),
    [
        ("anthropic:claude-haiku-4-5", "anthropic:claude-haiku-4-5-20251001"),
        ("openai:gpt-5-nano-2025-08-07", "openai:gpt-5-nano"),
    ],
)
def test_what_is_said_of_a_model_holds_for_its_other_name(written, asked):
    own = Price(input=1.0, cached=1.0, written=1.0, output=0.0)
    assert Prices({written: own})(LLMName.parse(asked), Usage(input_tokens=1_000_000)) == 1.0
    limits = parse_limits(f"{written}=7,{written.partition(':')[0]}=9")
    facts = Facts(Prices(), {}, limits)
    assert facts.limits(asked).requests.limit == 7
    assert facts.limits(f"{asked}-mini").requests.limit == 9
