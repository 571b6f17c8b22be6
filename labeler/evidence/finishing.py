"""The end of a collection: what was merged becomes a store, with neighbours, tokens and the encoder's states."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from labeler.evidence import lens
from labeler.evidence.cofiring import cofiring
from labeler.evidence.columns import Columns
from labeler.evidence.lexicon import lexicon_of, write_lexicon
from labeler.evidence.neighbours import Neighbours
from labeler.evidence.parts import Merged, Seen
from labeler.evidence.rows import Rows
from labeler.evidence.states import Packed, encoded
from labeler.evidence.store import EvidenceStore
from labeler.evidence.tensors import Tensors, write_tensors
from labeler.evidence.word_vectors import write_vectors
from labeler.evidence.writing import write_features, write_store
from labeler.features import IntArray
from labeler.models.names import encoder_available
from labeler.progress import Progress, doing

STATES = 512
"""Contexts in a file of states (6 MB): what an interruption costs at most is twelve seconds on two slow cores."""


def finish(
    merged: Merged,
    seen: Seen,
    work: Path,
    target: Path,
    *,
    n_features: int,
    columns: Columns,
    neighbours: Neighbours | None = None,
    vocabulary: Sequence[str],
    length: int,
    states: Path | None = None,
    like: Sequence[EvidenceStore] = (),
    origin: Mapping[str, Any],
    progress: Progress,
) -> EvidenceStore:
    """Turn what was merged into the store at ``target``, in place of one that is there, and remove the folder ``work``.

    In the folder ``states``, one within ``work`` by default, the encoder's are made as far as they do not lie there from an
    earlier attempt; ``neighbours`` are looked for by co-firing where no decoder gave them; ``like`` are stores of the same
    corpus, whose states are taken where contexts are the same; ``origin`` is what the manifest says beside sizes.
    """
    folder = work / "store"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for table in merged.tables():
        link(table, folder / table.name)
    shards, summary = write_features(folder, merged, seen, columns, n_features)
    tables = [Tensors(table) for table in merged.tables()]
    rows = Rows(lambda number: tables[number], [len(table["lengths"]) for table in tables])
    write_lexicon(folder, tables, progress)
    if encoder_available():
        made = states or work / f"packed-{seen.n_contexts}"
        for file in pool_states(rows, length, made, like, progress):
            link(file, folder / file.name)
        write_vectors(folder, lexicon_of(folder, [len(table["lengths"]) for table in tables]), rows, progress)
    if neighbours is None:
        with doing("finding neighbours"):
            neighbours = cofiring((Tensors(folder / shard.file) for shard in shards), rows, n_features)
    with doing("writing the store"):
        write_store(
            folder,
            shards=shards,
            summary=summary,
            neighbours=neighbours,
            vocabulary=vocabulary,
            length=length,
            n_tokens=seen.n_tokens,
            n_contexts=seen.n_contexts,
            sampling="population",
            lens=lens.measured([Tensors(folder / shard.file) for shard in shards], rows),
            **origin,
        )
    replace(folder, target)
    discard(work)
    return EvidenceStore(target)


def pool_states(rows: Rows, length: int, folder: Path, like: Sequence[EvidenceStore], progress: Progress) -> list[Path]:
    """Files with the encoder's states of the pool's contexts, made in ``folder`` as far as they are not there.

    States of contexts that a store of the same corpus has are taken from it.
    """
    pool = np.flatnonzero(rows.pool_place >= 0)
    for other in like:
        if len(_same_contexts(rows, pool, other)[0]) == len(pool) == other.manifest.n_pool:
            return [other.path(shard.file) for shard in other.manifest.states]
    folder.mkdir(exist_ok=True)
    files = []
    for number, start in enumerate(range(0, len(pool), STATES)):
        path = folder / f"states-{number:05d}.safetensors"
        files.append(path)
        part = pool[start : start + STATES]
        if not path.exists():
            made: dict[int, Packed] = {}
            for other in like:
                missing = np.array([row for row in part.tolist() if row not in made], dtype=np.int64)
                there, theirs = _same_contexts(rows, missing, other)
                if not len(theirs):
                    continue
                made.update(zip(missing[there].tolist(), other.states.stored(theirs).each(), strict=True))
            missing = np.array([row for row in part.tolist() if row not in made], dtype=np.int64)
            for batch, of_batch in encoded(rows, missing, length):
                made.update(zip(batch.tolist(), Packed.of(of_batch).each(), strict=True))
                progress("encoding contexts", start + len(made), len(pool), "contexts")
            write_tensors(path, Packed.joined([made[row] for row in part.tolist()]).arrays())
        progress("encoding contexts", start + len(part), len(pool), "contexts")
    return files


def _same_contexts(rows: Rows, wanted: IntArray, other: EvidenceStore) -> tuple[IntArray, IntArray]:
    """Which of some contexts another store has the states of, and their rows there."""
    theirs = np.flatnonzero(other.rows.pool_place >= 0)[: sum(shard.n for shard in other.manifest.states)]
    if not len(theirs) or not len(wanted):
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
    ordinals = other.rows.column("ordinal", theirs)
    at = np.searchsorted(ordinals, rows.column("ordinal", wanted))
    at = np.minimum(at, len(theirs) - 1)
    same = (ordinals[at] == rows.column("ordinal", wanted)) & (
        other.rows.column("tokens", theirs[at]) == rows.column("tokens", wanted)
    ).all(axis=1)
    return np.flatnonzero(same), theirs[at[same]]


def link(source: Path, target: Path) -> None:
    """The same file under another name; a copy where the file system has no links."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def replace(folder: Path, target: Path) -> None:
    """Put a finished store in its place; ``recover`` mends what a kill in between leaves."""
    old = _old(target)
    if target.exists():
        target.rename(old)
    folder.rename(target)
    if old.exists():
        discard(old)


def discard(work: Path) -> None:
    """Remove a folder of work that is done: gone at once, so that a kill on the way leaves nothing that looks unfinished."""
    gone = work.with_name(f".gone{work.name}")
    shutil.rmtree(gone, ignore_errors=True)
    work.rename(gone)
    shutil.rmtree(gone)


def recover(target: Path) -> None:
    """Bring back the old store where a kill came between taking it away and putting the new one there."""
    old = _old(target)
    if old.exists():
        discard(old) if target.exists() else old.rename(target)
    for left in target.parent.glob(".gone.*"):
        if left.name.endswith(f"-{target.name}"):
            shutil.rmtree(left, ignore_errors=True)


def _old(target: Path) -> Path:
    return target.with_name(f".old-{target.name}")
