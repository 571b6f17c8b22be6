"""What an explanation names to the letter: words, marks, kinds of characters, and where they have to stand.

Explanations are read as people put them: quoted words, lists behind a colon or "such as", names of marks ("closing
brackets", "a dollar sign"), kinds of words ("in capital letters", "that end in -ing", "digits") and places (after,
before, at the start of a sentence). What a word means is none of this: "months" names no month.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass

from labeler.words import STOPWORDS, stem

_QUOTED = re.compile(r"[\"“”`«]([^\"“”`»]+)[\"“”`»]|(?<!\w)'([^']+)'(?!\w)")
WEAK = 0.5
"""How active a feature is where it is said to be so weakly."""

_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)?")
_HEDGES = frozenset("weakly mostly mainly often usually sometimes especially scattered".split())
_GRAMMAR = frozenset(
    map(
        stem,
        (
            "adjective adjectives adverb adverbs article articles auxiliary conjunction conjunctions figure figures form "
            "forms kind kinds keyword keywords letter letters mark marks name names noun nouns number numbers ordinal person "
            "plural prefix preposition prepositions pronoun pronouns sign signs singular statement statements suffix verb verbs"
        ).split(),
    )
)
"""Words for kinds of words: before a list of members they only introduce it."""

_MARKS: tuple[tuple[str, str], ...] = (
    (r"triple quot(?:e|es|ation marks?)", r"\"\"\"|'''"),
    (r"(?:double quot(?:e|es|ation marks?)|double inverted commas)", '["“”]'),
    (r"(?:single quot(?:e|es|ation marks?)|single inverted commas|apostrophes?)", "['’‘]"),
    (r"(?:quotation marks?|quotes|inverted commas)", "[\"“”'’‘`]"),
    (r"(?:opening|left|open) (?:round brackets?|parenthes[ei]s)", r"\("),
    (r"(?:closing|right|close) (?:round brackets?|parenthes[ei]s)", r"\)"),
    (r"(?:opening|left|open) square brackets?", r"\["),
    (r"(?:closing|right|close) square brackets?", r"\]"),
    (r"(?:opening|left|open) (?:braces?|curly brackets?)", r"\{"),
    (r"(?:closing|right|close) (?:braces?|curly brackets?)", r"\}"),
    (r"(?:opening|left|open) brackets?", r"[(\[{]"),
    (r"(?:closing|right|close) brackets?", r"[)\]}]"),
    (r"(?:round brackets?|parenthes[ei]s)", r"[()]"),
    (r"square brackets?", r"[\[\]]"),
    (r"(?:braces?|curly brackets?)", r"[{}]"),
    (r"brackets?", r"[()\[\]{}]"),
    (r"decimal points?", r"\.(?<=\d\.)(?=\d)"),
    (r"semicolons?", ";"),
    (r"colons?", ":"),
    (r"commas?", ","),
    (r"(?:full stops?|periods?(?! of)|dots?)", r"\."),
    (r"question marks?", r"\?"),
    (r"exclamation (?:marks?|points?)", "!"),
    (r"(?:hyphens?|dash(?:es)?)", "[-–—]"),
    (r"(?:back ?slash(?:es)?)", r"\\"),
    (r"(?:forward )?slash(?:es)?", "/"),
    (r"underscores?", "_"),
    (r"double equals? signs?", "=="),
    (r"equals? signs?", "="),
    (r"plus signs?", r"\+"),
    (r"minus signs?", "[-−]"),
    (r"asterisks?", r"\*"),
    (r"hash(?:es| signs?| marks?)?", "#"),
    (r"dollar signs?", r"\$"),
    (r"per ?cent signs?", "%"),
    (r"ampersands?", "&"),
    (r"at signs?", "@"),
    (r"(?:vertical bars?|pipes?)", r"\|"),
    (r"tildes?", "~"),
    (r"(?:line breaks?|newlines?|new lines?)", r"\n"),
    (r"indentations?", r"^[ \t]+"),
    (r"punctuation(?: marks?)?", r"[^\w\s]"),
)
"""Names of marks and what they are, the longer name before one that it holds."""

_NUMERALS = {name: n for n, name in enumerate("zero one two three four five six".split())}
_CLASSES: tuple[tuple[str, str], ...] = (
    (r"percentages?", r"\d[\d.,]*\s?%"),
    (r"(?:acronyms?|all[- ]caps|(?:all )?in capitals?(?: letters)?|upper[- ]?case words?)", r"\b[A-Z][A-Z\d]+\b"),
    (r"(?:capital letters?|capitali[sz]ed(?: words?)?)", r"\b[A-Z]\w*"),
    (r"(?:snake[- ]case)", r"\b\w+_\w+\b"),
    (r"(?:camel[- ]?case)", r"\b[A-Z]?[a-z\d]+(?:[A-Z][a-z\d]+)+\b"),
    (r"(?:digits?|numbers|in figures)", r"\d+(?:[.,]\d+)*"),
)
"""Names of kinds of words and what they look like."""

_AS_WELL = {"s": "\u017f", "k": "\u212a", "i": "\u0130\u0131"}
"""Letters beside the ASCII ones that count as the same in another case."""

_UNWRITTEN = re.compile(r"[\x00-\x1f]")
_SLOT = "\x02(\\d+)\x03"
"""A quote, mark or kind that was taken out of a text; nobody writes these characters."""
_ONE = "\x02\\d+\x03"
_ARTICLE = r"(?:(?:the|an?|words?|marks?|letters?|either|right) )*"
_ANCHORS = rf" {_ARTICLE}(?:an? \w+: )?({_ONE}(?:(?:,? (?:and|or) |, ?){_ARTICLE}{_ONE})*)"
_BARE = r" ([a-z_]+(?:(?:, (?:and |or )?| and | or )[a-z_]+)*)(?=$|,| in )"
_HEDGED = r"(?P<hedged>(?:often|usually|sometimes|mostly|mainly|especially) )?(?:right |just |directly )?"
_AFTER = re.compile(rf"{_HEDGED}\b(?:after|behind|following|follows?)(?:{_ANCHORS}| (it|them)\b|{_BARE})")
_BEFORE = re.compile(rf"{_HEDGED}\b(?:before|in front of|preceding|precedes?|followed by)(?:{_ANCHORS}|{_BARE})")
_HOLDING = re.compile(rf"\b(?:with|containing|contains?){_ANCHORS}")
_ENDING = re.compile(rf"\b(?:end|ends|ending) (?:in|with){_ANCHORS}")
_BEGINNING = re.compile(rf"\b(?:begin|begins|beginning|start|starts|starting) (?:with|in){_ANCHORS}")
_PLACES: tuple[tuple[str, str, str], ...] = (
    (r"(?:start|beginning|first words?) of (?:a |the )?sentences?", r"[.!?][\"”’')\]]*\s+", ""),
    (r"(?:end|last words?) of (?:a |the )?sentences?", "", r"(?=[.!?](?:[\"”’')\]]|\s|$))"),
    (r"(?:(?:start|beginning|first words?) of|(?:start|beginn|open)ing) (?:a |the )?lines?", r"^[ \t]*", ""),
    (r"(?:(?:end|last words?) of|ending) (?:a |the )?lines?", "", r"(?=[ \t]*$)"),
)
_EXAMPLES = re.compile(r"(?:,? such as|,? like|,? e\.g\.,?) ([^:]+)$")
_SYMBOLS = r"(?<![^\s(,])(?:[=+*#$%&@|~^/\\!\"_<>]{1,4}|-{2,4}|-(?=[,)]))(?=[\s,);]|$)"
_CHUNK = r"[^\s\0()\[\]{}\"',;:]"


@dataclass(frozen=True)
class Reading:
    """What a text is searched for."""

    stems: frozenset[str] = frozenset()
    """Words, in any inflection."""
    patterns: frozenset[str] = frozenset()
    """Regular expressions with ``^`` and ``$`` for lines; their group ``at`` is what is named, where there is one."""

    def __or__(self, other: Reading) -> Reading:
        return Reading(self.stems | other.stems, self.patterns | other.patterns)


@dataclass(frozen=True)
class _Slot:
    """Something that an explanation names, taken out of its text."""

    said: str | None
    """The quoted text, where it is one."""
    pattern: str
    is_class: bool = False
    """Whether it is a kind of word, such as digits."""


@functools.lru_cache(maxsize=4096)
def read(explanation: str) -> tuple[tuple[Reading, float], ...]:
    """What the parts of an explanation (between semicolons) name, and how strongly: WEAK where it says "weakly"."""
    slots: list[_Slot] = []
    text = _QUOTED.sub(
        lambda match: _take(slots, _quoted(match[1] or match[2])), " ".join(_UNWRITTEN.sub(" ", explanation).split())
    )
    parts = [part.strip() for part in text.split(";") if part.strip()]
    return tuple((_part(part, slots), WEAK if re.match("(?:more )?weakly", part) else 1.0) for part in parts)


def _take(slots: list[_Slot], slot: _Slot) -> str:
    slots.append(slot)
    return f"\x02{len(slots) - 1}\x03"


def _quoted(said: str) -> _Slot:
    said = said.strip() or said
    affix = re.fullmatch(r"-(\w+)|(\w+)-", said)
    if affix is None:
        return _Slot(said, _literal(said))
    return _Slot(None, _suffix(affix[1]) if affix[1] else _prefix(affix[2]))


def _literal(said: str) -> str:
    """A pattern for a text as it was put: whole words at its edges, any case, any white space."""
    behind = r"(?![^\W_])" if said[-1:].isalnum() else ""
    first, *others = said.split() or [said]
    if not first[:1].isalnum():
        return f"(?i:{_spaced(first, *others)}){behind}"
    rest = _spaced(first[1:], *others)
    return f"{_initial(first[0])}(?i:{rest}){behind}" if rest else f"{_initial(first[0])}{behind}"


def _spaced(*words: str) -> str:
    return r"\s+".join(map(re.escape, words))


def _initial(letter: str) -> str:
    """A pattern for the letter or digit, in either case, that a word begins with.

    The letter comes before the condition on what stands before it: a search then hurries from one such letter to the next.
    """
    if not letter.isascii():
        return rf"(?<![^\W_])(?i:{letter})"
    lower = letter.lower()
    return rf"[{lower}{lower.upper()}{_AS_WELL.get(lower, '')}](?<![^\W_].)"


_QUOTES = re.compile(r"(?:\[(\w)\w+\]\(\?<!\[\^\\W_\]\.\))?\(\?i:((?:\\[^\w]|[\w ])+)")


def held_by(pattern: str) -> str | None:
    """A text of ASCII characters in lower case that stands, in some case, wherever a pattern matches; None where none is
    known, or hardly any."""
    match = _QUOTES.match(pattern)
    if match is None:
        return None
    held = ((match[1] or "") + re.sub(r"\\(.)", r"\1", match[2])).lower()
    return held if held.isascii() and len(held) > 2 else None


def _suffix(ending: str) -> str:
    return rf"\b[^\W\d_]{{2,}}(?i:{re.escape(ending)})s?\b"


def _prefix(beginning: str) -> str:
    if not beginning[0].isalnum():
        return rf"(?<![^\W_])(?i:{re.escape(beginning)})\w*"
    return rf"{_initial(beginning[0])}(?i:{re.escape(beginning[1:])})\w*"


def _part(text: str, quoted: list[_Slot]) -> Reading:
    """A part of an explanation; where it has a colon and what follows is to the letter, the rest only introduces it."""
    head, colon, body = text.partition(": ")
    if colon and not re.search(r"\b(?:after|behind|before|in front of) an? \w+$", head):
        listed = _members(body)
        if listed is not None:
            quotes = _named(head, quoted, has_quotes=True) if "\x02" in head else None
            return Reading(listed | _introduced(head)) | (quotes or Reading())
        found = _named(body, quoted, "\x02" in body)
        if found is not None:
            return found
    has_quotes = "\x02" in text
    examples = None
    if not has_quotes:
        if (listed := _members(text, most=1)) is not None:
            return Reading(listed)
        if (match := _EXAMPLES.search(text)) and (listed := _members(match[1])) is not None:
            examples = Reading(listed | _introduced(text[: match.start()]))
    return _named(text, quoted, has_quotes) or examples or _plain(text)


def _members(text: str, most: int = 2) -> frozenset[str] | None:
    """The stems of a list of words (of ``most`` words each), which are mentioned: small ones count; None for another text."""
    items = [item.strip() for item in re.split(r",(?: and| or)? | and | or ", text)]
    names = "|".join(name for name, _ in (*_MARKS, *_CLASSES))
    if len(items) < 2 or not all(
        re.fullmatch(r"[\w'’]+(?:[ -][\w'’]+)*", item)
        and len(item.split()) <= most
        and not re.fullmatch(rf"(?i:{names})", item)
        for item in items
    ):
        return None
    return frozenset(
        stem(word)
        for item in items
        for found in [_WORD.findall(item)]
        for word in found
        if len(found) == 1 or _counts(word)
    )


def _introduced(head: str) -> frozenset[str]:
    """What introduces a list: it may be about the same thing."""
    if "\x02" in head:
        return frozenset()
    return frozenset(key for key in map(stem, filter(_counts, _WORD.findall(head))) if key not in _GRAMMAR)


def _counts(word: str) -> bool:
    return word.lower() not in STOPWORDS


def _named(text: str, quoted: list[_Slot], has_quotes: bool) -> Reading | None:
    """What a text names by quotes, marks and kinds, alone or placed; None where it has nothing of the kind."""
    slots = list(quoted)
    text = re.sub(r"(?<![\w\x03-])-([a-z]{1,6})\b", lambda m: _take(slots, _Slot(None, _suffix(m[1]))), text)
    text = re.sub(r"\b([a-z]{2,6})-(?![\w\x02])", lambda m: _take(slots, _Slot(None, _prefix(m[1]))), text)
    text = re.sub(_SYMBOLS, lambda m: _take(slots, _Slot(None, re.escape(m[0]))), text)
    text = re.sub(
        rf"\b({'|'.join(_NUMERALS)})[- ]digits?\b",
        lambda m: _take(slots, _Slot(None, rf"(?<!\d)\d{{{_NUMERALS[m[1]]}}}(?!\d)", is_class=True)),
        text,
    )
    for kinds, is_class in ((_MARKS, False), (_CLASSES, True)):
        for name, pattern in kinds:
            slot = _Slot(None, pattern, is_class)
            text = re.sub(rf"(?i:\b{name}\b)", lambda _, slot=slot: _take(slots, slot), text)  # type: ignore[misc]
    return _placed(text.lower(), slots, has_quotes)


def _placed(text: str, slots: list[_Slot], has_quotes: bool) -> Reading | None:
    """What slots name, alone or where a relation places them; None where there are none."""

    def of(group: str) -> list[_Slot]:
        return [slots[int(n)] for n in re.findall(_SLOT, group)]

    def anchor(match: re.Match[str], bare: int) -> str | None:
        if match["hedged"]:
            return None
        if match[2]:
            return "|".join(slot.pattern for slot in of(match[2]))
        said = re.split(r", (?:and |or )?| and | or ", match[bare] or "")
        return "|".join(map(_literal, said)) if all(said) and all(map(_counts, said)) else None

    shapes: list[str] = []
    for slot in (slot for match in _ENDING.finditer(text) for slot in of(match[1])):
        shapes.append(_suffix(slot.said) if slot.said else slot.pattern)
    text = _ENDING.sub(" ", text)
    for slot in (slot for match in _BEGINNING.finditer(text) for slot in of(match[1])):
        is_mark = slot.said is None and not slot.is_class and len(slot.pattern) < 3
        shapes.append(
            _prefix(slot.said) if slot.said else rf"(?<!\w)(?:{slot.pattern})\w*" if is_mark else slot.pattern
        )
    text = _BEGINNING.sub(" ", text)
    for slot in (slot for match in _HOLDING.finditer(text) for slot in of(match[1])):
        held = re.escape(slot.said) if slot.said else slot.pattern
        shapes.append(slot.pattern if slot.is_class else rf"(?<!{_CHUNK})(?={_CHUNK}*(?i:{held})){_CHUNK}+")
    text = _HOLDING.sub(" ", text)

    places: list[tuple[str, str]] = []
    with_next = False
    for match in _AFTER.finditer(text):
        with_next = with_next or bool(match[3])
        if found := anchor(match, 4):
            places.append((rf"(?:{found})[^\S\n]*", ""))
    for match in _BEFORE.finditer(text):
        if found := anchor(match, 3):
            places.append(("", rf"(?=[^\S\n]*(?:{found}))"))
    places += [(before, behind) for name, before, behind in _PLACES if re.search(name, text)]
    for relation in (_AFTER, _BEFORE):
        text = relation.sub(lambda match: match[0] if match["hedged"] else " ", text)

    free = of(text)
    if shapes and all(slot.is_class for slot in free):
        free = []  # "numbers with a percent sign" are not all numbers
    if with_next and free:
        behind = rf"(?:{'|'.join(slot.pattern for slot in free)})[^\S\n]*(?=(?P<at>\w+))"
        return _alone(free, has_quotes) | Reading(patterns=frozenset([behind]))
    if places:
        target = "|".join([*(slot.pattern for slot in free), *shapes]) or r"\w+"
        return Reading(
            patterns=frozenset(
                # Behind an anchor the target is only looked at, not used up: it may be an anchor itself.
                f"{before}(?=(?P<at>{target}){behind})" if before else f"(?P<at>{target}){behind}"
                for before, behind in places
            )
        )
    return _alone(free, has_quotes) | Reading(patterns=frozenset(shapes)) if free or shapes else None


def _alone(free: list[_Slot], has_quotes: bool) -> Reading:
    """Slots wherever they are; beside quotes a kind of word only says what the quoted ones are."""
    single = [slot for slot in free if slot.said is not None and _WORD.fullmatch(slot.said)]
    others = [slot for slot in free if slot not in single and not (has_quotes and slot.is_class)]
    return Reading(frozenset(stem(slot.said or "") for slot in single), frozenset(slot.pattern for slot in others))


def _plain(text: str) -> Reading:
    """Every word but the small ones and those that say how a label is put; all, where nothing is left."""
    found = _WORD.findall(text)
    told = [word for word in found if _counts(word) and word.lower() not in _HEDGES and stem(word) not in _GRAMMAR]
    return Reading(frozenset(stem(word) for word in told or found))
