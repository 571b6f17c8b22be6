"""The package's few names: open a dictionary, see its evidence, label it, read its catalogue."""

from labeler.api.beside import considered, labels_of_other_runs, source_of
from labeler.api.dictionary import Dictionary, Spent
from labeler.api.making import collect, collect_together, find_evidence, import_evidence, writable_shelf
from labeler.api.opening import dictionaries, label, look, open, run, runs
from labeler.api.running import Run, Watch
from labeler.api.tools import asyncio_run, check_broker, has_catalogue, open_catalogue
from labeler.settings import settings

__all__ = [
    "Dictionary",
    "Run",
    "Spent",
    "Watch",
    "asyncio_run",
    "check_broker",
    "collect",
    "collect_together",
    "considered",
    "dictionaries",
    "find_evidence",
    "has_catalogue",
    "import_evidence",
    "label",
    "labels_of_other_runs",
    "look",
    "open",
    "open_catalogue",
    "run",
    "runs",
    "settings",
    "source_of",
    "writable_shelf",
]
