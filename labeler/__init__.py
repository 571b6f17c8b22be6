"""Names for the features of a neural network, each with a score measured on text its explainer never saw.

>>> import labeler
>>> sae = labeler.open("sample")
>>> run = sae.label(range(32), explainers="anthropic:claude-haiku-5-5", simulators="embedding")
>>> run.work()
>>> print(sae[12].label, sae[12].label.score)
>>> sae.to_pandas()
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

# Without ``open``: Python's own stays what it is where all names are imported.
__all__ = ["Dictionary", "InputError", "Run", "collect", "dictionaries", "import_evidence", "label", "run", "runs"]

if TYPE_CHECKING:
    from labeler.api import Dictionary, Run, collect, dictionaries, import_evidence, label, run, runs
    from labeler.api import open as open
    from labeler.errors import InputError


def __getattr__(name: str) -> Any:
    # Loaded on first use: `labeler --help` and the score room need neither a database nor an SDK.
    if name in (*__all__, "open"):
        from labeler import api, errors

        return getattr(errors if name == "InputError" else api, name)
    raise AttributeError(f"module 'labeler' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted((*__all__, "open", "__version__"))
