"""The simulator that knows: for every label the truth of what it says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from eval.known.corpus import truth_of
from eval.known.meaning import Meaning
from eval.known.ranking import Pair
from eval.known.rules import Rule
from labeler.evidence.store.store import Material
from labeler.features import FloatArray


class Oracle:
    """Predicts the activations that a label describes: a test that it fails is no test of a label."""

    name = "oracle"
    source = "rules"
    free = True
    prompt: str | None = None

    def __init__(self, rules: Sequence[Rule], paired: Sequence[Pair]) -> None:
        """It knows the labels of these rules and pairs."""
        self.counts: Counter[str] = Counter()
        self._meanings: dict[str, Meaning] = {}
        for rule in rules:
            known = (rule.true, Meaning(rule.paraphrase, rule.true.places), rule.narrow, rule.broad)
            self._meanings |= {meaning.label: meaning for meaning in known}
        self._meanings |= {pair.whole.label: pair.whole for pair in paired}

    async def predict(self, texts: Sequence[str], material: Material) -> FloatArray:
        """See the protocol. Raises KeyError for a label of which it knows nothing."""
        return np.stack([truth_of(self._meanings[text], material.store, material.at) for text in texts])
