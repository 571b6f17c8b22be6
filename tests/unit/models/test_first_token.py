"""Which token a text begins with: for dictionaries, and for prompts of one's own."""

from dataclasses import replace

import pytest

from labeler.errors import InputError
from tests.fakes.tiny_model import tiny_language_model


class Tokenizer:
    """Special tokens, and nothing else of a tokenizer."""

    def __init__(self, vocabulary, bos=None, eos=None):
        self.vocabulary = vocabulary
        self.bos_token_id, self.eos_token_id = (None if t is None else vocabulary.index(t) for t in (bos, eos))

    def convert_tokens_to_ids(self, token):
        return self.vocabulary.index(token) if token in self.vocabulary else 0  # 0: what is unknown

    def convert_ids_to_tokens(self, token_id):
        return self.vocabulary[token_id]


WORDS = ["<unk>", "<s>", "</s>", "<|endoftext|>"]


def model(*args, **kwargs):
    return replace(tiny_language_model("llama"), tokenizer=Tokenizer(*args, **kwargs))


@pytest.mark.parametrize(
    ("tokenizer", "first", "separator"),
    [
        ({"vocabulary": WORDS, "bos": "<s>", "eos": "</s>"}, "<s>", "<|endoftext|>"),
        ({"vocabulary": WORDS, "eos": "</s>"}, "<|endoftext|>", "<|endoftext|>"),
        ({"vocabulary": WORDS[:3], "bos": "<s>", "eos": "</s>"}, "<s>", "<s>"),
        ({"vocabulary": WORDS[:3], "eos": "</s>"}, "</s>", "</s>"),
        ({"vocabulary": WORDS, "bos": "<|endoftext|>", "eos": "<|endoftext|>"}, "<|endoftext|>", "<|endoftext|>"),
    ],
)
def test_dictionaries_read_behind_the_tokenizers_own_first_token(tokenizer, first, separator):
    found = model(**tokenizer)
    assert (WORDS[found.bos_id], WORDS[found.separator_id]) == (first, separator)
    assert found.first_id("") == found.bos_id


def test_a_dictionary_can_name_another():
    found = model(WORDS, bos="<s>", eos="</s>")
    assert found.first_id("<|endoftext|>") == 3
    with pytest.raises(InputError, match=r"'<start>', which the dictionary was trained behind, is no token of"):
        found.first_id("<start>")


def test_a_tokenizer_without_any_is_refused():
    with pytest.raises(InputError, match=r"has no token to start a window with \(BOS or EOS\)"):
        _ = model(WORDS[:1]).bos_id
