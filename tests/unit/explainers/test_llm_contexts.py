import dataclasses

import numpy as np
import pytest

from labeler.explainers.llm import (
    AFTER,
    BEFORE,
    cost,
    excerpt,
    phrase,
    quantile_contexts,
    shorten,
    strengths,
    within_budget,
)
from labeler.features import Context
from tests.fakes.evidence import make_store


def test_contexts_cover_the_range_and_come_from_explain_alone(tmp_path):
    evidence = make_store(tmp_path).evidence(1)
    shown = quantile_contexts(evidence, 12, seed=0)
    assert len(shown) == 12
    assert {context.split for context in shown} == {"explain"}
    maxima = np.array([context.maximum for context in shown])
    every = np.array([context.maximum for context in evidence.of("explain")])
    assert maxima[0] == every.max()
    assert (maxima < np.median(every)).sum() >= 3
    assert len({context.document for context in shown}) == 12
    assert [c.id for c in shown] == [c.id for c in quantile_contexts(evidence, 12, seed=0)]


def test_a_document_is_shown_again_only_where_there_is_no_other(tmp_path):
    evidence = make_store(tmp_path).evidence(1)
    of_two = tuple(
        dataclasses.replace(context, document=f"document {at % 2}") for at, context in enumerate(evidence.contexts)
    )
    shown = quantile_contexts(dataclasses.replace(evidence, contexts=of_two), 12, seed=0)
    assert len({context.id for context in shown}) == 12
    assert len({context.document for context in shown[:2]}) == 2


def spent(evidence, shown):
    maximum = max(context.maximum for context in evidence.of("explain"))
    return sum(cost(context.tokens, strengths(context, maximum)) for context in shown)


@pytest.mark.parametrize("budget", [60, 200, 500])
def test_as_many_are_shown_as_the_budget_has_room_for(tmp_path, budget):
    evidence = make_store(tmp_path).evidence(1)
    shown = within_budget(evidence, budget, seed=0)
    assert 0.7 * budget < spent(evidence, shown) <= budget
    assert {context.split for context in shown} == {"explain"}


def test_a_small_feature_is_shown_whole_and_the_strongest_context_in_any_case(tmp_path):
    evidence = make_store(tmp_path, n=60).evidence(3)
    texts = {context.text for context in evidence.of("explain")}
    assert len(within_budget(evidence, 100_000, seed=0)) == len(texts)
    only = within_budget(evidence, 1, seed=0)
    assert [context.maximum for context in only] == [max(context.maximum for context in evidence.of("explain"))]


def test_without_contexts_nothing_is_shown(tmp_path):
    assert within_budget(make_store(tmp_path, n=60).evidence(4), 500, seed=0) == ()


def test_what_stands_far_from_active_tokens_is_cut():
    activations = np.zeros(60, dtype=np.float32)
    activations[[30, 35]] = 2, 1
    whole = Context(
        id=7, document="d", split="explain", tokens=tuple(f" {at}" for at in range(60)), activations=activations
    )
    cut = excerpt(whole)
    assert cut.tokens == whole.tokens[30 - BEFORE : 35 + 1 + AFTER]
    assert cut.activations.tolist() == activations[30 - BEFORE : 35 + 1 + AFTER].tolist()
    assert (cut.id, cut.maximum) == (7, 2)
    assert excerpt(cut).tokens == cut.tokens


def test_strengths_run_from_one_to_ten_where_it_is_active(tmp_path):
    context = make_store(tmp_path, n=300).evidence(0).contexts[0]
    values = strengths(context, context.maximum)
    assert max(values) == 10
    assert all((value > 0) == (activation > 0) for value, activation in zip(values, context.activations, strict=True))


def test_a_phrase_is_the_strongest_word_with_those_before_it(tmp_path):
    context = make_store(tmp_path, n=300).evidence(3).contexts[0]
    words = phrase(context, before=1).split()
    assert words[-1] == "penny"
    assert len(words) <= 2


def test_labels_are_one_line_of_at_most_twelve_words():
    assert shorten('"months of\nthe year."') == "months of the year"
    assert len(shorten("word " * 40).split()) == 12
