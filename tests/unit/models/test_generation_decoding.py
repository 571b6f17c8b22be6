"""A running batch, against a plain loop without cache, padding or batch: who is with whom must not matter."""

import random

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from labeler.models import generation as decoding
from labeler.models.generation import BLOCK, Decoder, Generated, Prefixes, Wanted, prompt_ids
from tests.fakes.tiny_model import CONFIGURATIONS, CONTEXT, tiny_language_model
from tests.unit.models.plain import likeliest

SHARED = "Who ate my bread? We know: five grey cats, two black dogs & 1 fox! "
PROMPTS = ["the cat", "", "dogs and other cats stood there", "日本", SHARED + "x", SHARED + "the bread", SHARED + "x"]

WINDOWED = {
    name: (name, CONFIGURATIONS[name][1] | {"sliding_window": 8}) for name in ("mistral", "gemma2", "gemma3_text")
}
OTHERS = {
    "bloom": ("bloom", {"hidden_size": 32, "n_layer": 2, "n_head": 4, "vocab_size": 300, "initializer_range": 0.2}),
    "lfm2": (
        "lfm2",
        CONFIGURATIONS["llama"][1]
        | {"layer_types": ["conv", "full_attention", "conv"], "block_auto_adjust_ff_dim": False},
    ),
}


def wanted(model, prompt, tokens=24, **fields):
    return Wanted(prompt=prompt_ids(model, prompt), max_tokens=tokens, **fields)


def finish(decoder, n):
    """Go on until so many texts are done."""
    done = {}
    for _ in range(5_000):
        done |= decoder.step()
        if len(done) == n:
            return done
    raise AssertionError(f"{len(done)} of {n} came to an end")


def write(model, *texts, prefixes=None):
    """Texts that are begun at once."""
    decoder = Decoder(model, prefixes or Prefixes())
    for name, text in enumerate(texts):
        decoder.add(name, text)
    done = finish(decoder, len(texts))
    return [done[name] for name in range(len(texts))]


def widths(monkeypatch, model):
    """The sizes of what the model is given from here on: [rows, tokens] each."""
    seen = []
    forward = model.module.base_model.forward

    def spy(*args, **kwargs):
        seen.append(tuple(kwargs["input_ids"].shape))
        return forward(*args, **kwargs)

    monkeypatch.setattr(model.module.base_model, "forward", spy)
    return seen


def check(model, text, done):
    ids = likeliest(model, text.prompt, done.output_tokens)
    if not done.truncated:
        assert ids[-1] in (model.separator_id, model.tokenizer.eos_token_id, 1, 2)
        ids = ids[:-1]
    else:
        assert done.output_tokens == text.max_tokens
    assert done.text == model.tokenizer.decode(ids, skip_special_tokens=True)
    assert done.input_tokens == len(text.prompt)


