"""What the provider answers: simple rules in place of a model, so that labels and scores made with them mean something.

A label is the words that are marked most often. A word that a label quotes is taken to be active wherever it stands.
"""

from __future__ import annotations

import bisect
import functools
import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from eval.provider.schemas import fill
from labeler.words import STOPWORDS

PLAIN = "That is all there is to say."
"""What is answered where no form is asked for."""
STRENGTH = 6
"""How active every word is taken to be that an explanation quotes."""
MOST_WORDS = 3
"""A label quotes no more."""

_WORD = re.compile(r"\w+(?:['’]\w+)*")
_MARK = re.compile(r'[^\w\s"⟦⟧]')
_MARKED = re.compile(r"⟦(.*?)⟧(?:10|[1-9])?", re.DOTALL)
_EVIDENCE = re.compile(r"<evidence(?: id=\"(\d+)\")?>(.*?)</evidence>", re.DOTALL)
_EXPLANATION = re.compile(r"<explanation>\s*(.*?)\s*</explanation>", re.DOTALL)
_CONTEXTS = re.compile(r"<contexts>\n(.*?)\n?</contexts>", re.DOTALL)
_CONTEXT = re.compile(r'<context id="(\d+)">(.*?)</context>', re.DOTALL)
_NUMBERED = re.compile(r"(\d+)\|(.*)")
_QUOTED = re.compile(r'["“]([^"“”]+)["”]')


def answer(user: str, schema: Mapping[str, Any] | None) -> str:
    """The text of the answer to what a user says: JSON that fits the schema, where there is one.

    Which prompt it is shows by its tags and the schema's names; what no rule speaks of is filled in minimally.
    """
    if schema is None:
        return PLAIN
    minimal = fill(dict(schema))
    if isinstance(minimal, dict):
        found = _said(user, schema.get("properties", {}))
        minimal |= {name: value for name, value in found.items() if name in minimal}
    return json.dumps(minimal, ensure_ascii=False)


def _said(user: str, properties: Mapping[str, Any]) -> dict[str, Any]:
    explanation = _EXPLANATION.search(user)
    contexts = _CONTEXTS.search(user)
    sets = _EVIDENCE.findall(user)
    if "label" in properties and sets:
        return explain("\n".join(shown for _, shown in sets))
    if "active" in properties and explanation and contexts:
        return simulate(explanation[1], contexts[1].split("\n"))
    if "contexts" in properties and explanation:
        return {"contexts": judge(explanation[1], user)}
    if "sets" in properties and sets:
        return {"sets": [{"id": int(number or 1), "odd": odd_one(shown)} for number, shown in sets]}
    return {}


def explain(evidence: str) -> dict[str, Any]:
    """A label: the one to three words that are marked most often; an empty one where none is marked twice.

    Of a word that is marked in part, the whole counts. Where no word is marked twice, marks of punctuation may be.
    """
    counts = Counter(marked_words(evidence))
    if max(counts.values(), default=0) < 2:
        counts = Counter(mark for inside in _MARKED.findall(evidence) for mark in _MARK.findall(inside))
    top = max(counts.values(), default=0)
    if top < 2:
        return {"label": "", "description": "", "confidence": 0.1}
    chosen = [word for word, n in counts.most_common(MOST_WORDS) if n >= 2 and 3 * n >= top]
    named = ", ".join(f'"{word}"' for word in chosen)
    kind = "word" if len(chosen) == 1 else "words"
    return {
        "label": f"the {kind} {named}",
        "description": f"It is active on the {kind} {named}, wherever in a sentence.",
        "confidence": round(sum(counts[word] for word in chosen) / counts.total(), 2),
    }


def simulate(explanation: str, lines: Sequence[str]) -> dict[str, Any]:
    """Every place of every quoted word in contexts that stand as ``number| text``, and the contexts without one."""
    wanted = quoted(explanation)
    active: list[str] = []
    silent: list[int] = []
    for number, text in (match.groups() for line in lines if (match := _NUMBERED.match(line))):
        entries = [f"{number}: {place}={STRENGTH}" for word in wanted for place in places(word, text)]
        active += entries
        if not entries:
            silent.append(int(number))
    return {"active": active, "silent": silent}


def judge(explanation: str, user: str) -> list[dict[str, Any]]:
    """Yes to contexts that hold a quoted word; where some of a context is marked, if that word is."""
    wanted = quoted(explanation)
    return [
        {"id": int(number), "yes": any(places(word, looked_at(text)) for word in wanted)}
        for number, text in _CONTEXT.findall(user)
    ]


def odd_one(shown: str) -> int:
    """Of a set of marked contexts, the one whose marked words are the rarest in the set."""
    contexts = [(int(number), set(marked_words(text))) for number, text in _CONTEXT.findall(shown)]
    counts = Counter(word for _, words in contexts for word in words)
    rarest = min(contexts, key=lambda one: max((counts[word] for word in one[1]), default=0), default=(1, set()))
    return rarest[0]


def quoted(explanation: str) -> list[str]:
    """The words and phrases that an explanation quotes, in lower case; where it quotes none, those that mean something."""
    found = [match.strip().lower() for match in _QUOTED.findall(explanation)]
    if not any(found):
        words = [word.lower() for word in _WORD.findall(explanation)]
        found = [word for word in words if len(word) >= 4 and word not in STOPWORDS]
    return list(dict.fromkeys(filter(None, found)))


def places(phrase: str, text: str) -> list[str]:
    """Where a phrase stands in a text, in any case, as whole words: ``Word`` or ``Word#2``, word by word.

    Words are written and counted as they stand in the text.
    """
    found = []
    alike: dict[str, list[int]] = {}
    for hit in _whole(phrase, re.IGNORECASE).finditer(text):
        for part in re.finditer(_WORD if _WORD.search(hit[0]) else r"\S+", hit[0]):
            word, at = part[0], hit.start() + part.start()
            if word not in alike:
                alike[word] = [other.start() for other in _whole(word).finditer(text)]
            nth = bisect.bisect_left(alike[word], at) + 1
            quote = word if len(alike[word]) < 2 else f"{word}#{nth}"
            if quote == word or quote not in text:  # what stands there to the letter would be meant as well
                found.append(quote)
    return list(dict.fromkeys(found))


def looked_at(context: str) -> str:
    """The marked words of a context, or all of it where nothing is marked."""
    return " ".join(marked_words(context)) if "⟦" in context else context


def marked_words(text: str) -> list[str]:
    """The words that lie between marks, at least in part, in lower case and in order."""
    pieces: list[str] = []
    spans: list[tuple[int, int]] = []
    at = length = 0
    for match in _MARKED.finditer(text):
        pieces += [text[at : match.start()], match[1]]
        length += match.start() - at
        spans.append((length, length + len(match[1])))
        length, at = spans[-1][1], match.end()
    pieces.append(text[at:])
    words = [(*match.span(), match[0].lower()) for match in _WORD.finditer("".join(pieces))]
    return [word for begin, end, word in words if any(begin < to and start < end for start, to in spans)]


@functools.lru_cache(maxsize=4096)
def _whole(phrase: str, flags: re.RegexFlag = re.NOFLAG) -> re.Pattern[str]:
    """A pattern for a phrase where it begins and ends no word in the middle."""
    before = r"(?<!\w)" if phrase[0].isalnum() else ""
    behind = r"(?!\w)" if phrase[-1].isalnum() else ""
    return re.compile(before + re.escape(phrase) + behind, flags)
