"""Which contexts an explainer is shown: over the whole range of strength, from different documents."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from labeler.features import Context, Evidence


def quantile_contexts(evidence: Evidence, n: int, seed: int) -> tuple[Context, ...]:
    """At most n firing contexts of the ``explain`` split, strongest first.

    A quarter are the strongest; the others are one each from equal slices of the rest by strength, for labels made
    over the whole range hold better than labels made at the top. A text is shown once, and a document again only when
    its slice has no other.
    """
    distinct = {context.text.strip(): context for context in reversed(evidence.of("explain"))}
    contexts = sorted(distinct.values(), key=lambda c: -c.maximum)
    if len(contexts) <= n:
        return tuple(contexts)
    rng = np.random.default_rng([seed, evidence.index])
    strongest, rest = contexts[: n // 4], contexts[n // 4 :]
    chosen, documents = list(strongest), {context.document for context in strongest}
    for piece in np.array_split(np.arange(len(rest)), n - len(strongest)):
        order = [rest[i] for i in rng.permutation(piece)]
        pick = next((c for c in order if c.document not in documents), order[0])
        chosen.append(pick)
        documents.add(pick.document)
    return tuple(chosen)


def strengths(context: Context, maximum: float) -> list[int]:
    """Every token's activation as 0 to 10 of the feature's maximum, rounded up: [n_tokens]."""
    return [min(10, math.ceil(10 * float(a) / maximum)) if a > 0 else 0 for a in context.activations]


def listed(tokens: Sequence[str], values: Sequence[int]) -> str:
    """The active tokens with their strengths, as the prompt lists them."""
    return ", ".join(
        f"{token.strip() or repr(token)} {value}" for token, value in zip(tokens, values, strict=True) if value
    )
