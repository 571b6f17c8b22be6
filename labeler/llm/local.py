"""A language model in this process: answers in batches, and log-probabilities."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from jinja2 import TemplateError

from labeler.errors import InputError, MissingExtraError
from labeler.llm.batching import Batcher, Outcome
from labeler.llm.bounds import most_input
from labeler.llm.errors import RejectedError
from labeler.llm.protocol import Address, Backend, Capabilities, Reply, Request, TextLogprobs, Usage
from labeler.models.names import torch_available

if TYPE_CHECKING:
    from labeler.llm.names import LLMName
    from labeler.models.generation import Generated
    from labeler.models.language import LanguageModel
    from labeler.settings import Settings

T = TypeVar("T")

REDRAW_TEMPERATURE = 0.7
"""Of further draws that leave the temperature to the model: its likeliest words would be the same again."""

# Torch must not run from several threads at once, so all local models of this process share one.
_WORKER = ThreadPoolExecutor(max_workers=1, thread_name_prefix="local-model")


def open_local(name: LLMName, settings: Settings) -> Backend:
    """The backend of a model in this process, loaded when it is first needed; settings have no say in it.

    Raises MissingExtraError where torch is not installed.
    """
    if not torch_available():
        raise MissingExtraError(f"the in-process model '{name}'", "local")
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
        self._batchers: dict[asyncio.AbstractEventLoop, Batcher] = {}

    async def ask(self, request: Request) -> Reply:
        """One attempt, in a batch with whatever else is being asked; the likeliest answer unless a draw is wanted."""
        if request.schema is not None:
            raise RejectedError(f"{self.name}: answers in plain text, not by a schema")
        self._check(request.system, request.prompt)
        loop = asyncio.get_running_loop()
        if loop not in self._batchers:
            self._batchers = {known: batcher for known, batcher in self._batchers.items() if not known.is_closed()}
            self._batchers[loop] = Batcher(lambda requests: _in_worker(lambda: self._outcomes(requests)))
        return await self._batchers[loop].ask(request)

    def bound(self, request: Request) -> Usage:
        """The most that one call can take; nobody is paid."""
        return Usage(input_tokens=most_input(request), output_tokens=request.max_tokens, usd=0.0)

    def body(self, request: Request) -> dict[str, Any]:
        """What the model is to go on with, in the form of a chat's request; a model in this process is sent nothing."""
        turns = [("system", request.system)] if request.system else []
        turns.append(("user", request.prompt))
        return {
            "model": self._model_name,
            "max_tokens": request.max_tokens,
            "messages": [{"role": role, "content": content} for role, content in turns],
        }

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
                from labeler.models.language import load_language_model

                self._model = load_language_model(self._model_name)
            except ImportError as error:
                raise MissingExtraError(f"the in-process model '{self.name}'", "local") from error
        return self._model

    def _logprobs(self, prefix: str, texts: Sequence[str], among: Sequence[str]) -> list[TextLogprobs]:
        model = self._load()
        from labeler.models import generation

        try:
            return generation.logprobs(model, prefix, texts, among)
        except InputError as error:
            raise RejectedError(f"{self.name}: {error}") from error

    def _outcomes(self, requests: Sequence[Request]) -> list[Outcome]:
        model = self._load()
        from labeler.models import generation

        outcomes: list[Outcome | None] = [None] * len(requests)
        turns: dict[int, _Turn] = {}
        for i, request in enumerate(requests):
            try:
                turns[i] = _turn(model, request)
            except (InputError, TemplateError) as error:
                outcomes[i] = RejectedError(f"{self.name}: {error}")
        written = generation.generate(
            model,
            [turn.text for turn in turns.values()],
            max_tokens=[requests[i].max_tokens for i in turns],
            temperatures=[_temperature(requests[i]) for i in turns],
            seeds=[zlib.crc32(f"{requests[i].draw} {requests[i].prompt}".encode()) for i in turns],
            stops=[() if turn.chat else ("\n",) for turn in turns.values()],
        )
        for (i, turn), text in zip(turns.items(), written, strict=True):
            outcomes[i] = self._outcome(turn, text)
        return [outcome for outcome in outcomes if outcome is not None]

    def _outcome(self, turn: _Turn, written: Generated) -> Outcome:
        usage = Usage(input_tokens=written.input_tokens, output_tokens=written.output_tokens)
        stop: Literal["end", "truncated"] = "truncated" if turn.chat and written.truncated else "end"
        return Reply(text=written.text.strip(), stop=stop, usage=usage)


@dataclass(frozen=True)
class _Turn:
    """What the model is to continue."""

    text: str
    chat: bool


def _turn(model: LanguageModel, request: Request) -> _Turn:
    """Raises InputError for a request that leaves no room for an answer, TemplateError for one the template refuses."""
    from labeler.models import generation

    chat = bool(request.system and model.tokenizer.chat_template)
    plain = f"{request.system}\n\n{request.prompt}" if request.system else request.prompt
    text = _chat(model, request) if chat else plain
    generation.prompt_ids(model, text)  # for what it raises
    return _Turn(text, chat)


def _chat(model: LanguageModel, request: Request) -> str:
    def render(*messages: tuple[str, str]) -> str:
        turns = [{"role": role, "content": content} for role, content in messages]
        return str(model.tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True))

    try:
        return render(("system", request.system), ("user", request.prompt))
    except TemplateError:  # how templates say that they know no system role
        return render(("user", f"{request.system}\n\n{request.prompt}"))


def _temperature(request: Request) -> float | None:
    return REDRAW_TEMPERATURE if request.temperature is None and request.draw else request.temperature


async def _in_worker(work: Callable[[], T]) -> T:
    def in_turn() -> T:
        # Imported here, in the worker thread: whoever only names this backend need not have torch.
        from labeler.models.turn import TURN

        with TURN:
            return work()

    return await asyncio.get_running_loop().run_in_executor(_WORKER, in_turn)
