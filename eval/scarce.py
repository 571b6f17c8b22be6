"""``python -m eval scarce``: what labels and their scores are worth where a feature comes with a few contexts.

Features of the sample are thinned: of each a few documents in which it fires, one context of each, and as many silent
contexts as exports bring come as an import of their own. It is labelled and scored in three ways: with splits by the hash
of a document alone, with documents dealt into the three splits by strength, and by halves. What the labels are worth is
known, for the whole collection is at hand: the score of a label there, with firing and silent contexts in the import's
proportion. The same is done with features of others, thinned, or whole where held-out contexts of theirs are at hand
(``labelled``).
"""

from __future__ import annotations

import asyncio
import dataclasses
import json
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any
from unittest import mock

import numpy as np
import typer
from rich import box
from rich.table import Table

from eval.estimator.command import every
from eval.frames import by_class
from eval.labelled import bring as bring_labelled
from eval.labelled import everything, read
from eval.results import load, save
from labeler import api
from labeler.cli.display import out
from labeler.cli.following import collecting
from labeler.demo import collect_sample
from labeler.evidence import splits as dealing
from labeler.evidence.store.store import EvidenceStore
from labeler.metrics import pearson
from labeler.metrics.moments import unit_moments
from labeler.pipeline.bench import Backends, Bench, unkept
from labeler.pipeline.config import RunConfig
from labeler.pipeline.cross_fitting import by_half
from labeler.pipeline.feature import explanation, label
from labeler.pipeline.scoring import Sample
from labeler.progress import Progress
from labeler.settings import settings
from labeler.simulators.embedding import EmbeddingSimulator

DOCUMENTS = (2, 3, 5, 8, 11, 14, 20, 30)
SILENT = 20
FEATURES = 40
ARMS = ("by hash", "dealt", "by halves")


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """One feature in one way."""

    source: str
    documents: int
    """In which it fires."""
    arm: str
    labelled: bool
    worth: float
    """The score of the label that stands on everything else; 0 where there is none."""
    value: float | None
    low: float | None
    high: float | None
    estimated: float | None
    """What the score estimates: its label's worth or, by halves, the mean worth of both halves' labels."""
    state: str


def main(
    paths: Annotated[
        list[Path] | None, typer.Argument(help="Files of labelled features, as for eval labelled.")
    ] = None,
    save_figures: Annotated[bool, typer.Option("--save", help="Keep the figures in eval/results.")] = False,
) -> None:
    """Labels and scores from few documents: splits by hash, dealt by strength, and by halves."""
    with collecting() as progress, tempfile.TemporaryDirectory(prefix="labeler-scarce-") as folder:
        whole = collect_sample(progress=progress).store
        outcomes = of_thinned(whole, "sample", Path(folder), progress)
        for path in paths or []:
            if path.is_dir():  # an export: its own features are thinned
                brought = api.import_evidence(path, path.name, home=Path(folder) / "brought").store
                outcomes += of_thinned(brought, path.name, Path(folder), progress)
                continue
            features = read(path)
            shown = bring_labelled(features, "shown", Path(folder) / f"{path.parent.name}-shown")
            apart = bring_labelled(features, "held out", Path(folder) / f"{path.parent.name}-apart")
            for done, index in enumerate(shown.indices.tolist()):
                n = len({context.document for context in shown.evidence(index).contexts})
                outcomes += judged(shown, index, path.parent.name, n, Truth.of(apart, index))
                progress(f"labelling {path.parent.name}", done + 1, len(shown.indices), "features")
    rows = summed(outcomes)
    out.print(table(rows))
    if save_figures:
        out.print(f"saved in {save('scarce', {'rows': rows})}", highlight=False)


def of_thinned(whole: EvidenceStore, source: str, folder: Path, progress: Progress) -> list[Outcome]:
    """Features of a store, thinned, in all ways; what their labels are worth is known from the rest of it."""
    thin, origin = thinned(whole, folder / source)
    outcomes = []
    for done, (at, (index, documents)) in enumerate(origin.items()):
        outcomes += judged(thin, at, source, len(documents), Truth.of(whole, index, documents))
        progress(f"labelling {source}, thinned", done + 1, len(origin), "features")
    return outcomes


