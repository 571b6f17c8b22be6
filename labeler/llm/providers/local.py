"""A language model in this process: answers in batches, and log-probabilities."""

from __future__ import annotations

import asyncio
import contextvars
import functools
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from typing import TYPE_CHECKING, Any, TypeVar

from labeler.errors import InputError, MissingExtraError
from labeler.llm.cost_bounds import most_input
from labeler.llm.errors import LLMError, RejectedError
from labeler.llm.protocol import Address, Backend, Capabilities, Reply, Request, TextLogprobs, Usage
from labeler.models.names import check_name, torch_available
from labeler.progress import doing

if TYPE_CHECKING:
    from labeler.llm.names import LLMName
    from labeler.llm.providers.local_writer import Writer
    from labeler.models.generation import Prefixes
    from labeler.models.language import LanguageModel
    from labeler.models.logprobs import Found
    from labeler.settings import Settings


GATHER_SECONDS = 0.004
"""How long the first request waits for company; whatever comes while others are answered joins them at once."""

Outcome = Reply | Exception

Advance = Callable[[Mapping[int, Request], Collection[int]], Awaitable[Mapping[int, Outcome]]]
"""Goes one step on with all that it was given so far and has not answered.

It is given the newcomers, by name, and the names of those that nobody waits for any more; it returns those that came to
an end, and forgets them. After an error it has forgotten everything.
"""


