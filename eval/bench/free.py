"""``python -m eval.bench free``: CPU seconds that a feature takes of the simulators that cost nothing, and of guides."""

from __future__ import annotations

import asyncio
import itertools
import json
import re
import tempfile
import time
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any
from unittest import mock

import numpy as np
import typer
from numpy.typing import NDArray
from rich import box
from rich.table import Table

from eval.bench.parts import written
from eval.results import load, save
from labeler.cli.display import out
from labeler.cli.following import collecting
from labeler.evidence import sampling
from labeler.evidence.collect.compaction import Building
from labeler.evidence.corpora.registry import sample_corpus
from labeler.evidence.neighbours import Pairs
from labeler.evidence.sampling import split_of
from labeler.evidence.store.contexts import Contexts, Rows
from labeler.evidence.store.lexicon import lexicon_of, write_lexicon
from labeler.evidence.store.states import Packed
from labeler.evidence.store.storage import Tensors, write_tensors
from labeler.evidence.store.store import EvidenceStore
from labeler.evidence.store.word_vectors import write_vectors
from labeler.features import SPLITS
from labeler.pipeline.config import RunConfig
from labeler.pipeline.importance import guides
from labeler.pipeline.scoring import foreign_scores, score, whole
from labeler.simulators.embedding import EmbeddingSimulator
from labeler.simulators.lexical import LexicalSimulator

SIZES = (1_600, 7_000, 20_000)
"""Contexts at hand of ``score``; half as many are of ``select``."""

FEATURES = 40
FOREIGN = 40
LENGTH = 32
WIDTH = 384
FILE = 512

_PIECE = re.compile(r" ?[^\W\d_]{1,6}|\d|_| ?[^\w\s]|\s")

Row = dict[str, Any]


class StandIn:
    """A sentence encoder that knows a random direction for every text: what it costs to encode is not what is measured."""

    width = WIDTH

    def texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Unit vectors [n, width], the same for the same text."""
        return np.concatenate([unit(np.random.default_rng(zlib.crc32(text.encode())), (1, WIDTH)) for text in texts])


def unit(rng: np.random.Generator, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Random unit vectors [..., width]."""
    made = rng.standard_normal(shape, dtype=np.float32)
    found: NDArray[np.float32] = made / np.linalg.norm(made, axis=-1, keepdims=True)
    return found


def main(
    save_figures: Annotated[bool, typer.Option("--save", help="Keep the figures in eval/results.")] = False,
) -> None:
    """CPU seconds a feature of `embedding`, `lexical` and guides, the time to encode texts left out."""
    rows: list[Row] = []
    with collecting() as progress:
        for done, size in enumerate(SIZES):
            progress("scoring", done, len(SIZES), "sizes")
            rows.append(measured(size, FEATURES))
        progress("scoring", len(SIZES), len(SIZES), "sizes")
    out.print(shown(rows))
    if save_figures:
        # Those of the version that read, split and cast everything for every label stay: they were taken by the same code.
        out.print(f"saved in {save('free', {'before': load('free')['before'], 'after': rows})}", highlight=False)


def shown(rows: Sequence[Row]) -> Table:
    """The figures as a table."""
    table = Table(title=f"CPU seconds a feature, with {FOREIGN} foreign labels", box=box.SIMPLE_HEAD)
    for column in rows[0]:
        table.add_column(column.replace("_", " "), justify="right")
    for row in rows:
        table.add_row(*(f"{value:,.3f}" if isinstance(value, float) else f"{value:,}" for value in row.values()))
    return table


def measured(size: int, features: int) -> Row:
    """Of some features with as many contexts at hand: seconds a feature of each simulator and of guides."""
    with (
        tempfile.TemporaryDirectory() as folder,
        mock.patch.dict("os.environ", {"XDG_CACHE_HOME": folder}),
        mock.patch("labeler.models.encoder.load_encoder", StandIn),
    ):
        store = made(Path(folder), size, features)
        return {"contexts": size, **asyncio.run(_measured(store, texts(features)))}


def texts(n: int) -> list[str]:
    """Labels that people wrote, as far as there are so many, and then again in other words."""
    lines = files("eval.sample").joinpath("reference_labels.jsonl").read_text(encoding="utf-8").splitlines()
    labels = [json.loads(line)["label"] for line in lines]
    return [f"{label}, {turn}" if turn else label for turn in range(n) for label in labels][: max(n, FOREIGN + 1)]


