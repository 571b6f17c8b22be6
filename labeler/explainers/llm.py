"""Explanation by a chat model: which contexts it is shown, how active tokens are marked, how its answer is read."""

from __future__ import annotations

import dataclasses
import itertools
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated

import numpy as np
from pydantic import BaseModel, BeforeValidator, Field

from labeler.features import Context, Evidence, Explanation
from labeler.fence import CLOSE, OPEN, one_line, plain
from labeler.llm.answers import at_most
from labeler.llm.calls import ask_until_answered, is_worth_asking, together
from labeler.llm.errors import TooLongError
from labeler.llm.protocol import Answer, Backend, Recorder, Request
from labeler.prompts import Load, load_prompt
from labeler.words import words

LINE_TOKENS = 3
MARK_TOKENS = 7
"""What a context's line and a pair of marks with its strength take beside the text, in tokens of common models."""


def weighed(tokens: Sequence[str], strengths: Sequence[int]) -> str:
    """A context with its active tokens between marks, and how active right behind: ``⟦ slaves⟧8``.

    Neighbours share a pair of marks where they are pieces of one word, or as strong as each other; the strongest counts.
    A digit that follows is kept apart by a space. The text is fenced as a whole: a tag can be made of several tokens.
    """
    text = one_line("".join(tokens))
    ends = list(itertools.accumulate(map(len, tokens), initial=0))
    parts: list[str] = []
    for run in runs(tokens, strengths):
        piece = text[ends[run.begin] : ends[run.end]]
        if parts and not run.strength and piece[:1].isdigit():
            piece = f" {piece}"
        parts.append(f"{OPEN}{piece}{CLOSE}{run.strength}" if run.strength else piece)
    return "".join(parts).strip()


def cost(tokens: Sequence[str], strengths: Sequence[int]) -> int:
    """What a context costs when it is shown so, in tokens, its text in those of the dictionary's model."""
    return LINE_TOKENS + len(tokens) + MARK_TOKENS * sum(run.strength > 0 for run in runs(tokens, strengths))


@dataclass(frozen=True)
class Run:
    """Neighbouring tokens that share a pair of marks, or have none."""

    begin: int
    end: int
    strength: int
    """Of the strongest; 0 where they are silent."""


def runs(tokens: Sequence[str], strengths: Sequence[int]) -> list[Run]:
    """The tokens of a context in runs, in order."""
    found: list[Run] = []
    for at, strength in enumerate(strengths):
        if found and found[-1].strength and strength and tokens[at - 1][-1:].isalnum() and tokens[at][:1].isalnum():
            found[-1] = Run(found[-1].begin, at + 1, max(found[-1].strength, strength))
        else:
            found.append(Run(at, at + 1, strength))
    alike = (list(group) for _, group in itertools.groupby(found, key=lambda run: run.strength))
    return [Run(group[0].begin, group[-1].end, group[0].strength) for group in alike]


BEFORE, AFTER = 20, 6
"""Tokens that are shown before the first that is active and behind the last: what a causal model has read at a token
stands before it."""


def within_budget(evidence: Evidence, tokens: int, seed: int) -> tuple[Context, ...]:
    """``quantile_contexts``, cut to what stands around the active tokens: as many as cost at most so many tokens.

    The strongest is shown whatever it costs.
    """
    every = evidence.of("explain")
    maximum = evidence.scale or max((context.maximum for context in every), default=1.0)
    costs = {context.id: _cost(excerpt(context), maximum) for context in every}
    n = math.ceil(len(every) * tokens / max(1, sum(costs.values())))  # as many as there were room for at the mean cost
    while n > 1:
        chosen = quantile_contexts(evidence, n, seed)
        if sum(costs[context.id] for context in chosen) <= tokens:
            break
        n -= 1
    return tuple(excerpt(context) for context in quantile_contexts(evidence, max(1, n), seed))


def _cost(context: Context, maximum: float) -> int:
    return cost(context.tokens, strengths(context, maximum))


def quantile_contexts(evidence: Evidence, n: int, seed: int) -> tuple[Context, ...]:
    """At most n firing contexts of the ``explain`` split, strongest first.

    A quarter are the strongest; the others are one each from equal slices of the rest by strength, for labels made
    over the whole range hold better than labels made at the top. A text is shown once, and a document again only when
    there is no other.
    """
    distinct = {context.text.strip(): context for context in reversed(evidence.of("explain"))}
    contexts = sorted(distinct.values(), key=lambda c: -c.maximum)
    if len(contexts) <= n:
        return tuple(contexts)
    rng = np.random.default_rng([seed, evidence.index])
    chosen = _strongest(contexts, max(1, n // 4))
    documents = {context.document for context in chosen}
    shown = {context.id for context in chosen}
    rest = [context for context in contexts if context.id not in shown]
    for piece in np.array_split(np.arange(len(rest)), n - len(chosen)) if n > len(chosen) else ():
        order = [rest[i] for i in rng.permutation(piece)]
        pick = next((c for c in order if c.document not in documents), order[0])
        chosen.append(pick)
        documents.add(pick.document)
    return tuple(chosen)


def _strongest(contexts: Sequence[Context], n: int) -> list[Context]:
    """The strongest of n documents; where there are fewer, the strongest others too. ``contexts`` come strongest first."""
    first: dict[str, Context] = {}
    for context in contexts:
        first.setdefault(context.document, context)
    others = [context for context in contexts if first[context.document] is not context]
    return sorted([*first.values(), *others][:n], key=lambda context: -context.maximum)


def excerpt(context: Context) -> Context:
    """A firing context without what stands far from all of its active tokens."""
    active = np.flatnonzero(context.activations)
    shown = slice(max(0, int(active[0]) - BEFORE), int(active[-1]) + 1 + AFTER)
    return dataclasses.replace(context, tokens=context.tokens[shown], activations=context.activations[shown])


def strengths(context: Context, maximum: float) -> list[int]:
    """Every token's activation as 0 to 10 of the feature's maximum, rounded up: [n_tokens]."""
    return [min(10, math.ceil(10 * float(a) / maximum)) if a > 0 else 0 for a in context.activations]


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
