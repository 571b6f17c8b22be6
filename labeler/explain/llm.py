"""Asking a language model what a feature means."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated

import numpy as np
from pydantic import BaseModel, BeforeValidator, Field

from labeler.explain.contexts import quantile_contexts, strengths, within_budget
from labeler.explain.marking import weighed
from labeler.features import Context, Evidence, Explanation
from labeler.fence import one_line, plain
from labeler.llm.answers import at_most
from labeler.llm.calls import ask_until_answered, is_worth_asking, together
from labeler.llm.errors import TooLongError
from labeler.llm.protocol import Answer, Backend, Recorder, Request
from labeler.prompts import Load, load_prompt
from labeler.words import words

PROMPT_TOKENS = 950
"""What the firing contexts that a model is shown may cost, in the dictionary's own tokens and a little for the marks."""

MAX_WORDS = 12
"""A label is no longer."""

DRAWS = 3
"""Completions asked of a small model; each sees other contexts."""


def _share(value: object) -> object:
    """``"90%"`` as .9."""
    percent = re.fullmatch(r"\s*(\d{1,3}(?:\.\d{1,9})?)\s*%\s*", value) if isinstance(value, str) else None
    return float(percent[1]) / 100 if percent else value


class Label(BaseModel):
    """What a feature means."""

    label: Annotated[str, at_most(400)] = Field(description="at most 12 words; empty where there is no clear pattern")
    description: Annotated[str, at_most(2_000)] = Field(description="one sentence of at most 25 words")
    confidence: Annotated[float, BeforeValidator(_share)] = Field(description="0 to 1", allow_inf_nan=False)


class LlmExplainer:
    """Shows marked contexts to a model that answers by schema; completes a word list with one that cannot."""

    def __init__(self, backend: Backend, recorder: Recorder, prompts: Load = load_prompt) -> None:
        self.source = backend.name
        self._backend = backend
        self._prompt = prompts("explain" if backend.capabilities.schema else "explain_words")
        self._record = recorder(backend.name, self._prompt.source)

    async def explain(self, evidence: Evidence, background: Mapping[str, float], seed: int) -> list[Explanation]:
        """See the protocol."""
        if self._backend.capabilities.schema:
            return [await self._by_schema(evidence, seed)]
        found = await together(self._by_completion(evidence, seed, draw) for draw in range(DRAWS))
        return list({explanation.label.lower(): explanation for explanation in found}.values())

    async def _by_schema(self, evidence: Evidence, seed: int) -> Explanation:
        evidence, contexts, answer = await self._shown(evidence, seed)
        assert isinstance(answer.parsed, Label)
        label = shorten(answer.parsed.label)
        return Explanation(
            label=label,
            description=tidy(answer.parsed.description) if label else "",
            confidence=float(np.clip(answer.parsed.confidence, 0.0, 1.0)),
            explainer=self.source,
            prompt=self._prompt.source,
            contexts=tuple(context.id for context in (*contexts, *evidence.near_misses)),
        )

    async def _shown(self, evidence: Evidence, seed: int) -> tuple[Evidence, tuple[Context, ...], Answer]:
        """What was shown, and the answer: half as much of it, and half again, where more is too long for the model.

        Raises TooLongError, in the provider's words, where one firing context alone is too long.
        """
        tokens, before = PROMPT_TOKENS, None
        while True:
            contexts = within_budget(evidence, tokens, seed)
            request = self.request(evidence, contexts)
            is_least = tokens == 0
            if is_least or (request != before and await is_worth_asking(self._backend, request, self._record)):
                try:
                    answer = await ask_until_answered(self._backend, request, record=self._record)
                    return evidence, contexts, answer
                except TooLongError:
                    if is_least or (len(contexts) == 1 and not evidence.near_misses):
                        raise
            before, tokens = request, tokens // 2
            evidence = replace(evidence, near_misses=evidence.near_misses[: len(evidence.near_misses) // 2])

    def request(self, evidence: Evidence, contexts: tuple[Context, ...]) -> Request:
        """What is asked of a model that answers by schema."""
        maximum = evidence.scale or max((context.maximum for context in contexts), default=1.0)
        active = [weighed(context.tokens, strengths(context, maximum)) for context in contexts]
        silent = [one_line(context.text).strip() for context in evidence.near_misses]
        promoted = ", ".join(repr(plain(token)) for token, _ in evidence.telling)
        return Request(
            system=self._prompt.system(),
            prompt=self._prompt.render(active=active, silent=silent, promoted=promoted),
            schema=Label,
            max_tokens=300,
        )

    async def _by_completion(self, evidence: Evidence, seed: int, draw: int) -> Explanation:
        contexts = quantile_contexts(evidence, 8, seed + draw)
        listing = "; ".join(dict.fromkeys(phrase(context, before=1 if draw else 2) for context in contexts))
        request = Request(
            prompt=self._prompt.render(words=plain(listing)),
            max_tokens=16,
            draw=draw,
        )
        answer = await ask_until_answered(self._backend, request, record=self._record)
        return Explanation(
            label=shorten(answer.text),
            explainer=self.source,
            prompt=self._prompt.source,
            contexts=tuple(context.id for context in contexts),
        )


def phrase(context: Context, before: int) -> str:
    """The word on which a feature is strongest, with a word or two before it: what a word list is made of."""
    peak = int(np.argmax(context.activations))
    found = words(context.tokens)
    at = next((i for i, word in enumerate(found) if peak in word.tokens), None)
    if at is None:
        return context.tokens[peak].strip() or repr(context.tokens[peak])
    return " ".join(context.text[found[max(0, at - before)].start : found[at].end].split())


def tidy(text: str) -> str:
    """An answer's text on one line, without quotes around it, control characters or a closing full stop."""
    text = " ".join(re.sub(r"[\x00-\x1f\x7f]", " ", text).split()).strip()
    if len(text) > 1 and text[0] == text[-1] == '"' and text.count('"') == 2:
        text = text[1:-1]
    return text.rstrip(".").strip()


def shorten(label: str) -> str:
    """A label of at most MAX_WORDS words."""
    return " ".join(tidy(label).split()[:MAX_WORDS])