async def _measured(store: EvidenceStore, labels: Sequence[str]) -> Row:
    config = RunConfig(dictionary="free", labels="given", simulators=("embedding", "lexical"))
    spent = {"embedding": 0.0, "lexical": 0.0, "guides": 0.0}
    indices = range(store.n_features)
    for simulator in (EmbeddingSimulator(), LexicalSimulator()):
        for index in indices:  # all labels first, and then their nulls, as in a run
            everything, on_select = whole(store, index, "score"), whole(store, index, "select")
            began = time.process_time()
            await score(simulator, labels[index], index, everything, on_select, config)
            spent[simulator.name] += time.process_time() - began
        for index in indices:
            everything = whole(store, index, "score")
            others = [label for at, label in enumerate(labels) if at != index][:FOREIGN]
            began = time.process_time()
            await foreign_scores(simulator, others, everything)
            spent[simulator.name] += time.process_time() - began
    store = EvidenceStore(
        store.shelf.place
    )  # nothing of what was looked for is known to this one; its files are opened
    await guides("words", whole(store, 0, "score").material, encoder=True)
    for index in indices:
        everything = whole(store, index, "score")
        began = time.process_time()
        await guides(labels[index], everything.material, encoder=True)
        spent["guides"] += time.process_time() - began
    return {name: round(seconds / len(indices), 4) for name, seconds in spent.items()}


def made(folder: Path, size: int, n_features: int) -> EvidenceStore:
    """Evidence of the sample corpus for features that fire on a word each, with random vectors for what it says."""
    n = size + size // 2
    with mock.patch.object(sampling, "POOL", n):
        building = Building(folder / "parts", n_features)
        for contexts, pairs in _pieces(n, size, n_features):
            building.add(contexts, pairs)
        return written(building, folder / "store", n_features, lambda store: _write_states(store, n))


def _write_states(folder: Path, n: int) -> None:
    rng = np.random.default_rng(0)
    for number, first in enumerate(range(0, n, FILE)):
        states = unit(rng, (min(FILE, n - first), LENGTH, WIDTH))
        write_tensors(folder / f"states-{number:05d}.safetensors", Packed.of(states).arrays())
    tables = [Tensors(path) for path in sorted(folder.glob("contexts-*.safetensors"))]
    sizes = [len(table["lengths"]) for table in tables]
    write_lexicon(folder, tables)
    write_vectors(folder, lexicon_of(folder, sizes), Rows(tables.__getitem__, sizes))


def _pieces(n: int, size: int, n_features: int) -> Iterator[tuple[Contexts, Pairs]]:
    """The corpus in pieces that are no tokenizer's, over and over until there is enough: ``size`` contexts of ``score``."""
    score, select = SPLITS.index("score"), SPLITS.index("select")
    split = [score] * size + [select] * (n - size)
    names = {at: _documents(at) for at in (score, select)}
    texts = [" ".join(passage.text.split()) for passage in sample_corpus()]
    tokens = list(
        itertools.islice((piece for text in itertools.cycle(texts) for piece in _PIECE.findall(text)), n * LENGTH)
    )
    vocabulary = {token: at for at, token in enumerate(dict.fromkeys(tokens))}
    common = [token for token, _ in Counter(tokens).most_common(2_000) if len(token) > 3]
    wanted = {token: at for at, token in enumerate(common[:: max(1, len(common) // n_features)][:n_features])}
    rng = np.random.default_rng(0)
    for first in range(0, n, FILE):
        rows = [tokens[at * LENGTH : (at + 1) * LENGTH] for at in range(first, min(first + FILE, n))]
        active = [
            (wanted[token], first + row, at)
            for row, pieces in enumerate(rows)
            for at, token in enumerate(pieces)
            if token in wanted and rng.random() < 0.5
        ]
        feature, ordinal, position = np.array(active, dtype=np.int64).reshape(-1, 3).T
        contexts = Contexts.of(
            first=first,
            tokens=[[vocabulary[token] for token in pieces] for pieces in rows],
            ends=[np.cumsum([len(token) for token in pieces]) for pieces in rows],
            texts=["".join(pieces) for pieces in rows],
            documents=[next(names[split[first + row]]) for row in range(len(rows))],
            length=LENGTH,
        )
        value = np.exp(rng.normal(1.4, 0.7, len(feature))).astype(np.float16)
        order = np.lexsort((position, ordinal, feature))
        yield contexts, Pairs.of_active(feature[order], ordinal[order], position[order], value[order])


def _documents(split: int) -> Iterator[str]:
    """Names of documents that belong to a split."""
    return (name for name in map("document {}".format, itertools.count()) if split_of(name) == split)


def readme_table() -> str:
    """The saved figures as the README shows them."""
    figures = load("free")
    earlier = {row["contexts"]: row for row in figures["before"]}
    lines = [
        f"| contexts at hand | `embedding` and {FOREIGN} foreign labels | `lexical` and {FOREIGN} | guides of a draw |",
        "|---|---|---|---|",
    ]
    for row in figures["after"]:
        old = earlier[row["contexts"]]
        cells = [_cell(row[name], old[name]) for name in ("embedding", "lexical", "guides")]
        lines.append(f"| {row['contexts']:,} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _cell(seconds: float, before: float) -> str:
    shown = f"{seconds:.2f} s" if seconds >= 0.1 else f"{1000 * seconds:.0f} ms"
    return f"{shown} (was {before:.2f} s)"
