"""Windows of tokens, where they stand, and the activations on them."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from labeler.evidence.collect.forward import activations, batches, cut, placed, windows
from labeler.evidence.copies import LEFT_OUT
from labeler.evidence.corpora.registry import Passage
from labeler.evidence.sampling import split_of
from labeler.models.hooks import HookPoint
from tests.fakes.tiny_model import tiny_language_model

HOOKS = [HookPoint.parse(name) for name in ("blocks.1.mlp.hook_post", "blocks.0.hook_resid_post", "layers.1.self_attn")]
PASSAGES = [
    Passage("a", "the cat sat on the mat and the other cats stood there"),
    Passage("b", ""),
    Passage("b", "naïve café, 日本語 and 😀😀 emoji\n\ttabs, then they ate the rest of the bread"),
    Passage("c", "x"),
    Passage("a", "the rest of the bread " * 9),
]


@pytest.fixture(scope="module")
def model():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # so small a model only loses by more
    yield tiny_language_model("llama")
    torch.set_num_threads(threads)


def test_windows_hold_all_tokens_of_a_passage_in_order_with_their_text(model):
    found = list(windows(PASSAGES, model, 8))
    assert max(len(window.ids) for window in found) == 8
    for number, passage in enumerate(PASSAGES):
        own = [window for window in found if window.passage == number]
        assert {window.document for window in own} <= {passage.document}
        assert "".join(window.text for window in own) == passage.text
        assert [i for window in own for i in window.ids] == model.encode(passage.text)
        assert [window.start for window in own] == list(range(0, len(model.encode(passage.text)), 8))


@pytest.mark.parametrize("mark", ["<|im_start|>", "<|im_end|>", "<|endoftext|>"])
def test_documents_within_a_row_are_parted_at_the_tokenizers_marks(model, mark):
    """Its own beginning and end, and one that another family has for that."""
    passages = [Passage("a", f"{mark}the cat sat{mark}{mark}on the mat and stood there{mark}")]
    found = list(windows(passages, model, 8))
    parts = "the cat sat", "on the mat and stood there"
    assert [i for window in found for i in window.ids] == [i for part in parts for i in model.encode(part)]
    assert [window.text for window in windows(passages, model, 999)] == list(parts)


def test_a_piece_of_a_window_knows_where_it_stands(model):
    window = list(windows(PASSAGES, model, 16))[1]
    piece = window.cut(4, 9)
    assert (piece.passage, piece.start, piece.document) == (window.passage, window.start + 4, window.document)
    assert np.array_equal(piece.ids, window.ids[4:9])
    assert piece.text == window.text[window.ends[3] : window.ends[8]]


def test_every_context_has_a_split_and_copies_have_that_of_the_first(model):
    text = "they ate the rest of the bread while the other cats stood there in the breath of a naïve air"
    passages = [Passage(f"d{i}", text) for i in range(20)]
    found = list(placed(windows(passages, model, 16), 8))
    assert [len(window.splits) for window in found] == [-(-len(window.ids) // 8) for window in found]
    assert {int(split) for window in found for split in window.splits} == {split_of("d0")}
    assert [(w.passage, w.start, w.text) for w in found] == [
        (w.passage, w.start, w.text) for w in windows(passages, model, 16)
    ]


def test_contexts_that_are_left_out_take_their_tokens_along(model):
    found = list(windows(PASSAGES, model, 8))
    splits = [np.arange(-(-len(window.ids) // 4), dtype=np.uint8) % 2 * LEFT_OUT for window in found]
    batch = [replace(window, splits=of_window) for window, of_window in zip(found, splits, strict=True)]
    contexts, kept = cut(batch, 5, 4)
    assert contexts.texts() == [window.cut(0, 4).text for window in found]
    assert contexts.ordinal.tolist() == list(range(5, 5 + len(found)))
    assert set(contexts.split.tolist()) == {0}
    wanted = [at < 4 for window in found for at in range(len(window.ids))]
    assert kept.tolist() == wanted


def test_batches_are_runs_of_windows(model):
    whole = list(windows(PASSAGES, model, 8))
    runs = list(batches(iter(whole), 20))
    assert [window.text for run in runs for window in run] == [window.text for window in whole]
    assert all(sum(len(window.ids) for window in run) >= 20 for run in runs[:-1])


def alone(model, window, bos=True):
    begin = [model.bos_id] if bos else []
    ids = torch.tensor([[*begin, *window.ids.tolist()]])
    return [value[0, len(begin) :] for value in model.activations(ids, HOOKS)]


@pytest.mark.parametrize("rows", [None, 1, 2, 1_000])
@pytest.mark.parametrize("bos", [True, False])
def test_activations_are_those_of_each_window_by_itself(model, rows, bos):
    batch = list(windows(PASSAGES, model, 8))
    told = []
    found = activations(model, HOOKS, batch, rows, told.append, first=model.bos_id if bos else None)
    assert told == sorted(told)
    assert told[-1] == sum(len(window.ids) for window in batch)
    wanted = [torch.cat(parts) for parts in zip(*(alone(model, window, bos) for window in batch), strict=True)]
    assert [value.shape[1] for value in found] == [48, 32, 32]
    for ours, theirs in zip(found, wanted, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("chosen", [slice(0, 2), slice(3, 4), slice(38, None), slice(0, 0)])
def test_what_is_wanted_is_bit_by_bit_what_it_is_among_all(model, chosen):
    batch = list(windows([Passage("d", "the cat sat on the mat " * (1 + n % 5)) for n in range(40)], model))
    ends = np.cumsum([0, *(len(window.ids) for window in batch)])
    wanted = np.zeros(len(batch), dtype=bool)
    wanted[chosen] = True
    every, told = [], []
    whole = activations(model, HOOKS, batch, 1, every.append, first=None)
    some = activations(model, HOOKS, batch, 1, told.append, first=None, wanted=wanted)
    assert len(told) < len(every)
    for at in np.flatnonzero(wanted):
        for ours, theirs in zip(some, whole, strict=True):
            assert torch.equal(ours[ends[at] : ends[at + 1]], theirs[ends[at] : ends[at + 1]])


def test_windows_of_like_length_share_a_pass(model):
    """No pass holds more than a little padding, whatever order the windows come in."""
    text = "the cat sat on the mat " * 40
    texts = [text[: 1 + 37 * i % 600] for i in range(240)]
    batch = list(windows([Passage("d", piece) for piece in texts], model))
    seen = []
    handle = model.module.get_decoder().embed_tokens.register_forward_pre_hook(
        lambda _, args: seen.append(args[0].shape)
    )
    try:
        activations(model, HOOKS[:1], batch, rows=8, first=model.bos_id)
    finally:
        handle.remove()
    tokens = sum(len(window.ids) + 1 for window in batch)
    assert sum(rows * width for rows, width in seen) < 1.1 * tokens
    assert max(rows * width for rows, width in seen) <= 8 * 129
    assert len(seen) < 1.3 * tokens / (8 * 129)
