"""``python -m eval.sample.cut``: a few features of a collected store as a store of its own, small enough to ship.

Both samples of contexts are cut as they were drawn: the pool to the contexts with the smallest permanent numbers, the
reservoir of every split and stratum to the smallest numbers there. So they stay uniform samples, and the exact counts of
the whole corpus, which are kept, make them speak for it.
"""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labeler import api
from labeler.evidence.collect.publish import write_shard, write_store
from labeler.evidence.neighbours import NEAR_COSINE, NEAREST, Neighbours, groups
from labeler.evidence.sampling import first_of_group, permanent_number, strata
from labeler.evidence.store.contexts import Contexts, Rows
from labeler.evidence.store.lexicon import lexicon_of, write_lexicon
from labeler.evidence.store.states import MEANS, Packed, encoded
from labeler.evidence.store.storage import Tensors, write_tensors
from labeler.evidence.store.store import EvidenceStore
from labeler.evidence.store.word_vectors import VECTORS, vectors_of
from labeler.features import SPLITS, IntArray


@dataclass(frozen=True, kw_only=True)
class Sizes:
    """How much a cut store holds."""

    pool: int = 900
    """Contexts of the uniform pool."""
    reservoir: tuple[int, ...] = (6, 2, 5)
    """Firing contexts of each feature and stratum, by split: ``explain``, ``select``, ``score``."""
    top: int = 6
    """Strongest contexts of each feature, of ``explain`` alone: only the explainer is shown them."""


def cut(store: EvidenceStore, indices: Sequence[int], folder: Path, name: str, sizes: Sizes) -> None:
    """Write some features of a counted store, ascending, with their part of its contexts, as a store of another name."""
    kept_pool = _pool(store, sizes.pool)
    picked = [_pick(store, index, kept_pool, sizes) for index in indices]
    rows = np.unique(np.concatenate([kept_pool, *(contexts for contexts, _, _ in picked)]))
    folder.mkdir(parents=True)
    table = _contexts(store).take(rows)
    write_tensors(folder / "contexts-00000.safetensors", {**table.arrays(), "pool": np.isin(rows, kept_pool)})
    _guides(folder, store.manifest.length)
    columns = [_columns(store, index) for index in indices]
    sparse = [_sparse(np.searchsorted(rows, contexts), dense) for contexts, _, dense in picked]
    arrays: dict[str, NDArray[Any]] = {
        "offsets": np.cumsum([0, *(len(s["context"]) for s in sparse)], dtype=np.int64),
        "starts": np.cumsum([0, *(len(s["value"]) for s in sparse)], dtype=np.int64),
        "sampled": np.array([n for _, n, _ in picked], dtype=np.int32),
        **{name: np.concatenate([s[name] for s in sparse]) for name in sparse[0]},
        **{name: np.stack([c[name] for c in columns]) for name in columns[0]},
    }
    shard = write_shard(folder, 0, arrays)
    places = [store.place(index) for index in indices]
    summary = {name: np.asarray(store.summary[name])[places] for name in store.summary}
    summary["at"] = np.arange(len(indices))
    manifest = store.manifest
    write_store(
        folder,
        shards=[shard],
        summary=summary,
        neighbours=_neighbours(store, indices),
        vocabulary=store.vocabulary,
        length=manifest.length,
        n_tokens=manifest.n_tokens,
        n_contexts=manifest.n_contexts,
        sampling=manifest.sampling,
        lens=manifest.lens,
        name=name,
        model=manifest.model,
        hook=manifest.hook,
        dictionary="labeler/data/dictionary",
        source="collected",
        corpus=manifest.corpus,
        corpus_fingerprint=manifest.corpus_fingerprint,
    )


def _guides(folder: Path, length: int) -> None:
    """What guides a draw, made once for every machine: the vectors of all words, and every context's mean state.

    The states themselves are much larger, and decide nothing but a score's last digits: they are made where they are used.
    """
    table = Tensors(folder / "contexts-00000.safetensors")
    n = len(table["lengths"])
    rows = Rows(lambda number: table, [n])
    write_lexicon(folder, [table])
    lexicon = lexicon_of(folder, [n])
    vectors = vectors_of([lexicon.spelled[word] for word in range(len(lexicon))])
    write_tensors(folder / VECTORS, {"words": np.arange(len(lexicon), dtype=np.int32), "vectors": vectors})
    means: dict[int, NDArray[np.float16]] = {}
    for part, states in encoded(rows, np.arange(n), length):
        means.update(zip(part.tolist(), Packed.of(states).means, strict=True))
    write_tensors(folder / MEANS, {"means": np.stack([means[row] for row in range(n)])})


