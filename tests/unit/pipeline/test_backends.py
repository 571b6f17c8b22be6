import asyncio

import pytest

from labeler.pipeline.bench import Backends
from labeler.settings import Settings


@pytest.mark.parametrize(
    ("one", "other", "shared"),
    [
        ("openai:gpt-5-nano", "openai:gpt-5-nano-2025-08-07", True),
        ("openai:gpt-5-nano", "openai:gpt-5-mini", False),
    ],
)
def test_a_model_and_its_snapshot_share_what_their_provider_allows(tmp_path, one, other, shared):
    async def turns():
        backends = Backends(Settings(home=tmp_path, openai_api_key="sk-nothing"))
        try:
            return [backends.turn(name).__self__ for name in (one, other)]
        finally:
            await backends.close()

    first, second = asyncio.run(turns())
    assert (first is second) is shared
