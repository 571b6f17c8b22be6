"""Simulation all at once: every token with an activation left open, and what a model would fill in at each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from labeler.errors import InputError
from labeler.evidence.store.store import Material
from labeler.features import FloatArray
from labeler.fence import plain
from labeler.llm.errors import MalformedError
from labeler.llm.prompt_logprobs import logprobs_until_given
from labeler.llm.protocol import Backend, Recorder, TextLogprobs
from labeler.prompts import Load, load_prompt

DIGITS = tuple("0123456789")
OPEN = "?"
"""What stands where an activation has not been filled in."""
MOST_UNKNOWN = 0.05
"""The share of tokens without a single digit among the likeliest words above which a simulation has failed."""


class LogprobSimulator:
    """The expected value over the digits 0 to 9 behind every token, from one pass over a context.

    The examples and the explanation are a prefix that all contexts share. The trick is that of Bills et al. (2023),
    "Language models can explain neurons in language models": no activation depends on one that was filled in before.
    It takes a model of some strength to follow the form.
    """

    name = "logprob"
    free = False

    def __init__(self, backend: Backend, recorder: Recorder, prompts: Load = load_prompt) -> None:
        """Raises InputError where the backend gives no log-probabilities."""
        if not backend.capabilities.logprobs:
            raise InputError(
                f"simulator 'logprob' needs log-probabilities of a given text, which '{backend.name}' does not return; "
                "use local:… or the simulator 'sparse'"
            )
        self.source = backend.name
        self.counts: Counter[str] = Counter()
        self._backend = backend
        self._prompt = prompts("logprob")
        self.prompt: str | None = self._prompt.source
        self._record = recorder(backend.name, self._prompt.source)

    async def predict(self, texts: Sequence[str], material: Material) -> FloatArray:
        """See the protocol. Raises MalformedError where a model's likeliest words are too seldom digits."""
        rows = [Row.of(tokens) for tokens in material.tokens()]
        predictions = np.zeros((len(texts), len(rows), material.length), dtype=np.float32)
        for at, text in enumerate(texts):
            prefix = self._prompt.render(explanation=one_line(text))
            found = await logprobs_until_given(
                self._backend, prefix, [row.text for row in rows], DIGITS, record=self._record
            )
            values = [expected(row, given) for row, given in zip(rows, found, strict=True)]
            self._fill(predictions[at], values)
        return predictions

    def _fill(self, prediction: FloatArray, values: Sequence[NDArray[np.float64]]) -> None:
        """Tokens without a value take the mean of all that have one, which says nothing of where the feature is active."""
        everything = np.concatenate(values) if values else np.empty(0)
        unknown = np.isnan(everything)
        self.counts["unknown"] += int(unknown.sum())
        if unknown.sum() > MOST_UNKNOWN * len(everything):
            raise MalformedError(
                f"on {unknown.sum()} of {len(everything)} tokens no digit was among the likeliest words of {self.source}: "
                "it does not follow the form of simulator 'logprob'; use a stronger model, or 'likelihood'"
            )
        mean = everything[~unknown].mean() if len(everything) else 0.0
        for row, found in enumerate(values):
            prediction[row, : len(found)] = np.where(np.isnan(found), mean, found)


@dataclass(frozen=True)
class Row:
    """A context in the form of the prompt: a line a token, with its activation left open."""

    text: str
    places: NDArray[np.int64]
    """[n_tokens] where in the text each token's activation is to stand."""

    @classmethod
    def of(cls, tokens: Sequence[str]) -> Row:
        """Whatever tokens hold, each is one line of two columns."""
        shown = [f"{one_line(token)}\t" for token in tokens]
        widths = np.array([len(line) for line in shown], dtype=np.int64)
        steps = widths + len(OPEN) + len("\n")
        return cls("".join(f"{line}{OPEN}\n" for line in shown), np.cumsum(steps) - steps + widths)


def one_line(text: str) -> str:
    """Untrusted text without line ends, tabs and other control characters, which are written as escapes."""
    visible = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
    return plain(visible)


def expected(row: Row, given: TextLogprobs) -> NDArray[np.float64]:
    """The expected digit at each token: [n_tokens]; NaN where no digit has a probability.

    A digit that a server did not list is less likely than all that it listed, and counts as impossible. Raises
    MalformedError where a model has no token that begins at the place of an activation.
    """
    assert given.among is not None
    begins = given.offsets[:, 0]
    at = np.minimum(np.searchsorted(begins, row.places), len(begins) - 1)
    if len(row.places) and not np.array_equal(begins[at], row.places):
        raise MalformedError("the model's tokenizer joins a tab with what stands behind it")
    odds = given.among[at].astype(np.float64)
    likeliest = odds.max(axis=1, initial=-np.inf, keepdims=True)
    with np.errstate(invalid="ignore"):
        shares = np.exp(odds - likeliest)
        return np.asarray(shares @ np.arange(len(DIGITS)) / shares.sum(axis=1), dtype=np.float64)
