"""Corpora by name: files and folders of one's own, data sets on the hub, or the built-in sample."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

from labeler.errors import InputError
from labeler.evidence.corpora import hub
from labeler.evidence.corpora.base import Kind, Passage, passages
from labeler.evidence.corpora.jsonl import JSONL
from labeler.evidence.corpora.parquet import PARQUET
from labeler.evidence.corpora.sample import SAMPLE, sample_corpus, sample_fingerprint
from labeler.evidence.corpora.saved import SAVED
from labeler.evidence.corpora.text import TEXT
from labeler.nearest import meant

__all__ = ["SAMPLE", "Passage", "corpus_fingerprint", "read_corpus", "sample_corpus"]

KINDS = (JSONL, TEXT, PARQUET, SAVED)


def read_corpus(corpus: str) -> Iterator[Passage]:
    """Passages of a file or folder of one of ``KINDS``, of a data set on the hub, or of the built-in ``sample``, always in
    the same order.

    What is held in memory does not grow with the corpus. A document of more than 100,000 characters comes as several
    passages. Raises InputError for a path that is missing or of no kind at once, and for what is corrupt, or a row without
    text, when it is reached.
    """
    if corpus == SAMPLE:
        return sample_corpus()
    if _is_on_the_hub(corpus):
        return passages(hub.documents(corpus))
    kind, files = _find(corpus)
    return passages(document for file in files for document in kind.documents(file))


def corpus_fingerprint(corpus: str) -> str:
    """What identifies a corpus across calls: the SHA-256 of a file, or of the names and contents of a folder's files.

    For the built-in one, the versions that it is made of; for a data set on the hub, its first rows.
    """
    if corpus == SAMPLE:
        return sample_fingerprint()
    if _is_on_the_hub(corpus):
        return hub.fingerprint(corpus)
    _, files = _find(corpus)
    if files == [Path(corpus)]:
        return _sha256(files[0])
    return hashlib.sha256("".join(f"{_sha256(file)} {file.name}\n" for file in files).encode()).hexdigest()


def _is_on_the_hub(corpus: str) -> bool:
    """What is here goes before what is there."""
    return hub.is_name(corpus) and not Path(corpus).exists()


def _find(corpus: str) -> tuple[Kind, list[Path]]:
    path = Path(corpus)
    if not path.exists():
        raise InputError(f"no corpus at '{corpus}'{meant(corpus, [SAMPLE])}; give {_wanted()}")
    for kind in KINDS:
        if (files := kind.files(path)) is not None:
            return kind, files
    raise InputError(f"corpus '{corpus}' is of no known kind; give {_wanted()}")


def _wanted() -> str:
    return "; ".join(kind.wanted for kind in KINDS) + f"; the name of a data set on the hub (org/name); or '{SAMPLE}'"


def _sha256(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise InputError(f"cannot read '{path}': {error.strerror}") from error
