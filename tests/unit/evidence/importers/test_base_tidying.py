import numpy as np

from labeler.evidence.importers.base import ForeignFeature, ForeignWindow, distinct, pieces, tidy


def window(tokens, values=None, **more):
    tokens = tokens.split("|") if isinstance(tokens, str) else tokens
    values = range(len(tokens)) if values is None else values
    return ForeignWindow(tokens=tuple(tokens), activations=np.array(values, dtype=np.float32), **more)


def tidied(*windows, **fields):
    return next(iter(tidy([ForeignFeature(index=0, windows=windows, **fields)])))


def test_documents_are_cut_apart_and_the_marks_belong_to_neither():
    whole = ["<bos>", "a", "b", "<|endoftext|>", "<s>", "c", "<|BOS|>", "d", "e", "<|begin_of_text|>"]
    found = pieces(window(whole))
    assert [piece.tokens for piece in found] == [("a", "b"), ("c",), ("d", "e")]
    assert [piece.activations.tolist() for piece in found] == [[1, 2], [5], [7, 8]]
    assert all(piece.document is None for piece in found)


def test_pieces_of_a_named_document_keep_its_name():
    """Two windows of a packed row would else give their common document two names, and so two splits."""
    found = pieces(window("a|<bos>|b", document="row 7", stratum="top"))
    assert [(piece.document, piece.stratum) for piece in found] == [("row 7", "top")] * 2


def test_windows_without_text_are_none():
    assert tidied(window([]), window("<bos>"), window("<bos>|<pad>")).windows == ()


def test_each_window_is_kept_once():
    same = [window("a|b"), window("a|b"), window("a|b", document="x"), window("a|b", [0, 7])]
    assert [*distinct(same)] == [same[0], same[2], same[3]]
    # Also where they become equal only when cut or cleaned.
    assert len(tidied(window("<bos>|a|b", [0, 0, 1]), window("a|b")).windows) == 1


def test_tokens_and_logits_are_cleaned_by_one_decision():
    found = tidied(window("Ġthe|Ġcat"), promoted=(("Ġdog", 2.0),), suppressed=(("Ċ", -1.0),))
    assert found.windows[0].tokens == (" the", " cat")
    assert found.promoted == ((" dog", 2.0),)
    assert found.suppressed == (("\n", -1.0),)


def test_the_decision_is_taken_over_features_together():
    features = [ForeignFeature(index=i, windows=(window(t),)) for i, t in enumerate(["Ġthe|Ġcat", "âĢ|ľ|x"])]
    assert [feature.windows[0].tokens for feature in tidy(features)] == [(" the", " cat"), ("“", "", "x")]


def test_statistics_never_say_less_than_the_windows():
    shown = window("a|b", [0.0, 3.0])
    assert tidied(shown, max_activation=2.0, density=0.0).max_activation == 3.0
    assert tidied(shown, max_activation=2.0, density=0.0).density is None
    assert tidied(shown, max_activation=5.0, density=0.5).max_activation == 5.0
    assert tidied(shown).max_activation is None
    silent = tidied(window("a|b", [0.0, 0.0]), density=0.0)
    assert silent.density == 0.0


def test_many_features_keep_their_order():
    features = [ForeignFeature(index=i, windows=()) for i in range(10_000)]
    assert [feature.index for feature in tidy(features)] == list(range(10_000))
    assert list(tidy([])) == []
