"""The corpus of the known answers: the sample corpus cut into contexts, with the rules as its features."""

from __future__ import annotations

import hashlib
import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np

from eval.known.meaning import Meaning
from labeler.evidence.collect.compaction import Building
from labeler.evidence.collect.publish import finish
from labeler.evidence.corpora.registry import Passage, sample_corpus
from labeler.evidence.corpora.sample import sample_fingerprint
from labeler.evidence.neighbours import Pairs
from labeler.evidence.sampling import strata
from labeler.evidence.store.contexts import Contexts
from labeler.evidence.store.manifest import no_tokens
from labeler.evidence.store.storage import MANIFEST
from labeler.evidence.store.store import EvidenceStore
from labeler.features import FloatArray, Frame, IntArray
from labeler.progress import Progress, silent

LENGTH = 32
"""Tokens in a context."""

_TOKEN = re.compile(r" ?[^\W\d_]+|\d|\n|[^\S\n]+|[^\w\s]|_")
_PIECE = 500
"""Contexts that are taken in at once."""


def cut(passages: Sequence[Passage] | Iterator[Passage]) -> Iterator[tuple[str, list[str]]]:
    """Documents and tokens of successive contexts; a token is a word with the space before it, a digit or a mark."""
    for passage in passages:
        tokens = _TOKEN.findall(passage.text)
        for start in range(0, len(tokens), LENGTH):
            yield passage.document, tokens[start : start + LENGTH]


def evidence(folder: Path, meanings: Sequence[Meaning], n_contexts: int, progress: Progress = silent) -> EvidenceStore:
    """A dictionary whose features are these meanings, on the first contexts of the sample corpus; made where it is not.

    Raises MissingExtraError where the sample corpus is not installed.
    """
    made_of = hashlib.sha256(repr((meanings, n_contexts, _TOKEN.pattern)).encode()).hexdigest()[:16]
    fingerprint = f"{sample_fingerprint()}, rules {made_of}"
    if (folder / MANIFEST).exists():
        store = EvidenceStore(folder)
        if store.manifest.corpus_fingerprint == fingerprint:
            return store
    work = folder.with_name(f".{folder.name}-{made_of}")
    contexts = list(itertools.islice(cut(sample_corpus()), n_contexts))
    vocabulary = list(dict.fromkeys(token for _, tokens in contexts for token in tokens))
    building = Building(work, len(meanings))
    if not building.seen.n_contexts:
        for piece in _pieces(contexts, {token: at for at, token in enumerate(vocabulary)}, meanings):
            building.add(*piece)
    return finish(
        building.merge(),
        building.seen,
        work,
        folder,
        n_features=len(meanings),
        columns=no_tokens(len(meanings)),
        vocabulary=vocabulary,
        length=LENGTH,
        origin={
            "name": folder.name,
            "model": "rules",
            "hook": "the text itself",
            "dictionary": "known answers",
            "source": "collected",
            "corpus": "sample",
            "corpus_fingerprint": fingerprint,
            "progress": {"seen": asdict(building.seen)},
        },
        progress=progress,
    )


def _pieces(
    contexts: list[tuple[str, list[str]]], ids: dict[str, int], meanings: Sequence[Meaning]
) -> Iterator[tuple[Contexts, Pairs]]:
    for first in range(0, len(contexts), _PIECE):
        part = contexts[first : first + _PIECE]
        ends = [np.cumsum([len(token) for token in tokens]) for _, tokens in part]
        texts = ["".join(tokens) for _, tokens in part]
        truth = np.stack(
            [
                np.stack([meaning.on(text, stops, LENGTH) for text, stops in zip(texts, ends, strict=True)])
                for meaning in meanings
            ]
        )
        feature, row, position = np.nonzero(truth)
        yield (
            Contexts.of(
                first=first,
                tokens=[[ids[token] for token in tokens] for _, tokens in part],
                ends=ends,
                texts=texts,
                documents=[document for document, _ in part],
                length=LENGTH,
            ),
            Pairs.of_active(feature, row + first, position, truth[feature, row, position].astype(np.float16)),
        )


def truth_of(meaning: Meaning, store: EvidenceStore, rows: IntArray) -> FloatArray:
    """What a meaning says on every token of some contexts: [n, length]."""
    ends, lengths = store.rows.column("ends", rows), store.rows.column("lengths", rows)
    return np.stack(
        [
            meaning.on(store.rows.string(int(row)), stops[:n].astype(np.int64), store.manifest.length)
            for row, stops, n in zip(rows, ends, lengths, strict=True)
        ]
    )


def frame_of(truth: FloatArray, store: EvidenceStore, rows: IntArray) -> Frame:
    """All contexts, each standing for itself: nothing is left out, so a correlation over them is the whole truth."""
    return Frame(
        contexts=rows,
        truth=truth,
        lengths=store.rows.column("lengths", rows).astype(np.int64),
        stratum=strata(truth.max(axis=1, initial=0.0)),
        weight=np.ones(len(rows)),
    )
