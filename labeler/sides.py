"""Whether a label says what makes a feature fire, or what the feature makes the model say.

Only the common ways of saying the latter are known, and where a phrase may be of either kind it counts as the former:
"promotes a product" is said of text, "promotes plural nouns" of a feature. What stands between quotation marks is a word
that a label is about, and none of its own.
"""

from __future__ import annotations

import re
from typing import Literal

Side = Literal["input", "output"]

OUTPUT_REASON = "it says what the feature promotes, not what makes it fire; --output-labels scores it all the same"
"""Why such a label is not scored on where its feature fires."""

_QUOTED = re.compile(r"\"[^\"]*\"|“[^”]*”|«[^»]*»|`[^`]*`|(?<!\w)['‘][^'’]+['’](?!\w)")
_MARK = "§"
"""What stands for a quotation."""

_SUBJECT = (
    r"(?:(?:(?:this|the|an?|each) )?(?:sae |transcoder |output |mlp )?"
    r"(?:feature|neuron|latent|unit|direction|node|vector|it)s?(?: (?:that|which))?\s+)?"
)
_HOW = (
    r"(?:(?:also|always|consistently|directly|generally|heavily|likely|mainly|mostly|often|primarily|slightly|strongly|"
    r"usually|typically)\s+)*"
)

_VERB = (
    r"(?:promotes|predicts|boosts|suppresses|inhibits|favou?rs|up-?weights|down-?weights|up-?votes|pushes up|outputs)"
)
_ING = r"(?:promoting|predicting|boosting|suppressing|inhibiting|favou?ring|up-?weighting|down-?weighting|outputting)"
_NOUN = r"(?:promotion|prediction|boosting|suppression|inhibition|up-?weighting|down-?weighting) of"
_CHANGE = (
    r"(?:increas(?:es?|ing)|rais(?:es?|ing)|boost(?:s|ing)?|enhanc(?:es?|ing)|decreas(?:es?|ing)|lower(?:s|ing)?|"
    r"reduc(?:es?|ing))"
)
_CHANCE = r"(?:probabilit(?:y|ies)|likelihoods?|odds|chances?)"
_LOGIT = r"(?:logits?|log-?prob(?:abilitie)?s?|log-?prob(?:abilit)?y)"
_WHOSE = r"(?:the |its )?(?:model'?s? |predicted |output |next-?token )*"

_SPEECH = re.compile(
    rf"{_MARK}|\b(?:tokens?|words?|letters?|characters?|digits?|numbers?|numerals?|punctuation|comm?as?|periods?|colons?|"
    r"semicolons?|newlines?|line breaks?|spaces?|whitespace|hyphens?|dashes|quot\w+|brackets?|parenthes[ie]s|full stops?|"
    r"nouns?|pronouns?|verbs?|adjectives?|adverbs?|prepositions?|conjunctions?|determiners?|articles?|auxiliar\w+|participles?|"
    r"infinitives?|gerunds?|suffix\w*|prefix\w*|syllables?|subwords?|names?|surnames?|plurals?|singular|capital\w*|uppercase|"
    r"lowercase|phrases?|completions?|continuations?|endings?|end of (?:the )?(?:sentence|text|line)|next|following|"
    r"synonyms?|languages?|outputs?|logits?|EOS|BOS)\b",
    re.IGNORECASE,
)
"""What a model says, rather than what the world has."""

_WORLD = re.compile(
    r"(?:[\w'-]+ +){0,3}?"
    r"(?:products?|services?|brands?|business\w*|goods|sales?|events?|campaigns?|causes?|ideas?|ideolog\w+|awareness|peace|"
    r"equality|diversity|inclusion|rights|health|wellness|fitness|lifestyles?|well-?being|growth|development|jobs?|investments?|trade|tourism|"
    r"education|learning|research|innovation|competition|cooperation|change|safety|security|weather|rain|storms?|climate|future|"
    r"outcomes?|results?|risks?|success|failures?|elections?|winners?|earthquakes?|prices?|markets?|demand|behaviou?rs?|"
    r"performance|productivity|efficiency|morale|confidence|energy|mood|immun\w+|metabolism|appetite|cells?|tumou?rs?|cancers?|"
    r"inflammation|enzymes?|proteins?|genes?|apoptosis|proliferation|angiogenesis|differentiation|survival|disease\w*|symptoms?|"
    r"infections?|pain|deaths?|mortality|stroke|accidents?|injur\w+|dissent|protests?|opposition|free speech|emotions?|feelings?|"
    r"anger|evidence|votes?|turnout|employees?|officers?|workers?|people|sides?|eating|living|drinking|exercise|winning|losing|it$)\b",
    re.IGNORECASE,
)
"""What text may be said to promote, to predict or to make likelier."""

