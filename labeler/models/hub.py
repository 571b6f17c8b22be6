"""Models of the Hugging Face hub by name: whether there is one, asked once, and not for long.

Loading a model asks again and again where there is no line: a name that means nothing has to be told before that.
"""

from __future__ import annotations

import functools
import queue
import threading
from pathlib import Path
from typing import Any

from labeler.errors import InputError, MissingExtraError

SECONDS = 4.0
"""How long the hub may take to say whether it has a model."""


@functools.lru_cache(maxsize=32)
def found(name: str, builtin: str) -> str:
    """What to hand to ``from_pretrained``: the name, or the folder of what is here of it where the hub cannot be asked.

    ``builtin`` is named to whoever asks for what there is not. Raises InputError, in one line, where the hub has no such
    model, or cannot be asked and none is here.
    """
    try:
        import huggingface_hub
        from huggingface_hub import constants
        from huggingface_hub.errors import HfHubHTTPError, HFValidationError
    except ImportError as error:
        raise MissingExtraError(f"the model '{name}'", "local") from error
    others = f"built in is '{builtin}'; else give a folder, or org/name of the hub"
    offline = "HF_HUB_OFFLINE is set"
    if not constants.HF_HUB_OFFLINE:
        answer = _within(SECONDS, lambda: huggingface_hub.HfApi().model_info(name, timeout=SECONDS))
        if not isinstance(answer, Exception):
            return name
        if isinstance(answer, HFValidationError):
            raise InputError(f"'{name[:80]}' is no model's name; {others}")
        status = answer.response.status_code if isinstance(answer, HfHubHTTPError) else None
        if status in (401, 403, 404):  # it hides what is private behind the same answer
            raise InputError(f"the hub has no model '{name}', or none that it shows you; {others}")
        offline = f"the hub cannot be asked ({_line(answer)})"
    kept = huggingface_hub.try_to_load_from_cache(name, "config.json")
    if isinstance(kept, str):
        return str(Path(kept).parent)
    raise InputError(f"no model '{name}' is on this machine, and {offline}; {others}")


def _within(seconds: float, ask: Any) -> Any:
    """What a call returns or raises; TimeoutError, as a value, where it takes too long (a name server may take minutes)."""
    answers: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def put() -> None:
        try:
            answers.put(ask())
        except Exception as error:  # the hub's errors and those of the line have no common base
            answers.put(error)

    threading.Thread(target=put, name="hub", daemon=True).start()
    try:
        return answers.get(timeout=seconds)
    except queue.Empty:
        return TimeoutError(f"no answer in {seconds:g} s")


def _line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), "")[:120] or type(error).__name__
