import asyncio

from labeler.explainers.lexical import LexicalExplainer, background_of
from tests.fakes.evidence import make_store


def explain(store, index):
    background = background_of(store.material(store.pool("explain")).tokens())
    return asyncio.run(LexicalExplainer().explain(store.evidence(index), background, seed=0))


def test_it_names_the_words_that_fire(tmp_path):
    store = make_store(tmp_path)
    assert any("penny" in e.label for e in explain(store, 3))
    months = [e.label for e in explain(store, 0)]
    assert any("march" in label and "june" in label for label in months)
    assert len(months) == len(set(months))
    assert all(len(label.split()) <= 12 for label in months)


def test_it_was_shown_contexts_of_explain_alone(tmp_path):
    store = make_store(tmp_path)
    shown = {row for e in explain(store, 1) for row in e.contexts}
    assert shown <= {context.id for context in store.evidence(1).of("explain")}


def test_without_contexts_nothing_is_clear(tmp_path):
    assert [e.unclear for e in explain(make_store(tmp_path), 4)] == [True]
