"""Tokens that stand between documents or fill a row up: they are nobody's text. Marks of a chat's turns are text."""

from __future__ import annotations

import re

from labeler.evidence.formats.spelling import readings

_BARS = str.maketrans({"\uff5c": "|", "\u2581": "", "_": "", " ": "", "-": ""})

_WORDS = (
    r"bos|eos|pad|padding|bostoken|eostoken|padtoken|s|/s"
    r"|(?:begin|start|end)of(?:the)?(?:text|sentence|document|doc|piece|content)|(?:finetune)?(?:right|left)?pad(?:id)?"
)
_MARK = re.compile(rf"<\|(?:{_WORDS})\|>|<(?:{_WORDS})>|\[(?:bos|eos|pad|cls|sep)\]")

_LONGEST = 64
"""Characters; a mark whose bytes were spelled as letters has fewer."""


def is_mark(token: str) -> bool:
    """Whether a token is some family's mark for where a text begins or ends, or its filling.

    ``<bos>``, ``<|begin_of_text|>``, ``[PAD]``, ``<｜begin▁of▁sentence｜>`` … in any case and spelling, also where the
    bytes of its letters were spelled as GPT-2 does or read as Windows-1252.
    """
    if len(token) > _LONGEST or token[:1] not in "<[" or token[-1:] not in ">]" or not token:
        return False
    return any(_MARK.fullmatch(said.translate(_BARS).lower()) for said in (token, *readings(token)))
