"""Which contexts an explainer is shown: over the whole range of strength, from different documents, within a budget."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

import numpy as np

from labeler.explain.marking import cost
from labeler.features import Context, Evidence

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
