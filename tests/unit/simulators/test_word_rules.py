import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labeler.simulators.word_rules import WEAK, _literal, read

TEXT = 'The cat, (a) 3.5% of $20 in 1999. Going to eat: self.name = read_text("x") # walked\nNATO; two dogs'


def finds(label):
    """The words of TEXT that a label's patterns name, and the stems that it names."""
    stems, found = set(), set()
    for reading, _ in read(label):
        stems |= reading.stems
        for pattern in reading.patterns:
            compiled = re.compile(pattern, re.MULTILINE)
            group = "at" if "at" in compiled.groupindex else 0
            found |= {match[group] for match in compiled.finditer(TEXT)}
    return stems, found


@pytest.mark.parametrize(
    ("label", "stems"),
    [
        ('the word "to" in a list', {"to"}),
        ("months of the year", {"month", "year"}),
        ("compass directions: north, south and east", {"compass", "direction", "north", "south", "east"}),
        ("they, them and their", {"they", "them", "their"}),
        ("names of fruits such as apples, pears or plums", {"fruit", "appl", "pear", "plum"}),
        ('"map" and "max" in code', {"map", "max"}),
        ("the word", {"the", "word"}),
    ],
)
def test_words_that_are_named(label, stems):
    assert finds(label) == (stems, set())


@pytest.mark.parametrize(
    ("label", "found"),
    [
        ("commas", {","}),
        ("closing brackets", {")"}),
        ("brackets, opening and closing", {"(", ")"}),
        ('closing "}" or ")"', {")"}),
        ("semicolons and hash signs", {";", "#"}),
        ("words that end in -ing", {"Going"}),
        ('words ending in "-ed"', {"walked"}),
        ('words that begin with "wa"', {"walked"}),
        ("four-digit years", {"1999"}),
        ("percentages", {"3.5%"}),
        ("numbers with a percent sign", {"3.5%"}),
        ("words in capitals", {"NATO"}),
        ("names with underscores", {"read_text"}),
        ('the word after "to"', {"eat"}),
        ("digits after a dollar sign", {"20"}),
        ("the word before a comma", {"cat"}),
        ("the first word of a sentence", {"Going"}),
        ("commas, semicolons and equals signs in code: =", {"="}),
    ],
)
def test_marks_kinds_and_places_that_are_named(label, found):
    assert finds(label)[1] == found


def test_what_is_said_to_be_weak_is_weak():
    assert [strength for _, strength in read('"air"; weakly "wind"')] == [1.0, WEAK]


@pytest.mark.parametrize("label", ["", ";", '"', "\x00", "(((", 'a "*" b', "-", "\\", 'after ""', "with \x021\x03"])
def test_any_text_can_be_read(label):
    for reading, _ in read(label):
        for pattern in reading.patterns:
            re.compile(pattern)


texts = st.text(alphabet="aAsS\u017fkK\u212aiI\u0131\u0130 _-.9é\n", max_size=14)


@given(texts.filter(str.strip), texts)
def test_a_quoted_text_is_found_in_any_case_as_whole_words(said, text):
    said = said.strip()
    inner = r"\s+".join(map(re.escape, said.split()))
    before = r"(?<![^\W_])" if said[0].isalnum() else ""
    behind = r"(?![^\W_])" if said[-1].isalnum() else ""
    plain = re.compile(f"{before}(?i:{inner}){behind}")
    assert [m.span() for m in re.finditer(_literal(said), text)] == [m.span() for m in plain.finditer(text)]
