import re

import numpy as np
import pytest

from eval.bench.tokens import LABEL_WORDS, long_label, summary, true_quotes
from labeler.features import Context
from labeler.simulators.quotes import on_tokens


def context(*pieces):
    return Context(
        id=0,
        document="",
        split="score",
        tokens=tuple(token for token, _ in pieces),
        activations=np.array([value for _, value in pieces], dtype=np.float32),
    )


@pytest.mark.parametrize(
    ("shown", "quotes"),
    [
        (context((" a", 0), (" slave", 8), (" b", 0)), ["slave=8"]),
        (context((" the", 0), (" sl", 3), ("ave", 8), (" the", 5)), ["slave=8", "the#2=5"]),
        (context((" New", 5), (" York", 7), (" C", 1), ("ity", 2), (".", 9)), ["New York=7", "City=2", ".=9"]),
        (context((" a", 1), ("\n", 4), ("b", 0), ("\n", 3)), ["↵=4", "↵#2=3"]),
        (context((" a", 0), ("  ", 9), ("C", 0), ("#2", 6)), ["··=9", "#2=6"]),
        (context((" a", 0), (" ", 9), ("\t", 6)), ["⇥=6"]),
        (context((" a", 0)), []),
    ],
)
def test_true_quotes_are_read_as_what_they_mean(shown, quotes):
    assert true_quotes(shown, 10.0) == quotes
    found = on_tokens(quotes, shown.tokens, len(shown.tokens))
    assert found.n_repaired == 0
    told = [value > 1 and token != " " for token, value in zip(shown.tokens, shown.activations, strict=True)]
    assert (found.values > 0)[told].all()


def test_a_long_label_has_as_many_words_as_are_asked_for():
    label = long_label(['"king", queen'])["label"]
    assert len(label.split()) == LABEL_WORDS
    assert set(re.findall(r"\w+", label)) == {"king", "queen"}


def test_figures_are_means_and_percentiles_by_what_was_done():
    rows = [
        {"what": "explaining", "score": None, "calls": 1, "static": 10, "prompt": 20 * at, "answer": at}
        for at in range(1, 4)
    ]
    rows.append({"what": "simulating", "score": 0.5, "calls": 2, "static": 1, "prompt": 7, "answer": 3})
    explaining, simulating = summary(rows)
    assert (explaining["prompt_tokens"], explaining["static_tokens"], explaining["answer_tokens"]) == (40, 10, 2)
    assert explaining["prompt_tokens_p95"] == 58
    assert explaining["score_of_true_quotes"] is None
    assert (simulating["calls"], simulating["prompt_tokens"], simulating["score_of_true_quotes"]) == (2, 7, 0.5)
