"""Which judges there are; a new one is its file and one line here."""

from __future__ import annotations

from collections.abc import Callable

from labeler.llm.protocol import Backend, Recorder
from labeler.methods import Method, parse_method
from labeler.prompts import Load, load_prompt
from labeler.scorers.detection import DetectionJudge
from labeler.scorers.discrimination import DiscriminationJudge
from labeler.scorers.embedding_auc import EmbeddingJudge
from labeler.scorers.fuzzing import FuzzingJudge
from labeler.scorers.intruder import IntruderJudge
from labeler.scorers.protocol import Judge

FREE: dict[str, Callable[[], Judge]] = {"embedding_auc": EmbeddingJudge}
ASKING: dict[str, Callable[[Backend, Recorder, Load], Judge]] = {
    "detection": DetectionJudge,
    "fuzzing": FuzzingJudge,
    "discrimination": DiscriminationJudge,
    "intruder": IntruderJudge,
}


def parse_scorer(text: str) -> Method:
    """A scorer's name taken apart; InputError where there is no such thing."""
    return parse_method(text, "scorer", [*ASKING, *FREE], usual="detection", asking=ASKING)


def open_judge(
    method: Method, backend: Callable[[str], Backend], recorder: Recorder, prompts: Load = load_prompt
) -> Judge:
    """A judge ready to answer; ``backend`` opens (or finds) an LLM by name, ``prompts`` gives a template."""
    if method.llm is None:
        return FREE[method.name]()
    return ASKING[method.name](backend(method.llm), recorder, prompts)
