"""Requests turned into texts by a model in this process; all of it runs in the thread that torch runs in."""

from __future__ import annotations

import zlib
from collections.abc import Collection, Mapping

from jinja2 import TemplateError

from labeler.errors import InputError
from labeler.llm.errors import LLMError, RejectedError
from labeler.llm.protocol import Reply, Request, Usage
from labeler.llm.providers.local import Outcome
from labeler.models.generation import Decoder, Generated, Prefixes, Wanted, prompt_ids
from labeler.models.language import LanguageModel

REDRAW_TEMPERATURE = 0.7
"""Of further draws that leave the temperature to the model: its likeliest words would be the same again."""


class Writer:
    """Answers the requests of one event loop, a token of each at a time (see ``labeler.llm.providers.local.Advance``)."""

    def __init__(self, name: str, model: LanguageModel, prefixes: Prefixes) -> None:
        """``name`` is the backend's, for messages; the prefixes may be shared with other writers of the same model."""
        self._name = name
        self._model = model
        self._prefixes = prefixes
        self._decoder = Decoder(model, prefixes)
        self._chats: dict[int, bool] = {}

    def advance(self, newcomers: Mapping[int, Request], gone: Collection[int]) -> dict[int, Outcome]:
        """Take newcomers in, let go of those that nobody waits for, and go on by one token; returns what is finished."""
        for name in gone:
            self._chats.pop(name, None)
        outcomes: dict[int, Outcome] = {}
        for name, request in newcomers.items():
            try:
                text, chat = turn(self._model, request)
                self._decoder.add(name, _wanted(self._model, request, text, chat))
                self._chats[name] = chat
            except (InputError, TemplateError) as error:
                outcomes[name] = RejectedError(f"{self._name}: {error}")
            except Exception as error:  # nobody else's business
                outcomes[name] = error
        try:
            self._decoder.drop(gone)
            found = self._decoder.step()
        except Exception as error:  # whatever is begun is of no use any more
            found = dict.fromkeys(self._chats, error)
            self._decoder = Decoder(self._model, self._prefixes)
        for name, written in found.items():
            chat = self._chats.pop(name)
            outcomes[name] = _reply(written, chat) if isinstance(written, Generated) else self._told(written)
        return outcomes

    def _told(self, error: Exception) -> Exception:
        """Torch's errors, which mostly say that memory ran out, in one line; others are told as they are."""
        if not isinstance(error, RuntimeError):
            return error
        reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
        return LLMError(f"{self._name}: {reason}")


def turn(model: LanguageModel, request: Request) -> tuple[str, bool]:
    """The text that the model is to continue, and whether that is its turn in a chat.

    Raises TemplateError for a request that the model's template refuses.
    """
    if not request.system:
        return request.prompt, False
    if not model.tokenizer.chat_template:
        return f"{request.system}\n\n{request.prompt}", False

    def render(*messages: tuple[str, str]) -> str:
        turns = [{"role": role, "content": content} for role, content in messages]
        return str(model.tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True))

    try:
        return render(("system", request.system), ("user", request.prompt)), True
    except TemplateError:  # how templates say that they know no system role
        return render(("user", f"{request.system}\n\n{request.prompt}")), True


def _wanted(model: LanguageModel, request: Request, text: str, chat: bool) -> Wanted:
    """Raises InputError for a request that leaves no room for an answer."""
    return Wanted(
        prompt=prompt_ids(model, text),
        max_tokens=request.max_tokens,
        temperature=REDRAW_TEMPERATURE if request.temperature is None and request.draw else request.temperature,
        seed=zlib.crc32(f"{request.draw} {request.prompt}".encode()),
        stops=() if chat else ("\n",),
    )


def _reply(written: Generated, chat: bool) -> Reply:
    """A completion may end anywhere; only a chat's turn can be cut short."""
    return Reply(
        text=written.text.strip(),
        stop="truncated" if chat and written.truncated else "end",
        usage=Usage(
            input_tokens=written.input_tokens,
            cached_tokens=written.cached_tokens,
            output_tokens=written.output_tokens,
        ),
    )