class Batcher:
    """Hands on what is asked on one event loop while other requests are being answered, and gives out the answers.

    Its task lives only while something waits, so that a loop may end without anything being closed.
    """

    def __init__(self, advance: Advance) -> None:
        """What ``advance`` raises, everybody gets who waits for one of the requests that it was given."""
        self._advance = advance
        self._names = count()
        self._waiting: dict[int, Request] = {}
        self._asked: dict[int, asyncio.Future[Reply]] = {}
        self._task: asyncio.Task[None] | None = None

    async def ask(self, request: Request) -> Reply:
        """One request's answer; a caller that is cancelled takes nothing from the others."""
        name = next(self._names)
        future = self._asked[name] = asyncio.get_running_loop().create_future()
        self._waiting[name] = request
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._drain())
            self._task.add_done_callback(self._abandon)
        found: Reply = await future
        return found

    async def close(self) -> None:
        """Those who still wait get an LLMError."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _drain(self) -> None:
        await asyncio.sleep(GATHER_SECONDS)
        while self._asked:
            gone = {name for name, future in self._asked.items() if future.done()}
            newcomers = {name: request for name, request in self._waiting.items() if name not in gone}
            known = gone - self._waiting.keys()
            self._waiting.clear()
            for name in gone:
                del self._asked[name]
            asked = list(self._asked)
            if not asked and not known:
                return
            try:
                outcomes = await self._advance(newcomers, known)
            except Exception as error:  # those who asked hear of it, and the next ones have their own chance
                outcomes = dict.fromkeys(asked, error)
            for name, outcome in outcomes.items():
                future = self._asked.pop(name)
                if future.done():
                    continue
                if isinstance(outcome, Reply):
                    future.set_result(outcome)
                else:
                    future.set_exception(outcome)

    def _abandon(self, task: asyncio.Task[None]) -> None:
        # Called at the task's end whatever ended it, even where it was cancelled before its first step.
        if not task.cancelled() and task.exception() is None:
            return
        for future in self._asked.values():
            if not future.done():
                future.set_exception(LLMError("the language model was closed before it answered"))
        self._asked.clear()
        self._waiting.clear()


T = TypeVar("T")

# Torch must not run from several threads at once, so all local models of this process share one.
_WORKER = ThreadPoolExecutor(max_workers=1, thread_name_prefix="local-model")


def open_local(name: LLMName, settings: Settings) -> Backend:
    """The backend of a model in this process, loaded when it is first needed; settings have no say in it.

    Raises MissingExtraError where torch is not installed, InputError where no model is called so.
    """
    if not torch_available():
        raise MissingExtraError(f"the in-process model '{name}'", "local")
    check_name(name.model)
    return LocalBackend(str(name), name.model)


class LocalBackend:
    """One model in this process. Safe for many calls at once, on one event loop after another.

    No system text means: continue this text, to the end of the line. A small model continues a list better than it
    obeys. With a system text the request is a turn of a chat, where the model's tokenizer has a template for one.
    Whatever needs the model raises InputError where it cannot be loaded.
    """

    capabilities = Capabilities(logprobs=True, shares_prefix=True)

    def __init__(self, name: str, model: str) -> None:
        self.name = name
        self.address = Address("local", model)
        self._model_name = model
        self._model: LanguageModel | None = None
        self._prefixes: Prefixes | None = None
        self._batchers: dict[asyncio.AbstractEventLoop, Batcher] = {}

    async def ask(self, request: Request) -> Reply:
        """One attempt, in a batch with whatever else is being asked; the likeliest answer unless a draw is wanted.

        Raises RejectedError for what the model cannot be asked: a schema, too long a prompt, text that is not Unicode.
        """
        if request.schema is not None:
            raise RejectedError(f"{self.name}: answers in plain text, not by a schema")
        self._check(request.system, request.prompt)
        loop = asyncio.get_running_loop()
        if loop not in self._batchers:
            self._batchers = {known: batcher for known, batcher in self._batchers.items() if not known.is_closed()}
            self._batchers[loop] = self._batcher()
        return await self._batchers[loop].ask(request)

    def bound(self, request: Request) -> Usage:
        """The most that one call can take; nobody is paid."""
        return Usage(input_tokens=most_input(request), output_tokens=request.max_tokens, usd=0.0)

    def fits(self, request: Request) -> bool:
        """True: the model, which would have to be loaded for it, says no itself."""
        return True

    def body(self, request: Request) -> dict[str, Any]:
        """What the model is asked, in the form that servers take; nothing is sent, and the model is not loaded."""
        body: dict[str, Any] = {"model": self._model_name, "max_tokens": request.max_tokens}
        if request.temperature is not None:
            body["temperature"] = request.temperature
        if not request.system:
            return body | {"prompt": request.prompt, "stop": ["\n"]}
        turns = (("system", request.system), ("user", request.prompt))
        return body | {"messages": [{"role": role, "content": content} for role, content in turns]}

    async def logprobs(self, prefix: str, texts: Sequence[str], among: Sequence[str] = ()) -> list[TextLogprobs]:
        """Raises RejectedError for a text that, with the prefix, is more than the model sees at once, and for an
        alternative that is not one of its tokens."""
        self._check(prefix, *texts, *among)
        return await _in_worker(lambda: self._logprobs(prefix, texts, among))

    async def close(self) -> None:
        """Stop answering; what the worker thread has begun it ends, unheard."""
        batcher = self._batchers.pop(asyncio.get_running_loop(), None)
        if batcher is not None:
            await batcher.close()

    def _check(self, *texts: str) -> None:
        try:
            "".join(texts).encode()
        except UnicodeEncodeError as error:  # lone surrogates, which no tokenizer takes
            raise RejectedError(f"{self.name}: {error}") from error

    # The rest runs in the worker thread; torch is imported there, where nobody's event loop waits for it.

    def _load(self) -> LanguageModel:
        if self._model is None:
            try:
                with doing(f"loading {self._model_name}"):  # the import of torch, too, takes its time
                    from labeler.models.language import load_language_model

                    self._model = load_language_model(self._model_name)
            except ImportError as error:
                raise MissingExtraError(f"the in-process model '{self.name}'", "local") from error
        return self._model

    def _logprobs(self, prefix: str, texts: Sequence[str], among: Sequence[str]) -> list[TextLogprobs]:
        model = self._load()
        from labeler.models import logprobs

        try:
            return [text_logprobs(found) for found in logprobs.logprobs(model, prefix, texts, among)]
        except InputError as error:
            raise RejectedError(f"{self.name}: {error}") from error

    def _writer(self) -> Writer:
        model = self._load()
        from labeler.llm.providers.local_writer import Writer
        from labeler.models.generation import Prefixes

        if self._prefixes is None:
            self._prefixes = Prefixes()
        return Writer(self.name, model, self._prefixes)

    def _batcher(self) -> Batcher:
        writer = functools.cache(self._writer)
        return Batcher(lambda newcomers, gone: _in_worker(lambda: writer().advance(newcomers, gone)))


def text_logprobs(found: Found) -> TextLogprobs:
    """What was found of a text, with what it took."""
    return TextLogprobs(found.offsets, found.logprobs, found.among, Usage(input_tokens=len(found.logprobs)))


async def _in_worker(work: Callable[[], T]) -> T:
    def in_turn() -> T:
        # Imported here, in the worker thread: whoever only names this backend need not have torch.
        from labeler.models.turn import TURN

        with TURN:
            return work()

    context = contextvars.copy_context()  # which knows whether the work is still wanted
    return await asyncio.get_running_loop().run_in_executor(_WORKER, lambda: context.run(in_turn))
