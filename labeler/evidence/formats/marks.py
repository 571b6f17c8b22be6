"""Tokens that stand between documents or fill a row up: they are nobody's text. Marks of a chat's turns are text."""

from __future__ import annotations

import re

from labeler.evidence.formats.spelling import readings

_SPELLED = str.maketrans({"\uff5c": "|", "\u2581": "", "_": "", " ": "", "-": ""})

_UNIT = r"(?:text|sentence|document|doc|piece|content|passage|sequence|transcript)"
_SHORT = r"(?:bos|eos|sos|eod|sop|eop|pad|cls|sep)"
_WORDS = (
    rf"{_SHORT}(?:token|id)?|padding|/?s"  # GLM's and CPM's pieces: sop, eop; Qwen's and XLNet's documents: eod
    rf"|(?:begin|start|end)of(?:the)?{_UNIT}"
    r"|(?:finetune)?(?:right|left)?pad(?:id)?"
)
_HOUSES = r"(?:plamo:|seed:|hy|rwkvtokenizer)?"
"""What some makers write before the word: ``<seed:bos>``, ``<|plamo:eos|>``, ``<｜hy_begin▁of▁sentence｜>``."""

_MARK = re.compile(
    rf"<\|{_HOUSES}(?:{_WORDS})\|>"
    rf"|<{_HOUSES}(?:{_WORDS})>"
    rf"|\[(?:{_SHORT}|gmask|smask)\]"  # GLM writes its masks before a text
    r"|<\|[a-z]+pad\|>|<fimpad>|<\|dummy\d+\|>"  # what stands for nothing: a picture's place, a row's end (Phi-4)
    r"|<(?:eod|pad|cls|sep)\|llmjp>|</?longcats>|<longcatpad>"
    r"|\|endoftext\|"  # Persimmon
    r"|\]!p~\[|\]!d~\[|\]~!b\["  # MiniMax
)

_ENDS = (">", "]", "|", "[")

_LONGEST = 64
"""Characters; a mark whose bytes were spelled as letters has fewer."""


def is_mark(token: str) -> bool:
    """Whether a token is some family's mark for where a text begins or ends, or its filling.

    ``<bos>``, ``<|begin_of_text|>``, ``[PAD]``, ``<eod>``, ``[gMASK]``, ``<｜begin▁of▁sentence｜>`` … in any case and
    spelling, behind SentencePiece's ``▁`` too, also where the bytes of its letters were spelled as GPT-2 does or read as
    Windows-1252.
    """
    if not token.endswith(_ENDS) or len(token) > _LONGEST:
        return False
    return any(_MARK.fullmatch(said.translate(_SPELLED).lower()) for said in (token, *readings(token)))