_LIST = re.compile(r"[,;/|&)]|(?:and|or|of|in|for|from|by|with|on|at)\b", re.IGNORECASE)
"""What goes on a list of words, or makes a noun of the verb before it."""

_FIRES = re.compile(r"\b(?:fires?|firing|activat\w+|active|responds?|responding|detects?|triggered)\b", re.IGNORECASE)


def _starts(pattern: str) -> re.Pattern[str]:
    return re.compile(rf"{_SUBJECT}{_HOW}{pattern}", re.IGNORECASE)


_ACTS = _starts(rf"{_VERB}\s+(?P<what>.*)")
_ACTING = re.compile(rf"(?:{_ING}|{_NOUN})\s+(?P<what>.*)", re.IGNORECASE)
_LIKELIER = _starts(rf"{_CHANGE} {_WHOSE}{_CHANCE} (?:of|for|that)\s+(?P<what>.*)")
_MAKES = _starts(r"makes? (?P<what>.*?)\s+(?:more|less) (?:likely|probable)\b.*")
_CERTAIN = (
    _starts(rf"{_CHANGE} {_WHOSE}{_LOGIT}\b.*"),
    _starts(rf"(?:{_VERB}|{_ING}) {_WHOSE}{_LOGIT}\b.*"),
    re.compile(
        r"(?:the )?next[- ](?:token|word|character)s?(?::| (?:is|are|will be|should be|would be|to be|prediction)\b).*",
        re.IGNORECASE,
    ),
    re.compile(
        r"(?:top|positive|negative|output|promoted|boosted|suppressed) (?:\w+ )?(?:logits?|tokens?|words?)\s*(?::|are\b|is\b).*",
        re.IGNORECASE,
    ),
    re.compile(rf"outputs?(?:-side)?\s*(?::|{_MARK}).*", re.IGNORECASE),
    re.compile(r".*[(\[]\s*(?:output|promotes?|predicts?|boosts?|upweights?)\s*[)\]]\.?", re.IGNORECASE),
    re.compile(
        r".*\b(?:promoted|boosted|predicted|suppressed|up-?weighted|down-?weighted) by (?:this|the) "
        r"(?:feature|neuron|latent|unit)\b.*",
        re.IGNORECASE,
    ),
    re.compile(rf".*\b(?:this|the) (?:feature|neuron|latent|unit) {_HOW}{_VERB}\b.*", re.IGNORECASE),
)
_SAY = re.compile(
    rf"say(?:\s*:)?\s+(?!(?:and|or|as|in|at|to|verbs?$|what|which|followed|preceded|before|after|preceding|with|tokens?$)\b)(?P<what>\S.*)|say\s*{_MARK}.*",
    re.IGNORECASE,
)


def side_of(label: str) -> Side:
    """The side that a label speaks of; ``input`` where nothing says otherwise."""
    text = _QUOTED.sub(_MARK, " ".join(label.split())).strip()
    if _FIRES.search(text):
        return "input"
    if _SAY.fullmatch(text) or any(pattern.fullmatch(text) for pattern in _CERTAIN):
        return "output"
    for pattern in (_ACTS, _LIKELIER, _MAKES):
        if (found := pattern.fullmatch(text)) and _is_said(found["what"]):
            return "output"
    if (found := _ACTING.fullmatch(text)) and _SPEECH.search(found["what"]):
        return "output"
    return "input"


def _is_said(what: str) -> bool:
    """Whether the object of a verb is something that a model says."""
    if not what or _LIST.match(what):
        return False
    return bool(_SPEECH.search(what)) or not _WORLD.match(what)