def test_texts_are_those_of_a_plain_loop(model):
    texts = [wanted(model, prompt) for prompt in PROMPTS]
    for text, done in zip(texts, write(model, *texts), strict=True):
        check(model, text, done)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(
        st.tuples(st.sampled_from(PROMPTS), st.integers(1, 12), st.integers(0, 8), st.none() | st.integers(0, 8)),
        min_size=1,
        max_size=8,
    ),
    st.integers(1, 4),
    st.sampled_from([1, 40, 1_280]),
)
def test_whoever_comes_and_goes_changes_nobodys_text(model, callers, rows, pass_tokens):
    """Each comes at a step, and may be let go of some steps later."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(decoding, "ROWS", rows)
        patch.setattr(decoding, "PASS_TOKENS", pass_tokens)
        decoder = Decoder(model, Prefixes())
        done, dropped = {}, set()
        for step in range(400):
            for name, (prompt, tokens, comes, stays) in enumerate(callers):
                if step == comes:
                    decoder.add(name, wanted(model, prompt, tokens))
                if stays is not None and step == comes + stays and name not in done:
                    decoder.drop([name])
                    dropped.add(name)
            done |= decoder.step()
        assert done.keys() | dropped == set(range(len(callers)))
        assert not done.keys() & dropped
        for name, found in done.items():
            check(model, wanted(model, callers[name][0], callers[name][1]), found)


@pytest.mark.parametrize("kind", [*CONFIGURATIONS, *(f"{name}, windowed" for name in WINDOWED), *OTHERS])
def test_every_architecture_writes_as_it_would_alone(kind, monkeypatch):
    monkeypatch.setattr(decoding, "ROWS", 4)
    windowed = kind.removesuffix(", windowed")
    if windowed != kind:
        monkeypatch.setitem(CONFIGURATIONS, kind, WINDOWED[windowed])
    elif kind in OTHERS:
        monkeypatch.setitem(CONFIGURATIONS, kind, OTHERS[kind])
    model = tiny_language_model(kind)
    dice = random.Random(0)
    texts = [
        wanted(model, SHARED * dice.randrange(3) + "".join(dice.choices("abcde the", k=dice.randrange(50))), tokens)
        for tokens in (3, 9, 1, 14, 6, 11, 2)
    ]
    decoder, done = Decoder(model, Prefixes()), {}
    for name, text in enumerate([*texts, texts[0]]):
        decoder.add(name, text)
        done |= decoder.step()
    done |= finish(decoder, len(texts) + 1 - len(done))
    for name, text in enumerate([*texts, texts[0]]):
        check(model, text, done[name])


def test_a_text_that_is_done_leaves_at_once_and_a_newcomer_takes_its_place(model, monkeypatch):
    monkeypatch.setattr(decoding, "ROWS", 2)
    seen = widths(monkeypatch, model)
    decoder = Decoder(model, Prefixes())
    for name, tokens in enumerate((3, 9, 4)):
        decoder.add(name, wanted(model, "the cat", tokens))
    left = [sorted(decoder.step()) for _ in range(8)]
    assert left == [[], [0], [], [], [2], [], [], [1]]
    one = len(prompt_ids(model, "the cat"))
    # The first of a text's tokens comes from its prompt; the step in which it does goes on by another.
    assert seen == [(2, one), (2, 1), (2, 1), (1, one), *[(2, 1)] * 3, *[(1, 1)] * 3]


def test_a_wide_row_that_leaves_takes_its_width_with_it(model):
    decoder = Decoder(model, Prefixes())
    decoder.add(0, wanted(model, "x" * 150, 3))
    decoder.add(1, wanted(model, "dogs", 9))
    finish(decoder, 1)
    assert decoder._cache.layers[0].keys.shape[2] == len(prompt_ids(model, "dogs")) + 2


def test_nothing_is_held_when_nobody_is_left(model):
    decoder = Decoder(model, Prefixes())
    decoder.add(0, wanted(model, "dogs", 9))
    decoder.add(1, wanted(model, "the cat", 9))
    decoder.step()
    decoder.drop([0, 1, 7])
    assert decoder._cache is None
    assert decoder.step() == {}


def test_what_prompts_begin_with_runs_once(model, monkeypatch):
    seen = widths(monkeypatch, model)
    prefixes = Prefixes()
    beginning = len(prompt_ids(model, SHARED))
    known = beginning // BLOCK * BLOCK
    assert known > 0
    first = write(model, *(wanted(model, SHARED + end, 1) for end in ("x", "y", "z")), prefixes=prefixes)
    assert seen == [(1, known), (3, beginning + 1 - known)]
    assert [text.cached_tokens for text in first] == [0, known, known]
    seen.clear()
    (later,) = write(model, wanted(model, SHARED + "w", 1), prefixes=prefixes)
    assert seen == [(1, beginning + 1 - known)]
    assert later.cached_tokens == known


def test_a_beginning_that_comes_once_is_not_run_by_itself(model, monkeypatch):
    seen = widths(monkeypatch, model)
    write(model, wanted(model, SHARED, 1))
    assert seen == [(1, len(prompt_ids(model, SHARED)))]


def test_long_prompts_do_not_hold_up_the_others_all_at_once(model, monkeypatch):
    monkeypatch.setattr(decoding, "PASS_TOKENS", 60)
    decoder = Decoder(model, Prefixes())
    decoder.add(0, wanted(model, "dogs", 50))
    decoder.step()
    for name, letter in enumerate("abcd", start=1):
        decoder.add(name, wanted(model, letter * 50, 1))
    assert [sorted(decoder.step()) for _ in range(5)] == [[1], [2], [3], [4], []]


def test_a_text_may_fill_the_context_and_no_more(model):
    prompt = "x" * (CONTEXT - 5)
    full, other = write(model, wanted(model, prompt), wanted(model, "x"))
    assert (full.output_tokens, full.truncated) == (4, True)
    check(model, wanted(model, "x"), other)


def test_a_draw_depends_on_its_seed_and_not_on_its_neighbours(model):
    drawn = wanted(model, "the cat", temperature=1.0, seed=7)
    (alone,) = write(model, drawn)
    for seeds in ((1, 2), (3, 4)):
        crowd = (
            wanted(model, prompt, temperature=1.0, seed=seed) for prompt, seed in zip(PROMPTS[2:4], seeds, strict=True)
        )
        assert write(model, next(crowd), drawn, *crowd)[1] == alone
    (other,) = write(model, wanted(model, "the cat", temperature=1.0, seed=8))
    assert other.text != alone.text


def test_each_text_has_its_own_limit_stop_and_temperature(model):
    (whole,) = write(model, wanted(model, "dogs"))
    stop = next(character for character in whole.text[4:] if character.isascii())
    drawn = wanted(model, "x", temperature=1.0, seed=3)
    cut, short, free = write(model, wanted(model, "dogs", stops=(stop, "never")), wanted(model, "dogs", 3), drawn)
    assert cut.text == whole.text[: whole.text.index(stop)]
    assert not cut.truncated
    assert (short.output_tokens, short.truncated) == (3, True)
    assert free == write(model, drawn)[0]


def test_a_prompt_that_cannot_run_takes_nobody_with_it(model, monkeypatch):
    forward = model.module.base_model.forward

    def narrow(*args, **kwargs):
        if kwargs["input_ids"].shape[1] > 100:
            raise RuntimeError("out of memory")
        return forward(*args, **kwargs)

    monkeypatch.setattr(model.module.base_model, "forward", narrow)
    texts = [wanted(model, prompt) for prompt in ("the cat", "x" * 150, "dogs")]
    decoder = Decoder(model, Prefixes())
    decoder.add(9, wanted(model, "bread"))
    decoder.step()
    for name, text in enumerate(texts):
        decoder.add(name, text)
    done = finish(decoder, 4)
    assert isinstance(done.pop(1), RuntimeError)
    for name, found in done.items():
        check(model, wanted(model, "bread") if name == 9 else texts[name], found)


def test_what_fails_between_tokens_is_raised(model, monkeypatch):
    decoder = Decoder(model, Prefixes())
    decoder.add(0, wanted(model, "dogs"))
    assert decoder.step() == {}

    def broken(*args, **kwargs):
        raise RuntimeError("out of memory")

    monkeypatch.setattr(model.module.base_model, "forward", broken)
    with pytest.raises(RuntimeError, match="memory"):
        decoder.step()


def test_a_model_that_keeps_a_state_writes_one_text_at_a_time(monkeypatch):
    monkeypatch.setitem(CONFIGURATIONS, "lfm2", OTHERS["lfm2"])
    model = tiny_language_model("lfm2")
    seen = widths(monkeypatch, model)
    texts = [wanted(model, prompt, 5) for prompt in PROMPTS]
    for text, done in zip(texts, write(model, *texts), strict=True):
        check(model, text, done)
    assert {rows for rows, _ in seen} == {1}


def test_nothing_to_write_is_nothing(model):
    assert Decoder(model, Prefixes()).step() == {}


def test_answers_come_as_they_are(model):
    assert all(isinstance(done, Generated) for done in write(model, *(wanted(model, "x", n) for n in range(1, 40))))
    assert not torch.is_inference_mode_enabled()
