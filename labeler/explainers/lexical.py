"""Explaining without a model: what the firing words and their surroundings have in common."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from labeler.features import Context, Evidence, Explanation
from labeler.words import STOPWORDS, words

FEW = 0.05
"""A word that holds less of the activation is left out of a list."""

POWER = 2
"""Of an activation, as it weighs here: a correlation is made of squares, so the strong ones decide."""

UNCLEAR = 0.15
"""Where the likeliest words hold less of the activation than this, and nothing around them stands out, nothing is clear."""


@dataclass(frozen=True)
class Counts:
    """What fires, what stands before it, and what the contexts are about, each by stem, with the commonest spelling."""

    firing: dict[str, float]
    """The share of all activation on each word."""
    before: dict[str, float]
    """The share of all activation that follows each word."""
    around: dict[str, float]
    """How much more often than elsewhere a context holds each word: log-odds times the share of contexts with it."""
    spelling: dict[str, str]


class LexicalExplainer:
    """Token statistics put into words, in several forms; which of them holds is for the ``select`` split to say."""

    source = "lexical"

    async def explain(self, evidence: Evidence, background: Mapping[str, float], seed: int) -> list[Explanation]:
        """See the protocol."""
        contexts = evidence.of("explain")
        counts = count(contexts, background)
        labels = forms(counts)
        shown = tuple(context.id for context in contexts)
        return [Explanation(label=label, explainer=self.source, contexts=shown) for label in labels or [""]]


def count(contexts: Sequence[Context], background: Mapping[str, float]) -> Counts:
    """The statistics of some firing contexts, each weighing as much as its strongest activation's share."""
    firing: defaultdict[str, float] = defaultdict(float)
    before: defaultdict[str, float] = defaultdict(float)
    holding: Counter[str] = Counter()
    spellings: defaultdict[str, defaultdict[str, float]] = defaultdict(lambda: defaultdict(float))
    for context in contexts:
        found = words(context.tokens)
        seen = set()
        for at, word in enumerate(found):
            key = word.stem
            strength = float(context.activations[word.tokens.start : word.tokens.stop].max(initial=0.0)) ** POWER
            if strength > 0:
                firing[key] += strength
                spellings[key][word.text.lower()] += strength
                if at:
                    previous = found[at - 1]
                    before[previous.stem] += strength
                    spellings[previous.stem][previous.text.lower()] += 1e-3
            seen.add(key)
            spellings[key][word.text.lower()] += 1e-6
        holding.update(seen)

    total = sum(firing.values()) or 1.0
    around = {}
    for key, n in holding.items():
        share = n / len(contexts)
        usual = background.get(key, 0.0) + 0.5 / len(contexts) if contexts else 1.0
        if n > 1 and key.isalpha() and len(key) > 2 and commonest(spellings[key]) not in STOPWORDS:
            around[key] = share * math.log(share / usual) if share > usual else 0.0
    return Counts(
        firing={key: value / total for key, value in descending(firing)},
        before={key: value / total for key, value in descending(before)},
        around=dict(descending(around)),
        spelling={key: commonest(found) for key, found in spellings.items()},
    )


def descending(weights: Mapping[str, float]) -> list[tuple[str, float]]:
    """Items by weight, the heaviest first; the first met of equals first."""
    return sorted(weights.items(), key=lambda item: -item[1])


def commonest(weights: Mapping[str, float]) -> str:
    """The key with the largest weight."""
    return max(weights, key=lambda key: weights[key])


def forms(counts: Counts) -> list[str]:
    """The ways to put the statistics, at most 12 words each; none where nothing stands out."""
    spoken = [key for key in counts.firing if any(c.isalnum() for c in key)][:8]
    strong = [key for key in spoken if counts.firing[key] >= FEW] or spoken[:6]
    marks = [key for key, share in counts.firing.items() if share >= FEW and not any(c.isalnum() for c in key)][:4]
    topic = [key for key, value in counts.around.items() if value > 0.12][:6]
    if sum(counts.firing[key] for key in [*spoken, *marks]) < UNCLEAR and not topic:
        return []

    def spelled(keys: Sequence[str]) -> list[str]:
        return [counts.spelling[key] for key in keys]

    labels = []
    if strong:
        labels.append(quoted(spelled(strong[:1])))
        labels.append(", ".join(spelled(strong)))
        lead, share = next(iter(counts.before.items()), ("", 0.0))
        if share > 0.3 and lead.isalnum():
            labels.append(f'{quoted(spelled(strong[:1]))} after "{counts.spelling[lead]}"')
    if marks:
        labels.append(quoted(spelled(marks)))
    if topic:
        labels.append(", ".join(spelled(topic)))
        if strong:
            both = list(dict.fromkeys([*spelled(strong[:3]), *spelled(topic[:3])]))
            labels.append(", ".join(both))
    return list(dict.fromkeys(labels))


def quoted(parts: Sequence[str]) -> str:
    """Words in quotes, as a label names them."""
    return ", ".join(f"'{part}'" if '"' in part else f'"{part}"' for part in parts)


def background_of(contexts: Sequence[tuple[str, ...]]) -> dict[str, float]:
    """The share of contexts that hold each stem."""
    holding: Counter[str] = Counter()
    for tokens in contexts:
        holding.update({word.stem for word in words(tokens)})
    return {key: n / max(1, len(contexts)) for key, n in holding.items()}
