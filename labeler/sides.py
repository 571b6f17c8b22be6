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

_TOKEN = re.compile(
    rf"{_MARK}|\b(?:tokens?|digits?|numerals?|punctuation|comm?as?|colons?|semicolons?|newlines?|line breaks?|whitespace|"
    r"hyphens?|quotes?|quotation \w+|(?:brackets?|braces?|parenthes[ie]s)|full stops?|(?:closing|opening|end) (?:\w+ )?tags?|"
    r"nouns?|pronouns?|verbs?|adjectives?|adverbs?|prepositions?|conjunctions?|determiners?|auxiliar\w+|participles?|"
    r"infinitives?|gerunds?|suffix\w*|prefix\w*|syllables?|subwords?|completions?|continuations?|"
    r"end of (?:the )?(?:sentence|text|line)|(?:next|following) (?:words?|characters?|letters?)|EOS|BOS)\b|"
    r"^(?:(?:an?|the) )?(?:[\w-]+ )?(?:numbers?|words?|names?|characters?|phrases?|capital letters?)"
    r"(?: (?:next|to (?:follow|come)|after\b.*|before\b.*))?$",
    re.IGNORECASE,
)
"""The same, but what nobody and nothing else would speak of; for verbs that people and things have as well."""

_LIST = re.compile(r"[,;/|&)]|(?:and|or|of|in|for|from|by|with|on|at)\b", re.IGNORECASE)
"""What goes on a list of words, or makes a noun of the verb before it."""

_FIRES = re.compile(r"\b(?:fires?|firing|activat\w+|active|responds?|responding|detects?|triggered)\b", re.IGNORECASE)


_ENCLOSED = re.compile(r"^[\[({<]([^\[\](){}<>]+)[\])}>]\.?$")
"""A label that stands between brackets as a whole."""


def _starts(pattern: str) -> re.Pattern[str]:
    return re.compile(rf"{_SUBJECT}{_HOW}{pattern}", re.IGNORECASE)


_MODEL = r"(?:(?:the|a|an|this) )?(?:(?:language|base|underlying) )?(?:model|LL?M|network|transformer)"
_SAYS = (
    r"(?:output|predict|say|emit|generat|produc|writ|print|complet|continu|respond|answer|insert|repeat|favou?r|promot|choos)"
    r"(?:e?s|e|t?ing)?\b"
)
_PUSHES = (
    r"(?:caus|lead|mak|push|driv|steer|encourag|nudg|prompt|induc|influenc|bias|tell|prepar|instruct|forc|prim|inclin|cu|"
    r"result)(?:e?s|ses|ing|sing)?(?: in)?"
)

_ACTS = _starts(rf"{_VERB}\s+(?P<what>.*)")
_ACTING = re.compile(rf"(?:{_ING}|{_NOUN})\s+(?P<what>.*)", re.IGNORECASE)
_LIKELIER = _starts(rf"{_CHANGE} {_WHOSE}{_CHANCE} (?:of|for|that)\s+(?P<what>.*)")
_MAKES = _starts(r"(?:makes?|making) (?P<what>.*?)\s+(?:(?:more|less) (?:likely|probable)|likelier)\b.*")
_TELLS = (
    _starts(r"(?:(?:anticipat|expect|forecast|await)(?:e?s|ing)|prepar(?:es|ing) for|anticipation of)\s+(?P<what>.*)"),
    _starts(r"(?:promote|predict|boost|suppress|inhibit|output|emit|up-?weight|down-?weight)\s+(?P<what>.*)"),
    _starts(
        rf"(?:contribut(?:es|ing) to|helps?(?: {_MODEL})?(?: to| in)?|aids?(?: in)?|responsible for) {_SAYS}\s+(?P<what>.*)"
    ),
    re.compile(
        rf"{_MODEL} (?:(?:then|now|next|will|should|tends? to|is (?:likely|about) to|is) )*{_SAYS}\s+(?P<what>.*)",
        re.IGNORECASE,
    ),
    re.compile(rf"{_PUSHES} {_MODEL} (?:in )?(?:favou?r of|towards?|to)\s+(?P<what>.*)", re.IGNORECASE),
    re.compile(
        rf"(?:higher|lower|greater|increased|decreased|raised|boosted|reduced) {_WHOSE}(?:{_CHANCE}|{_LOGIT}) "
        r"(?:of|for|on|that)\s+(?P<what>.*)",
        re.IGNORECASE,
    ),
    re.compile(r"makes? it (?:(?:more|less) )?(?:likely|likelier|probable) that\s+(?P<what>.*)", re.IGNORECASE),
)
_CERTAIN = (
    _starts(
        rf"{_PUSHES} {_MODEL}(?:'s (?:output|prediction))? (?:(?:to|into|towards?|be|more|less|likely|strongly|often|start|"
        rf"being) )*{_SAYS}.*"
    ),
    _starts(rf"{_CHANGE} {_WHOSE}{_CHANCE} (?:(?:that|of) )?{_MODEL}\b.*"),
    _starts(rf"{_CHANGE} {_WHOSE}{_CHANCE} to {_SAYS}.*"),
    _starts(rf"{_CHANGE} (?:the )?P ?\(.+"),
    _starts(
        r"(?:leads? to|signals|indicates|suggests|implies|means)(?: that)? (?:the )?(?:next|following) "
        r"(?:token|word|character)s?\b.*"
    ),
    _starts(
        r"(?:promot(?:es?|ed|ing)|predict(?:s|ed|ing)?|boost(?:s|ed|ing)?|suppress(?:es|ed|ing)?|inhibit(?:s|ed|ing)?|"
        r"up-?weight(?:s|ed|ing)?|down-?weight(?:s|ed|ing)?)(?: (?:tokens?|words?))? ?(?::|=|->|→).*\S"
    ),
    re.compile(
        r"(?:(?:the|most) )*(?:likely|probable|expected|predicted|promoted) (?:next|following|upcoming) "
        r"(?:tokens?|words?|characters?)\b.*",
        re.IGNORECASE,
    ),
    re.compile(
        r"(?:the )?(?:tokens?|words?|characters?) (?:that (?:are|is) )?(?:(?:most|more|less) )?(?:likely|expected|predicted) "
        r"to (?:come next|be next|appear next|follow|be output|be predicted)\b.*",
        re.IGNORECASE,
    ),
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
    text = _ENCLOSED.sub(r"\1", _QUOTED.sub(_MARK, " ".join(label.split())).strip())
    if _FIRES.search(text):
        return "input"
    if _SAY.fullmatch(text) or any(pattern.fullmatch(text) for pattern in _CERTAIN):
        return "output"
    for pattern in (_ACTS, _LIKELIER, _MAKES):
        if (found := pattern.fullmatch(text)) and _is_said(found["what"]):
            return "output"
    if any((found := pattern.fullmatch(text)) and _TOKEN.search(found["what"]) for pattern in _TELLS):
        return "output"
    if (found := _ACTING.fullmatch(text)) and _SPEECH.search(found["what"]):
        return "output"
    return "input"


def _is_said(what: str) -> bool:
    """Whether the object of a verb is something that a model says."""
    if not what or _LIST.match(what):
        return False
    return bool(_SPEECH.search(what)) or not _WORLD.match(what)
