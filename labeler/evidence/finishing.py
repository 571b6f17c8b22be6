"""The end of a collection: what was merged becomes a store, with neighbours, tokens and the encoder's states."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from labeler.evidence.cofiring import cofiring
from labeler.evidence.columns import Columns
from labeler.evidence.neighbours import Neighbours
from labeler.evidence.parts import Merged, Seen
from labeler.evidence.rows import Rows
from labeler.evidence.states import Half, encoded, means
from labeler.evidence.store import EvidenceStore
from labeler.evidence.tensors import Tensors, write_tensors
from labeler.evidence.writing import write_features, write_store
from labeler.features import IntArray
from labeler.models.names import encoder_available
from labeler.progress import Progress, doing

STATES = 2_048
"""Contexts in a file of states; 50 MB."""

STATES_AT_ONCE = 256
"""Contexts whose states are kept as soon as they are made; six seconds on two slow cores."""


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
    like: EvidenceStore | None = None,
    origin: Mapping[str, Any],
    progress: Progress,
) -> EvidenceStore:
    """Turn what was merged into the store at ``target``, in place of one that is there, and remove the folder ``work``.

    ``neighbours`` are looked for by co-firing where no decoder gave them; ``like`` is a store of the same corpus, whose
    states are taken where its pool is the same; ``origin`` is what the manifest says beside sizes.
    """
    folder = work / "store"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for table in merged.tables():
        link(table, folder / table.name)
    shards, summary = write_features(folder, merged, seen, columns, n_features)
    tables = [Tensors(table) for table in merged.tables()]
    rows = Rows(lambda number: tables[number], [len(table["lengths"]) for table in tables])
    if encoder_available():
        for states in pool_states(rows, length, work / f"states-{seen.n_contexts}", like, progress):
            link(states, folder / states.name)
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
            **origin,
        )
    replace(folder, target)
    discard(work)
    return EvidenceStore(target)


def pool_states(rows: Rows, length: int, folder: Path, like: EvidenceStore | None, progress: Progress) -> list[Path]:
    """Files with the encoder's states of the pool's contexts, made in ``folder`` as far as they are not there."""
    pool = np.flatnonzero(rows.pool_place >= 0)
    if like is not None and _same_pool(rows, pool, like):
        return [like.path(shard.file) for shard in like.manifest.states]
    folder.mkdir(exist_ok=True)
    files = []
    for number, start in enumerate(range(0, len(pool), STATES)):
        path = folder / f"states-{number:05d}.safetensors"
        files.append(path)
        part = pool[start : start + STATES]
        if not path.exists():
            for done in _make_states(path, rows, part, length):
                progress("encoding contexts", start + done, len(pool), "contexts")
        progress("encoding contexts", start + len(part), len(pool), "contexts")
    return files


def _make_states(path: Path, rows: Rows, part: IntArray, length: int) -> Iterator[int]:
    """Write a file of states, by way of pieces that an interrupted call need not make again; yields how many are made."""
    order = np.argsort(rows.column("lengths", part), kind="stable")  # like lengths together, as they are encoded
    pieces = []
    for start in range(0, len(part), STATES_AT_ONCE):
        piece = path.with_name(f"{path.stem}-from-{start:05d}.safetensors")
        pieces.append(piece)
        if not piece.exists():
            made: list[Half] = []
            for _, states in encoded(rows, part[order[start : start + STATES_AT_ONCE]], length):
                made.append(states)
                yield start + sum(map(len, made))
            write_tensors(piece, {"states": np.concatenate(made)})
    found = np.concatenate([Tensors(piece)["states"] for piece in pieces])
    states = np.empty_like(found)
    states[order] = found
    write_tensors(path, {"states": states, "means": means(states)})
    for piece in pieces:
        piece.unlink()


def _same_pool(rows: Rows, pool: Any, other: EvidenceStore) -> bool:
    theirs = np.flatnonzero(other.rows.pool_place >= 0)
    if len(theirs) != len(pool) or not other.manifest.states:
        return False
    return all(
        np.array_equal(rows.column(name, pool), other.rows.column(name, theirs)) for name in ("ordinal", "tokens")
    )


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
