"""Where a label is expected to be taken for active: by its words, by what they mean, and by what contexts are about."""

from __future__ import annotations

import asyncio

import numpy as np

from labeler.evidence.sampling import Floats, size
from labeler.evidence.store.store import Material
from labeler.simulators.embedding import context_guide, word_guide
from labeler.simulators.lexical import named

TEMPERATURE = 0.1
"""Of the cosine of label and context: at this distance below another context a guide has fallen to 1/e of that one's."""


async def guides(text: str, material: Material, encoder: bool) -> list[Floats]:
    """Guides for drawing contexts, [n] each: by the words that a label names and, with the ``encoder``, by meaning.

    A false alarm of any simulator is likeliest where the label's own words stand, where words mean what it means, or
    where the whole context does; a paid simulator is drawn for there.
    """
    return await asyncio.to_thread(_guides, text, material, encoder)


def _guides(text: str, material: Material, encoder: bool) -> list[Floats]:
    found = [size(named([text], material)[0])]
    if encoder:
        found += [size(word_guide(text, material)), by_context(text, material)]
    return found


def by_context(text: str, material: Material) -> Floats:
    """How likely each context as a whole is about what a label says, up to a factor: [n]."""
    return np.asarray(np.exp(context_guide(text, material) / TEMPERATURE))