def thinned(whole: EvidenceStore, folder: Path) -> tuple[EvidenceStore, dict[int, tuple[int, frozenset[str]]]]:
    """An import of features with few documents; and by its index each one's index in the whole, and which those are."""
    folder.mkdir(parents=True)
    origin: dict[int, tuple[int, frozenset[str]]] = {}
    lines: list[str] = []
    rng = np.random.default_rng(0)
    for index in every(whole, min(FEATURES, whole.n_features)):
        frames = everything(whole, index).frame
        fires = np.flatnonzero(frames.firing)
        by_document: dict[str, list[int]] = {}
        for row in rng.permutation(fires):
            by_document.setdefault(whole.rows.document(int(frames.contexts[row])), []).append(int(row))
        silent = np.flatnonzero(~frames.firing)
        quiet = rng.choice(silent, min(SILENT, len(silent) // 2), replace=False)
        for n in DOCUMENTS:
            if len(by_document) < n + 5:  # what a label is worth is seen on others
                continue
            names = rng.choice(sorted(by_document), n, replace=False)
            rows = [by_document[name][0] for name in names] + quiet.tolist()
            contexts = [
                {
                    "tokens": whole.rows.strings(int(frames.contexts[row])),
                    "activations": frames.truth[row, : frames.lengths[row]].tolist(),
                    "document": whole.rows.document(int(frames.contexts[row])),
                }
                for row in rows
            ]
            lines.append(json.dumps({"index": len(lines), "contexts": contexts}))
            origin[len(lines) - 1] = (index, frozenset(map(str, names)))
    file = folder / "thinned.jsonl"
    file.write_text("\n".join(lines), encoding="utf-8")
    return api.import_evidence(file, "thinned", home=folder / "home").store, origin


@dataclass(frozen=True, eq=False)
class Truth:
    """Everything that is known of a feature elsewhere, to score its labels on."""

    sample: Sample

    @classmethod
    def of(cls, store: EvidenceStore, index: int, without: frozenset[str] = frozenset()) -> Truth:
        """All contexts at hand in another store, but for those of some documents in which the feature fires."""
        found = everything(store, index)
        frame = found.frame
        names = np.array([store.rows.document(int(row)) in without for row in frame.contexts])
        rest = frame.take(np.flatnonzero(~(names & frame.firing)))
        return cls(Sample(rest, store.material(rest.contexts), found.design))

    def worth(self, text: str | None, firing: int, silent: int) -> float | None:
        """The score of a label where so many firing contexts stand beside so many silent ones; None where undefined."""
        if text is None:
            return None
        frame = self.sample.frame
        prediction = asyncio.run(EmbeddingSimulator().predict([text], self.sample.material))[0]
        found = unit_moments(frame.truth, prediction, frame.lengths)
        loud, quiet = by_class(found, frame)
        value = float(pearson(firing * loud + silent * quiet))
        return None if np.isnan(value) else value


def judged(store: EvidenceStore, index: int, source: str, documents: int, truth: Truth) -> list[Outcome]:
    """One feature in all three ways."""
    return [_judged(way, index, source, documents, truth, arm) for arm, way in ways(store)]


def ways(store: EvidenceStore) -> Iterator[tuple[str, EvidenceStore]]:
    """The same evidence as each arm splits it; to be used one after the other."""
    for arm in ARMS:
        other = EvidenceStore(store.shelf.place)
        if arm == "by hash":
            other.manifest = dataclasses.replace(other.manifest, splits="document")
        few = 10**6 if arm == "by halves" else 0
        with mock.patch.multiple(dealing, FEW=few, STRONG=0):
            yield arm, other


def _judged(store: EvidenceStore, index: int, source: str, documents: int, truth: Truth, arm: str) -> Outcome:
    config = RunConfig(
        dictionary=store.manifest.name,
        explainers=("lexical",),
        simulators=("embedding",),
        selector="lexical",
        sampling=store.manifest.sampling,
    )
    nothing = Outcome(
        source=source,
        documents=documents,
        arm=arm,
        labelled=False,
        worth=0.0,
        value=None,
        low=None,
        high=None,
        estimated=None,
        state="no label",
    )
    if not store.evidence(index).of("explain"):
        return nothing
    found = asyncio.run(label(Bench(config, store, Backends(settings())), index, unkept))
    if found.state != "labelled" or found.chosen is None:
        return nothing
    texts = [explanation(candidate).text for candidate in found.candidates]
    score = next(one for one in found.scores if one.key == config.headline)
    frames = [store.frame(index, "score")]
    scored = [texts[found.chosen]]
    if "folds" in score.details:
        frames = [store.fold(half).frame(index, "score") for half in (0, 1)]
        made = by_half(store, index, found.candidates)
        scored = [explanation(made[half]).text if half in made else "" for half in (0, 1)]
    worths = [
        truth.worth(text, frame.firing.sum(), (~frame.firing).sum()) for text, frame in zip(scored, frames, strict=True)
    ]
    known = None if None in worths else float(np.mean(worths))  # type: ignore[arg-type]
    return dataclasses.replace(
        nothing,
        labelled=True,
        worth=truth.worth(texts[found.chosen], documents, SILENT) or 0.0,
        value=score.value,
        low=score.low,
        high=score.high,
        estimated=known,
        state=score.state,
    )


def summed(outcomes: Sequence[Outcome]) -> list[dict[str, Any]]:
    """By source, number of documents and arm."""
    rows = []
    for source, documents in dict.fromkeys((one.source, _step(one.documents)) for one in outcomes):
        for arm in ARMS:
            some = [o for o in outcomes if (o.source, _step(o.documents), o.arm) == (source, documents, arm)]
            known = [o for o in some if o.value is not None and o.estimated is not None]
            ends = [(o.low, o.high, o.estimated, o.state) for o in known if o.low is not None]
            inside = [low <= truth <= high for low, high, truth, _ in ends]  # type: ignore[operator]
            ok = [good for good, (*_, state) in zip(inside, ends, strict=True) if state == "ok"]
            rows.append(
                {
                    "source": source,
                    "documents": documents,
                    "arm": arm,
                    "features": len(some),
                    "labelled": _mean([o.labelled for o in some]),
                    "worth": _mean([o.worth for o in some]),
                    "scored": _mean([o.value is not None for o in some]),
                    "off": _mean([abs(o.value - o.estimated) for o in known]),  # type: ignore[operator]
                    "bias": _mean([o.value - o.estimated for o in known]),  # type: ignore[operator]
                    "covered": _mean(inside),
                    "half_width": _mean([(high - low) / 2 for low, high, *_ in ends]),  # type: ignore[operator]
                    "ok": _mean([o.state == "ok" for o in some]),
                    "ok_covered": _mean(ok),
                }
            )
    return rows


def _step(documents: int) -> int:
    """The largest of DOCUMENTS that is not above a number: features of others come with any."""
    return max(n for n in DOCUMENTS if n <= max(documents, DOCUMENTS[0]))


def _mean(values: Sequence[float]) -> float | None:
    return round(float(np.mean(values)), 3) if len(values) else None


def readme_table() -> str:
    """The saved figures as the README shows them, in Markdown."""
    rows = [row for row in load("scarce")["rows"] if row["source"] == "sample"]
    found = {(row["documents"], row["arm"]): row for row in rows}
    lines = [
        "| documents | worth of labels: by hash | dealt | by halves | intervals that hold: by hash | dealt | by halves |",
        "|---|---|---|---|---|---|---|",
    ]
    for n in dict.fromkeys(row["documents"] for row in rows):
        cells = [found[n, arm][of] for of in ("worth", "covered") for arm in ARMS]
        lines.append(f"| {n} | " + " | ".join("–" if cell is None else f"{cell:.2f}" for cell in cells) + " |")
    return "\n".join(lines)


def table(rows: Sequence[dict[str, Any]]) -> Table:
    """All rows, one a line."""
    shown = Table(title="labels and scores from few documents", box=box.SIMPLE)
    for name in rows[0]:
        shown.add_column(name.replace("_", " "), justify="left" if name in ("source", "arm") else "right")
    for row in rows:
        shown.add_row(*("" if value is None else str(value) for value in row.values()))
    return shown
