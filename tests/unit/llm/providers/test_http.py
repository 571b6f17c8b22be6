"""The lines of what is read as it comes, however it is cut."""

from types import SimpleNamespace

import openai
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labeler.llm.errors import BusyError, MalformedError
from labeler.llm.providers import http as module
from labeler.llm.providers.http import Wire, compact
from labeler.llm.refusals import Failures


class Streaming:
    """A client whose one response comes in these chunks, and then perhaps fails."""

    def __init__(self, *chunks, error=None):
        self.chunks, self.error = chunks, error
        self.sent = 0
        self.closed = False

    async def get(self, path, **options):
        return SimpleNamespace(aiter_bytes=self._bytes, aclose=self._close)

    async def _bytes(self):
        for chunk in self.chunks:
            self.sent += 1
            yield chunk
        if self.error is not None:
            raise self.error

    async def _close(self):
        self.closed = True


def lines_of(client):
    return Wire(client, openai, Failures("m", None), 5.0).lines("/results")


@given(st.lists(st.binary(max_size=6)))
async def test_lines_are_whole_however_they_were_cut(chunks):
    client = Streaming(*chunks)
    found = [line async for line in lines_of(client)]
    whole = b"".join(chunks)
    assert found == (whole.removesuffix(b"\n").split(b"\n") if whole else [])
    assert client.closed


async def test_only_a_line_feed_ends_a_line():
    text = '{"a": "\u2028\x85\x1c\r"}\n{}'.encode()
    assert [line async for line in lines_of(Streaming(text))] == text.split(b"\n")


async def test_a_line_is_given_before_the_next_has_come():
    client = Streaming(b"a\nb", b"\nc\n")
    lines = lines_of(client)
    assert (await anext(lines), client.sent) == (b"a", 1)
    await lines.aclose()
    assert client.closed


async def test_a_line_that_never_ends_is_given_up(monkeypatch):
    monkeypatch.setattr(module, "LONGEST", 10)
    client = Streaming(*[b"abc"] * 100)
    with pytest.raises(MalformedError, match="never ends"):
        await anext(lines_of(client))
    assert client.sent < 10


async def test_a_stream_that_breaks_off_is_busy():
    client = Streaming(b"a\n", error=openai.APIConnectionError(request=None))
    lines = lines_of(client)
    assert await anext(lines) == b"a"
    with pytest.raises(BusyError):
        await anext(lines)
    assert client.closed


def test_a_line_of_a_file_is_one_line():
    assert compact({"a": "\n\u2028", "b": 1}) == b'{"a":"\\n\\u2028","b":1}\n'
