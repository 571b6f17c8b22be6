import pytest

from labeler.evidence.formats.marks import is_mark

MARKS = [
    *(
        "<bos>",
        "<eos>",
        "<pad>",
        "<s>",
        "</s>",
        "<BOS_TOKEN>",
        "<EOS_TOKEN>",
        "<PAD>",
        "[PAD]",
        "[BOS]",
        "[CLS]",
        "[SEP]",
    ),
    *(
        "<|endoftext|>",
        "<|begin_of_text|>",
        "<|end_of_text|>",
        "<|startoftext|>",
        "<|finetune_right_pad_id|>",
        "<|BOS|>",
    ),
    *("<|padding|>", "<|pad|>", "<|start_of_document|>", "<|begin▁of▁sentence|>"),
    *("<｜begin▁of▁sentence｜>", "<｜end▁of▁sentence｜>", "<｜▁pad▁｜>"),
]
TEXT = [
    *(
        "<|im_start|>",
        "<|im_end|>",
        "<|end|>",
        "<|user|>",
        "<|assistant|>",
        "<start_of_turn>",
        "<end_of_turn>",
        "[INST]",
    ),
    *(
        "<|eot_id|>",
        "<|start_header_id|>",
        "<｜User｜>",
        "<p>",
        "<sup>",
        "<pre>",
        "s",
        "pad",
        "<",
        "",
        "<|",
        "[1]",
        "<think>",
    ),
]


@pytest.mark.parametrize("mark", MARKS)
def test_marks_of_every_family_are_known(mark):
    assert is_mark(mark)


@pytest.mark.parametrize("token", TEXT)
def test_turns_of_a_chat_and_other_tokens_are_text(token):
    assert not is_mark(token)


@pytest.mark.parametrize("mark", [mark for mark in MARKS if not mark.isascii()])
def test_a_mark_whose_bytes_became_letters_is_known(mark):
    from transformers.convert_slow_tokenizer import bytes_to_unicode

    letters = bytes_to_unicode()
    assert is_mark("".join(letters[byte] for byte in mark.encode()))
