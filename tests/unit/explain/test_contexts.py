import numpy as np

from labeler.explain.contexts import listed, quantile_contexts, strengths
from labeler.explain.llm import phrase, shorten
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


def test_strengths_run_from_one_to_ten_and_only_firing_tokens_are_listed(tmp_path):
    context = make_store(tmp_path, n=300).evidence(0).contexts[0]
    values = strengths(context, context.maximum)
    assert max(values) == 10
    assert all((value > 0) == (activation > 0) for value, activation in zip(values, context.activations, strict=True))
    assert listed(context.tokens, values).count(",") == sum(value > 0 for value in values) - 1


def test_a_phrase_is_the_strongest_word_with_those_before_it(tmp_path):
    context = make_store(tmp_path, n=300).evidence(3).contexts[0]
    words = phrase(context, before=1).split()
    assert words[-1] == "penny"
    assert len(words) <= 2


def test_labels_are_one_line_of_at_most_twelve_words():
    assert shorten('"months of\nthe year."') == "months of the year"
    assert len(shorten("word " * 40).split()) == 12
