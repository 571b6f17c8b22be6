import pytest

from labeler.evidence.importers.tokens import is_mark

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
    *("<eod>", "[gMASK]", "[sMASK]", "<sop>", "<eop>", "<|startofpiece|>", "<|endofpiece|>"),  # Qwen, XLNet, CPM, GLM
    *("<cls>", "<sep>", "<CLS>", "<SEP>", "<EOP_TOKEN>"),  # ESM, XLNet, Cohere
    *("<|vq_pad|>", "<|image_pad|>", "<|fim_pad|>", "<fim_pad>", "<|dummy_85|>", "<|finetune_right_pad|>"),
    *("▁<s>", "▁</s>", "▁<pad>", " <s>", "▁<|endoftext|>", "▁[gMASK]"),
    *("<|begin_of_sentence|>", "<|end_of_sentence|>", "<begin_of_document>", "<|startoftranscript|>"),  # ERNIE, MiniMax
    *("<seed:bos>", "<seed:eos>", "<seed:pad>", "<|plamo:bos|>", "<|plamo:eos|>", "<|plamo:pad|>"),
    *("<｜hy_begin▁of▁sentence｜>", "<｜hy_end▁of▁sentence｜>", "<｜hy_▁pad▁｜>", "<|eos|>", "<|bos|>"),  # Hunyuan
    *("<EOD|LLM-jp>", "<PAD|LLM-jp>", "<longcat_s>", "</longcat_s>", "<longcat_pad>", "|ENDOFTEXT|"),
    *("]!p~[", "]~!b[", "<|rwkv_tokenizer_end_of_text|>", "[EOS]", "<_pad>"),
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
    *("<|endofturn|>", "[|endofturn|]", "<|END_OF_TURN_TOKEN|>", "<|start_of_role|>", "<end_of_utterance>", "[EOT]"),
    *("<|eom_id|>", "]~b]", "[e~[", "<|return|>", "<|endofprompt|>", "<|separator|>", "<seed:think>", "<｜hy_User｜>"),
    *("<unk>", "[UNK]", "[MASK]", "<mask>", "<|mask|>", "<extra_id_0>", "<|extra_0|>", "<|reserved_special_token_0|>"),
    *("<start_of_image>", "<|vision_start|>", "<|fim_prefix|>", "<repo_name>", "<end>", "<start>", "[end]", "<iPad>"),
    *("▁s", "▁<", "pad>", "[padding]", "|pad|", "[", "]", "|", ">", "<sup>", "<small>", "<|", "|>", "▁[", "<s", "s>"),
    *("endoftext", "<end of story>", "<sops>", "<step>", "<cls", "[sop]s", "<dd>", "[s]", "<b>", "<steps>"),
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
