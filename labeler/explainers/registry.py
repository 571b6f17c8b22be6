"""Which explainers there are; a new one is its file and one line here."""

from __future__ import annotations

from collections.abc import Callable

from labeler.explainers.lexical import LexicalExplainer
from labeler.explainers.llm import LlmExplainer
from labeler.explainers.protocol import Explainer
from labeler.llm.protocol import Backend, Recorder
from labeler.methods import Method, parse_method
from labeler.prompts import Load, load_prompt

FREE: dict[str, Callable[[], Explainer]] = {"lexical": LexicalExplainer}
ASKING: dict[str, Callable[[Backend, Recorder, Load], Explainer]] = {"llm": LlmExplainer}


def parse_explainer(text: str) -> Method:
    """An explainer's name taken apart; InputError where there is no such thing."""
    return parse_method(text, "explainer", [*ASKING, *FREE], usual="llm", asking=ASKING)


def open_explainer(
    method: Method, backend: Callable[[str], Backend], recorder: Recorder, prompts: Load = load_prompt
) -> Explainer:
    """An explainer ready to work; ``backend`` opens (or finds) an LLM by name, ``prompts`` gives a template."""
    if method.llm is None:
        return FREE[method.name]()
    return ASKING[method.name](backend(method.llm), recorder, prompts)
