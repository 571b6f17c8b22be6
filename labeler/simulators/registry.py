"""Which simulators there are; a new one is its file and one line here."""

from __future__ import annotations

from collections.abc import Callable

from labeler.llm.protocol import Backend, Recorder
from labeler.methods import Method, parse_method
from labeler.prompts import Load, load_prompt
from labeler.simulators.combined import SumSimulator
from labeler.simulators.embedding import EmbeddingSimulator
from labeler.simulators.lexical import LexicalSimulator
from labeler.simulators.likelihood import LikelihoodSimulator
from labeler.simulators.logprob import LogprobSimulator
from labeler.simulators.protocol import Simulator
from labeler.simulators.sparse import SparseSimulator

FREE: dict[str, Callable[[], Simulator]] = {
    "embedding": EmbeddingSimulator,
    "lexical": LexicalSimulator,
}
ASKING: dict[str, Callable[[Backend, Recorder, Load], Simulator]] = {
    "sparse": SparseSimulator,
    "likelihood": LikelihoodSimulator,
    "logprob": LogprobSimulator,
    "sum": SumSimulator,
}


NEEDS_LOGPROBS = ("likelihood", "logprob", "sum")
"""Those that read a model's log-probabilities, and no answers."""


def parse_simulator(text: str) -> Method:
    """A simulator's name taken apart; InputError where there is no such thing."""
    return parse_method(text, "simulator", [*ASKING, *FREE], usual="sparse", asking=ASKING)


def open_simulator(
    method: Method, backend: Callable[[str], Backend], recorder: Recorder, prompts: Load = load_prompt
) -> Simulator:
    """A simulator ready to predict; ``backend`` opens (or finds) an LLM by name, ``prompts`` gives a template."""
    if method.llm is None:
        return FREE[method.name]()
    return ASKING[method.name](backend(method.llm), recorder, prompts)
