"""What a model thought, out of the text that a server sent: servers without a reasoning parser leave it there."""

from __future__ import annotations

import bisect
import json
import re
from collections.abc import Iterator

_NAMES = "think|thinking|thoughts?|reason|reasoning|analysis|scratchpad|seed:think"
_OPENING = re.compile(
    rf"<(?:{_NAMES})>|\[THINK\]|◁think▷|<\|begin_of_thought\|>"
    r"|<\|channel\|>(?:analysis|commentary)\b[^<]{0,80}<\|message\|>|<\|channel>thought\b|<unused94>",
    re.IGNORECASE,
)
_CLOSING = re.compile(
    rf"</(?:{_NAMES})>|\[/THINK\]|◁/think▷|<\|end_of_thought\|>"
    r"|<\|channel\|>final\b(?:[^<]|<\|constrain\|>){0,80}<\|message\|>|<channel\|>|<unused95>",
    re.IGNORECASE,
)
_BRACE = re.compile(r"[{}]")
_STRING_OR_BRACE = re.compile(r'"(?:[^"\\\n]|\\.)*("?)|[{}]')
_BEGUN = re.compile(
    r"""(?P<before>[\ufeff\s]*(?:```[ ]{0,4}\w{0,20}\s*)?)(?:\[\s*)?\{\s*
    (?:\Z | \w{1,80}\s*(?:\Z|:) | ["'“‘](?:[^"'”’\\]|\\.){0,80}(?:\Z|["'”’]\s*(?:\Z|:)))""",
    re.VERBOSE,
)
"""An object that begins as answers do: perhaps in a fence, perhaps in a list, and with a key as far as the text goes."""
_ENDLESS = 16
"""How many opening braces that nothing closes are gone through: each takes a walk to the end of the text."""


def parted(text: str) -> tuple[str, str]:
    """What a model thought, and what it said: the text behind its thoughts.

    Thoughts stand at the beginning, between two marks, or before a closing mark alone: templates put the opening one
    into the prompt. Without a closing mark all is thought where the opening one begins the text. A mark in a string of
    a JSON object is a word of the answer.
    """
    at = 0
    while (opening := _OPENING.match(text, _text_from(text, at))) is not None:
        closing = _CLOSING.search(text, opening.end())
        if closing is None:
            return text, ""
        at = closing.end()
    alone = _alone(text, at)
    at = at if alone is None else alone
    return text[:at], text[at:]


def tokens_of(thought: str, said: str, written: int) -> int:
    """How many of the written tokens were thoughts, those included that a server does not show.

    What is shown of them counts by its share; what is said has a token for two bytes at most.
    """
    shown = written * len(thought) // max(1, len(thought) + len(said))
    return max(0, shown, written - len(said.encode("utf-8", "replace")) // 2)


def is_begun(said: str) -> bool:
    """Whether a cut text is the beginning of an answer in JSON; if not, it was cut in its thoughts.

    Thoughts may begin with any bracket too, or with a draft: an answer has a key first, and does not end before the text.
    """
    begun = _BEGUN.match(said)
    if begun is None:
        return False
    try:
        _, end = json.JSONDecoder(strict=False).raw_decode(said, begun.end("before"))
    except (ValueError, RecursionError):
        return True
    return said[end:].strip("\ufeff \t\r\n`") == ""


def _alone(text: str, begin: int) -> int | None:
    """The end of the last closing mark that no string holds, where there are more of them than of opening ones."""
    marks = list(_CLOSING.finditer(text, begin))
    strings = list(_strings(text, begin)) if marks else []
    starts = [start for start, _ in strings]

    def quoted(at: int) -> bool:
        place = bisect.bisect_right(starts, at) - 1
        return place >= 0 and at < strings[place][1]

    marks = [mark for mark in marks if not quoted(mark.start())]
    opened = sum(1 for _ in _OPENING.finditer(text, begin, marks[-1].start())) if marks else 0
    return marks[-1].end() if len(marks) > opened else None


def _strings(text: str, begin: int) -> Iterator[tuple[int, int]]:
    """Where the strings of objects stand that begin and come to an end."""
    endless, unended = 0, (0, 0)
    while endless < _ENDLESS and (begin := text.find("{", begin)) >= 0:
        depth, strings = 0, list[tuple[int, int]]()
        for piece in _pieces(text, begin, unended):
            if piece[0] not in "{}":
                if piece[1]:
                    strings.append(piece.span())
                else:
                    unended = piece.span()
                continue
            depth += 1 if piece[0] == "{" else -1
            if depth == 0:
                yield from strings
                begin = piece.end()
                break
        else:
            endless, begin = endless + 1, begin + 1


def _pieces(text: str, begin: int, unended: tuple[int, int]) -> Iterator[re.Match[str]]:
    """The strings and the braces outside of strings.

    A string that does not end on its line is none, and no more is any that begins within it: they are gone through once,
    ``unended`` is the last one that was.
    """
    if unended[0] <= begin < unended[1]:
        yield from _BRACE.finditer(text, begin, unended[1])
        begin = unended[1]
    for piece in _STRING_OR_BRACE.finditer(text, begin):
        yield piece
        if piece[0][0] == '"' and not piece[1]:
            yield from _BRACE.finditer(text, *piece.span())


def _text_from(text: str, at: int) -> int:
    """Where the text goes on behind white space and the mark of a byte order."""
    while at < len(text) and (text[at].isspace() or text[at] == "\ufeff"):
        at += 1
    return at
