"""Labels of what a feature promotes are told from those of what makes it fire; in doubt they are the latter."""

import json
from importlib.resources import files

import pytest

from labeler.sides import side_of
from labeler.simulate.embedding import ordinary_labels
from tests.fakes.foreign.real import shared_data

OUTPUT = [
    'promotes "the"',
    "Promotes plural nouns",
    "promotes words about music",
    "promotes tokens related to baseball",
    "promotes female names",
    "strongly promotes the token ' of'",
    "This feature promotes months after a preposition",
    "the neuron mainly promotes closing brackets",
    "predicts a closing bracket",
    "predicts the next token is a comma",
    "predicts numbers after a dollar sign",
    "predicts 'that'",
    "boosts the word 'however'",
    "boosts past participles",
    "upweights French words",
    "up-weights newline tokens",
    "downweights capitalized words",
    "suppresses punctuation",
    "suppresses 'the' and 'a'",
    "inhibits repeated tokens",
    "next token is a verb",
    "The next word will be 'to'",
    'say "Austin"',
    "Say a capital",
    "say Texas",
    "Say months of the year",
    "say 'cat'",
    "increases the probability of ' and'",
    "increases the logit of sentence-final periods",
    "raises the likelihood of adjectives",
    "decreases the probability of the token 'not'",
    "lowers the logits for pronouns",
    "increases the odds of predicting a number",
    "increases the probability of months",
    "makes 'because' more likely",
    "output: the word dog",
    'Output " Austin" (p=0.53)',
    "outputs 'x'",
    "top logits: cat, dog, bird",
    "positive logits are verbs of motion",
    "months (promotes)",
    "tokens promoted by this feature: cities",
    "promoting plural nouns",
    "predicting the next token 'to'",
    "suppression of the token 'the'",
    'next token: "cat"',
    "say Dallas",
    "promotes German",
    "say words ending in -ed",
    "increases the probability that the next token is 'a'",
    "Feature promotes sports teams",
    "predicts that a comma follows",
]

INPUT = [
    "words about promotions",
    "text that predicts the weather",
    "promotes",
    "promotes, promoted, promoting",
    "the word 'promotes'",
    '"predicts" and its forms',
    "promotion of products and services",
    "promotes a product or service",
    "promotes health and wellness",
    "promotes cell proliferation",
    "promoting a new book",
    "promotions and job titles",
    "predicts the future",
    "predicts election outcomes",
    "predicting the weather",
    "predictions of the end of the world",
    "suppresses tumor growth",
    "suppressing dissent",
    "voter suppression",
    "boosts productivity at work",
    "boosts",
    "inhibits inflammation",
    "increases the risk of cancer",
    "increases the likelihood of disease",
    "reduces the chance of injury",
    "increases in price",
    "probability and statistics terms",
    "logit models and logistic regression",
    "the phrase 'next token is'",
    "what comes next",
    "the next day or week",
    "say, said, says",
    "say and tell",
    "say",
    "'say' followed by a quotation",
    "verbs of saying",
    "saying goodbye",
    "says who",
    "output and input devices",
    "outputs of computer programs",
    "fires on months and promotes years",
    "activates on 'in' where it predicts a year",
    "tokens before a closing bracket",
    "favorite movies",
    "favors and gifts",
    "text promoting tokens of a cryptocurrency",
    "months",
    "",
    "it promotes inclusion",
    "direction of travel",
    "units of measure",
    "promotes plant growth",
    "promotes world peace",
    "promotes a healthy lifestyle",
    "boosts the immune system",
    "the next token in a blockchain",
    "say in dialogue",
    "say what you mean",
    "promotes healthy eating",
    "favors one side in a dispute",
    "increases the chance of winning",
    "makes it more likely to rain",
    "people who say no",
]


@pytest.mark.parametrize("label", OUTPUT)
def test_what_is_promoted_is_of_the_output(label):
    assert side_of(label) == "output"


@pytest.mark.parametrize("label", INPUT)
def test_what_makes_it_fire_is_of_the_input(label):
    assert side_of(label) == "input"


def test_labels_by_a_reader_and_ordinary_ones_are_all_of_the_input():
    lines = files("eval.sample").joinpath("reference_labels.jsonl").read_text(encoding="utf-8").splitlines()
    read = [json.loads(line)["label"] for line in lines]
    assert len(read) >= 40
    assert [label for label in [*read, *ordinary_labels()] if side_of(label) != "input"] == []


def test_labels_of_another_project_are_all_of_the_input():
    lines = (shared_data("delphi_gpt2_119") / "features.jsonl").read_text(encoding="utf-8").splitlines()
    read = [json.loads(line)["explanation"] for line in lines]
    assert [label for label in read if side_of(label) != "input"] == []
