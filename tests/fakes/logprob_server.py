"""A server on 127.0.0.1 that gives prompts back with log-probabilities, as vLLM's ``/v1/completions`` does.

    async with LogprobServer(busy(), uneven()) as server: ...      # the faults are used up in turn

Its model is a toy that anybody can compute: a word's odds are 1, and 10 more for every time that it stood before. Its
tokens are words with the space before them, marks, and the single bytes of characters that are not ASCII.
"""

from __future__ import annotations

import collections
import math
import re
from collections.abc import Callable, Mapping
from typing import Any

from aiohttp import web

VOCABULARY = 1_000
START = "<s>"
_WORD = re.compile(rb" ?[A-Za-z]+|\s*\n+|[\x80-\xff]|[\x00-\x7f]")

Choice = dict[str, Any]
Fault = Callable[[Choice], web.Response | None]
"""Changes a choice in place, or answers in its stead."""
Filling = Callable[[str], Mapping[str, float]]
"""A line of a prompt up to its last tab -> the probabilities of what may be filled in behind."""


def pieces(text: str) -> list[bytes]:
    """A text's tokens."""
    return _WORD.findall(text.encode())


def shown(piece: bytes) -> str:
    """A token as servers show it: a part of a character is U+FFFD."""
    return piece.decode(errors="replace")


def logprob(before: list[bytes], piece: bytes) -> float:
    """Of the toy model; natural logarithm."""
    heard = collections.Counter(word.strip() for word in before)
    return math.log((1 + 10 * heard[piece.strip()]) / (VOCABULARY + 10 * len(before)))


def busy(retry_after: str = "0") -> Fault:
    """HTTP 429, not billed."""
    return lambda choice: web.json_response(
        {"error": {"message": "slow down"}}, status=429, headers={"retry-after": retry_after}
    )


def refuses(status: int, message: str) -> Fault:
    """Another HTTP error."""
    return lambda choice: web.json_response({"error": {"message": message}}, status=status)


def bare() -> Fault:
    """No log-probabilities at all."""
    return lambda choice: choice.update(logprobs=None)


def written_only() -> Fault:
    """Log-probabilities of what it has written, and nothing of the prompt: ``echo`` was overlooked."""
    return _each(lambda values: values[-1:])


def blank() -> Fault:
    """The prompt's tokens, with nothing said of any."""

    def fault(choice: Choice) -> None:
        choice["logprobs"]["token_logprobs"] = [None] * len(choice["logprobs"]["tokens"])

    return fault


def cut() -> Fault:
    """Lists that end before the prompt does."""
    return _each(lambda values: values[: len(values) // 2])


def uneven() -> Fault:
    """A log-probability too few."""

    def fault(choice: Choice) -> None:
        del choice["logprobs"]["token_logprobs"][-2]

    return fault


def strange() -> Fault:
    """Tokens of another text."""

    def fault(choice: Choice) -> None:
        choice["logprobs"]["tokens"][-3] = "zzz"

    return fault


def page() -> Fault:
    """A page of HTML."""
    return lambda choice: web.Response(text="<html>hello</html>", content_type="text/html")


class LogprobServer:
    """The server, as an asynchronous context manager; ``filling`` says what it would put behind a tab."""

    def __init__(
        self,
        *faults: Fault,
        always: Fault | None = None,
        most_listed: int = 20,
        filling: Filling | None = None,
    ) -> None:
        self._faults = collections.deque(faults)
        self._always = always
        self._most_listed = most_listed
        self._filling = filling
        self.asked: list[dict[str, Any]] = []
        self.billed: list[int] = []
        """Prompt tokens of every answer."""
        self.url = ""

    async def __aenter__(self) -> LogprobServer:
        app = web.Application(client_max_size=2**26)
        app.router.add_post("/v1/completions", self._serve)
        self._runner = web.AppRunner(app, shutdown_timeout=1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    async def _serve(self, request: web.Request) -> web.Response:
        body = await request.json()
        self.asked.append(body)
        if body["logprobs"] > self._most_listed:
            return web.json_response(
                {
                    "object": "error",
                    "message": f"Requested prompt logprobs of {body['logprobs']}, more than {self._most_listed}",
                },
                status=400,
            )
        choice = self._choice(body["prompt"], body["logprobs"])
        n = len(choice["logprobs"]["tokens"]) - 1
        fault = self._faults.popleft() if self._faults else self._always
        answered = fault(choice) if fault is not None else None
        if answered is not None:
            return answered
        self.billed.append(n)
        usage = {"prompt_tokens": n, "completion_tokens": 1, "total_tokens": n + 1}
        return web.json_response(
            {"id": "c", "object": "text_completion", "created": 1, "model": "m", "choices": [choice], "usage": usage}
        )

    def _choice(self, prompt: str, listed: int) -> Choice:
        words = [*pieces(prompt), b" end"]
        values = [logprob(words[:i], word) for i, word in enumerate(words)]
        top = [self._top(b"".join(words[:i]), listed) | {shown(w): values[i]} for i, w in enumerate(words)]
        tokens = [START, *map(shown, words)]
        offsets = [sum(map(len, tokens[:i])) for i in range(len(tokens))]  # wrong behind parts of characters, as theirs
        logprobs = {
            "tokens": tokens,
            "token_logprobs": [None, *values],
            "top_logprobs": [None, *top],
            "text_offset": offsets,
        }
        return {"index": 0, "text": f"{prompt} end", "finish_reason": "length", "logprobs": logprobs}

    def _top(self, before: bytes, listed: int) -> dict[str, float]:
        line, tab, rest = before.decode(errors="replace").rpartition("\n")[2].rpartition("\t")
        if self._filling is None or not tab or rest:
            return {}
        likeliest = sorted(self._filling(line).items(), key=lambda pair: -pair[1])[:listed]
        return {word: math.log(probability) for word, probability in likeliest}


def _each(change: Callable[[list[Any]], list[Any]]) -> Fault:
    def fault(choice: Choice) -> None:
        choice["logprobs"] = {name: change(values) for name, values in choice["logprobs"].items()}

    return fault
