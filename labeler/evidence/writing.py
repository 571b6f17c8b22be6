"""Turning what was merged into a store: shards of features, a summary, and last the manifest that makes it one."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labeler import __version__
from labeler.evidence.contexts import Contexts
from labeler.evidence.lexicon import WORDS, places_file, write_lexicon
from labeler.evidence.manifest import FORMAT, File, Manifest, Shard, sha256_of, write_json
from labeler.evidence.neighbours import Neighbours
from labeler.evidence.parts import Merged, Seen
from labeler.evidence.sampling import pool_limit
from labeler.evidence.settling import sampled_and_top
from labeler.evidence.states import MEANS
from labeler.evidence.store import NEIGHBOURS, SUMMARY, VOCABULARY
from labeler.evidence.tensors import Tensors, write_tensors
from labeler.evidence.word_vectors import VECTORS
from labeler.progress import tell


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
