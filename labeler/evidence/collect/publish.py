"""The end of a collection: what was merged becomes a store, with neighbours, tokens and the encoder's states.

A store appears whole or not at all, and takes the place of an older one in one step.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labeler import __version__
from labeler.evidence import logit_lens
from labeler.evidence.collect.segments import Merged, Seen, sampled_and_top
from labeler.evidence.neighbours import Neighbours, cofiring
from labeler.evidence.sampling import pool_limit
from labeler.evidence.store.contexts import Contexts, Rows
from labeler.evidence.store.lexicon import WORDS, lexicon_of, places_file, write_lexicon
from labeler.evidence.store.manifest import FORMAT, Columns, File, Manifest, Shard, sha256_of, write_json
from labeler.evidence.store.states import MEANS, Packed, encoded
from labeler.evidence.store.storage import Tensors, write_tensors
from labeler.evidence.store.store import NEIGHBOURS, SUMMARY, VOCABULARY, EvidenceStore
from labeler.evidence.store.word_vectors import VECTORS, write_vectors
from labeler.features import IntArray
from labeler.models.names import encoder_available
from labeler.progress import Progress, doing, tell


def write_features(
    folder: Path, merged: Merged, seen: Seen, columns: Mapping[str, NDArray[Any]], n_features: int
) -> tuple[list[Shard], dict[str, NDArray[Any]]]:
    """Shards of features out of a merged part whose tables lie in ``folder`` already.

    ``columns`` are the rest of what a shard says of every feature, [n_features, …] each (``columns.py``).
    Returns the shards and the summary's columns.
    """
    tables = [Contexts.load(Tensors(path)) for path in sorted(folder.glob("contexts-*.safetensors"))]
    ordinals = np.concatenate([table.ordinal for table in tables])
    splits = np.concatenate([table.split for table in tables])
    limit = pool_limit(seen.n_contexts)
    shards: list[Shard] = []
    summary: list[dict[str, NDArray[Any]]] = []
    ranges = merged.ranges()
    for low, high in zip(ranges, [*list(ranges)[1:], n_features], strict=True):
        pairs, tally = merged.between(low, high)
        row = np.searchsorted(ordinals, pairs.ordinal)
        sampled, _ = sampled_and_top(pairs, splits[row], limit)
        # Of each feature first the sample, then the rest; within, in the corpus's order.
        order = np.lexsort((pairs.ordinal, ~sampled, pairs.feature))
        pairs, row, sampled = pairs.take(order), row[order], sampled[order]
        offsets = np.searchsorted(pairs.feature, np.arange(low, high + 1, dtype=np.int32))
        population, histogram = tally.dense(low, high)
        firing = population[:, :, 1:].sum(axis=2, dtype=np.int64)
        population[:, :, 0] = np.array(seen.splits) - firing
        maximum = np.zeros(high - low, dtype=np.float32)
        np.maximum.at(maximum, pairs.feature - low, pairs.maximum)
        shards.append(
            write_shard(
                folder,
                len(shards),
                {
                    "offsets": offsets.astype(np.int64),
                    "starts": pairs.start[offsets],
                    "sampled": np.bincount(pairs.feature[sampled] - low, minlength=high - low).astype(np.int32),
                    "context": row.astype(np.uint32),
                    "count": pairs.count,
                    "position": pairs.position,
                    "value": pairs.value,
                    "population": population,
                    "histogram": histogram,
                    **{name: column[low:high] for name, column in columns.items()},
                },
            )
        )
        tell("writing features", high, n_features, "features")
        tokens = histogram.sum(axis=1)
        summary.append(
            {
                "index": np.arange(low, high),
                "at": np.arange(low, high),
                "firing": tokens,
                "density": tokens / seen.n_tokens,
                "maximum": maximum,
                "contexts": firing,
            }
        )
    return shards, {name: np.concatenate([part[name] for part in summary]) for name in summary[0]}


def write_shard(folder: Path, number: int, arrays: Mapping[str, NDArray[Any]]) -> Shard:
    """One shard of features."""
    name = f"features-{number:05d}.safetensors"
    write_tensors(folder / name, arrays)
    return Shard(file=name, n=len(arrays["offsets"]) - 1)


def write_store(
    folder: Path,
    *,
    shards: Sequence[Shard],
    summary: Mapping[str, NDArray[Any]],
    neighbours: Neighbours,
    vocabulary: Sequence[str],
    length: int,
    **origin: Any,
) -> Manifest:
    """Write the summary, the neighbours, the vocabulary, the index of words where it is not there yet, and the manifest
    over all these and what lies in the folder already: contexts, shards, and what the encoder made.

    The rows of the summary and of the neighbours are the features by ascending index.
    ``origin`` is the rest of the manifest: name, model, hook, dictionary, source, corpus, corpus_fingerprint, sampling,
    n_tokens, n_contexts, progress.
    """
    write_tensors(folder / SUMMARY, summary)
    write_tensors(folder / NEIGHBOURS, neighbours.arrays())
    write_json(folder / VOCABULARY, list(vocabulary))
    tables = [(path, Tensors(path)) for path in sorted(folder.glob("contexts-*.safetensors"))]
    states = [(path, Tensors(path)) for path in sorted(folder.glob("states-*.safetensors"))]
    write_lexicon(folder, [file for _, file in tables])
    names = [*(shard.file for shard in shards), *(path.name for path, _ in [*tables, *states])]
    names += [SUMMARY, NEIGHBOURS, VOCABULARY, WORDS, *(places_file(number) for number in range(len(tables)))]
    names += [name for name in (VECTORS, MEANS) if (folder / name).exists()]
    manifest = Manifest(
        format=FORMAT,
        n_features=len(summary["index"]),
        n_kept=sum(len(file["lengths"]) for _, file in tables),
        n_pool=int(sum(file["pool"].sum() for _, file in tables)),
        length=length,
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        labeler=__version__,
        shards=tuple(shards),
        tables=tuple(Shard(file=path.name, n=len(file["lengths"])) for path, file in tables),
        states=tuple(Shard(file=path.name, n=len(file["means"])) for path, file in states),
        splits="dealt",
        files={name: File(sha256=sha256_of(folder / name), bytes=os.stat(folder / name).st_size) for name in names},
        **origin,
    )
    write_json(folder / "manifest.json", manifest.stored())
    return manifest


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
            lens=logit_lens.measured([Tensors(folder / shard.file) for shard in shards], rows),
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