def _pool(store: EvidenceStore, n: int) -> IntArray:
    rows = np.flatnonzero(store.rows.pool_place >= 0)
    number = permanent_number(store.rows.column("ordinal", rows))
    return np.sort(rows[np.argsort(number)[:n]])


def _pick(store: EvidenceStore, index: int, pool: IntArray, sizes: Sizes) -> tuple[IntArray, int, NDArray[np.float32]]:
    """The contexts of a feature that are kept, the sampled ones first, how many those are, and its activations there."""
    found = store.read(index)
    split = store.rows.split[found.contexts].astype(np.int64)
    maximum = found.activations.max(axis=1, initial=0.0)
    number = permanent_number(store.rows.column("ordinal", found.contexts))
    stratum = strata(maximum)
    at_hand = np.arange(len(number)) < found.n_sampled
    kept = np.isin(found.contexts, pool) & at_hand
    for place, n in enumerate(sizes.reservoir):
        here = np.flatnonzero(at_hand & (split == place))
        kept[here[first_of_group(stratum[here], (number[here] * 2.0**33).astype(np.uint64), n)]] = True
    explain = np.flatnonzero(split == SPLITS.index("explain"))
    strongest = explain[np.argsort(-maximum[explain], kind="stable")[: sizes.top]]
    sampled = np.flatnonzero(kept)
    top = np.setdiff1d(strongest, sampled)
    order = np.r_[sampled, top]
    return found.contexts[order], len(sampled), found.activations[order]


def _sparse(rows: IntArray, dense: NDArray[np.float32]) -> dict[str, NDArray[Any]]:
    row, position = np.nonzero(dense)
    return {
        "context": rows.astype(np.uint32),
        "count": np.bincount(row, minlength=len(dense)).astype(np.uint8),
        "position": position.astype(np.uint8),
        "value": dense[row, position].astype(np.float16),
    }


def _columns(store: EvidenceStore, index: int) -> Mapping[str, NDArray[Any]]:
    shard, at = store._shard(store.place(index))
    names = ("population", "histogram", "promoted", "promoted_logits", "suppressed", "suppressed_logits")
    return {name: np.asarray(shard[name][at]) for name in names}


def _neighbours(store: EvidenceStore, indices: Sequence[int]) -> Neighbours:
    """Those of the whole dictionary, as far as they are here."""
    place = {index: at for at, index in enumerate(indices)}
    nearest = np.full((len(indices), NEAREST), -1, dtype=np.int32)
    closeness = np.zeros((len(indices), NEAREST), dtype=np.float16)
    for row, index in enumerate(indices):
        near = [(place[other], close) for other, close in store.nearest(index) if other in place]
        for at, (other, close) in enumerate(near):
            nearest[row, at], closeness[row, at] = other, close
    return Neighbours(
        nearest=nearest,
        closeness=closeness,
        group=groups(nearest, closeness, NEAR_COSINE, np.arange(len(indices))),
    )


def _contexts(store: EvidenceStore) -> Contexts:
    return Contexts.concatenate([Contexts.load(Tensors(store.path(table.file))) for table in store.manifest.tables])


def main() -> None:
    """Cut features of a dictionary in the home, spread by density, into a folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("dictionary", help="as `labeler dictionaries` lists it")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--name", default="demo")
    parser.add_argument("--features", type=int, default=40)
    chosen = parser.parse_args()
    opened = api.open(chosen.dictionary)
    shutil.rmtree(chosen.folder, ignore_errors=True)
    cut(opened.store, opened.spread(chosen.features), chosen.folder, chosen.name, Sizes())
    size = sum(path.stat().st_size for path in chosen.folder.iterdir())
    print(f"{chosen.folder}: {chosen.features} features, {size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
