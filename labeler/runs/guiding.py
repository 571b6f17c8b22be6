"""Where a label is expected to be taken for active: what the simulators that cost nothing predict."""

from __future__ import annotations

import asyncio

import numpy as np

from labeler.evidence.drawing import Floats, size
from labeler.evidence.store import Material
from labeler.simulate.embedding import EmbeddingSimulator, context_guide
from labeler.simulate.lexical import LexicalSimulator

TEMPERATURE = 0.1
"""Of the cosine of label and context: at this distance below the closest context a guide has fallen to 1/e."""


async def guides(text: str, material: Material, encoder: bool) -> list[Floats]:
    """Guides for drawing contexts, [n] each: by the words that a label names and, with the ``encoder``, by meaning.

    A false alarm of any simulator is likeliest where the label's own words stand, where a token means what it means, or
    where the whole context does; a paid simulator is drawn for there.
    """
    found = [size((await LexicalSimulator().predict([text], material))[0])]
    if encoder:
        found.append(size((await EmbeddingSimulator().predict([text], material))[0]))
        cosine = await asyncio.to_thread(context_guide, text, material)
        found.append(np.exp((cosine - cosine.max(initial=-1.0)) / TEMPERATURE))
    return found
