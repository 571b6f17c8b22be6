"""``python -m eval labelled PATH``: somebody else's labels, scored on their own evidence against shuffled ones.

PATH is a file of features with an explanation each, as Delphi's early results hold them (119 of GPT-2 were used here), a
line each: ``{"explanation", "train_examples": [{"tokens", "values"}], "fuzz": [item], "detection": [item], "fuzz_score":
{"balanced_accuracy"}, "detection_score"}`` with an item ``{"text", "distance", "ground_truth", "judge_said_yes"}``, whose
distance is -1 where the feature is silent. The contexts come here through this project's own contexts.jsonl, as any user
brings his. Every feature's label and those of some other features are scored on all its contexts, whatever their split:
the labels were made elsewhere. Two kinds of evidence are told apart. ``shown``: the training examples with their
activations; the explainer was shown these very contexts, so that its labels look better on them than they are. ``held
out``: the fuzzing items it never saw, 1 on the tokens that are marked in them and 0 elsewhere, for no activation came
with them. The silent contexts are the same in both, and held out.
The judgements that the file records are scored besides, next to the balanced accuracies that it states.

Each feature's scores are kept as they are made (``--rows``), and the same call goes on from there after a stop.
"""

from __future__ import annotations

import asyncio
import json
import re
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import typer
from numpy.typing import NDArray
from pydantic import BaseModel, Field, ValidationError
from rich import box
from rich.table import Table

from eval.keeping import Kept
from eval.reference import shuffled
from eval.results import load, save
from labeler import __version__, api
from labeler.cli.display import err, out
from labeler.cli.following import collecting
from labeler.errors import InputError
from labeler.evidence.importers.files import lines, one_line, parse
from labeler.evidence.store.manifest import sha256_of
from labeler.evidence.store.store import EvidenceStore
from labeler.features import SPLITS
from labeler.metrics import average, percentile_interval
from labeler.metrics.proportions import balanced_accuracy
from labeler.pipeline.bench import Backends, unkept
from labeler.pipeline.scoring import Sample, foreign_scores, whole
from labeler.printable import clean
from labeler.progress import Progress, silent
from labeler.settings import settings
from labeler.simulators import Simulator, open_simulator, parse_simulator

Kind = Literal["shown", "held out"]
KINDS: tuple[Kind, ...] = ("shown", "held out")
JUDGED = ("fuzz", "detection")

SIMULATORS = ["embedding", "lexical"]
SHUFFLES = 5
"""Other features' labels that each feature is scored with."""
REPLICATES = 1000

_PIECES = re.compile(r" ?[^\W_]+| ?(?:[^\w\s]|_)+|\s+(?!\S)|\s+")
_MARKED = re.compile(r"<<(.*?)>>", re.DOTALL)

Floats = NDArray[np.float64]


class Example(BaseModel):
    """A context that the explainer was shown; without tokens where the file has only its text."""

    tokens: list[str] = []
    values: list[float] = []


class Item(BaseModel):
    """A context that a judge was asked about."""

    text: str
    distance: int
    ground_truth: bool
    judge_said_yes: bool


class Stated(BaseModel):
    """What the file says of its judgements."""

    balanced_accuracy: float


class Feature(BaseModel):
    """One line of the file."""

    explanation: str = Field(min_length=1)
    train_examples: list[Example]
    fuzz: list[Item]
    detection: list[Item]
    fuzz_score: Stated
    detection_score: Stated

    def contexts(self, kind: Kind) -> list[dict[str, Any]]:
        """Its contexts as contexts.jsonl has them."""
        if kind == "shown":
            firing = [(e.tokens, e.values) for e in self.train_examples if e.tokens]
        else:
            firing = [marked(item.text) for item in self.fuzz if item.ground_truth]
        quiet = [pieces(item.text) for item in self.detection if item.distance == -1]
        return [
            {"tokens": tokens, "activations": values}
            for tokens, values in [*firing, *((tokens, [0.0] * len(tokens)) for tokens in quiet)]
        ]


@dataclass(frozen=True, eq=False, kw_only=True)
class Scored:
    """All features by one simulator on one kind of evidence; undefined scores are 0."""

    simulator: str
    kind: Kind
    true: Floats
    """[n] the scores of the features' own labels."""
    foreign: Floats
    """[n, shuffles] of other features' labels on the same contexts."""
    undefined: int
    """Own labels whose score is undefined: the simulator predicts the same on every token."""

    def summary(self) -> dict[str, Any]:
        """Means, and how well true and shuffled labels are told apart, with a bootstrap interval over features."""
        above = above_shuffled(self.true, self.foreign)
        n = len(self.true)
        rng = np.random.default_rng(0)
        counts = np.stack([np.bincount(rng.integers(n, size=n), minlength=n) for _ in range(REPLICATES)])
        low, high = percentile_interval(((counts @ above) * counts).sum(axis=1) / n**2)
        return {
            "simulator": self.simulator,
            "evidence": self.kind,
            "features": n,
            "undefined": self.undefined,
            "mean_true": round(float(self.true.mean()), 4),
            "mean_shuffled": round(float(self.foreign.mean()), 4),
            "auc": round(float(above.mean()), 4),
            "auc_low": round(low, 4),
            "auc_high": round(high, 4),
            "own_beats_shuffled": round(float(np.diagonal(above).mean()), 4),
        }


def read(path: Path) -> list[Feature]:
    """The features of a file; InputError naming the line and what is wrong with it."""
    found = []
    for number, line in lines(path):
        place = f"{path}, line {number}"
        try:
            found.append(Feature.model_validate(parse(line, place)))
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"])) or "the line"
            raise InputError(one_line(f"{place}: {where}: {first['msg']}")) from error
    if len(found) < 2:
        raise InputError(f"{path}: {len(found)} features; there must be two or more, to shuffle their labels")
    return found


def pieces(text: str) -> list[str]:
    """A text cut into words with the space before them, runs of marks, and what is left; joined they give it back."""
    return _PIECES.findall(text)


def marked(text: str) -> tuple[list[str], list[float]]:
    """The tokens of a text with ``<<`` and ``>>`` around some, and 1 on those."""
    tokens: list[str] = []
    values: list[float] = []
    for at, part in enumerate(_MARKED.split(text)):
        found = [part] if at % 2 else pieces(part)
        tokens += found
        values += [float(at % 2)] * len(found)
    return tokens, values


def bring(features: Sequence[Feature], kind: Kind, home: Path) -> EvidenceStore:
    """One kind of a file's evidence as a dictionary, each feature under its place in the file."""
    home.mkdir(parents=True)
    path = home / "contexts.jsonl"
    with path.open("w", encoding="utf-8") as file:
        for index, feature in enumerate(features):
            file.write(json.dumps({"index": index, "contexts": feature.contexts(kind)}) + "\n")
    return api.import_evidence(path, "labelled", home=home).store


def everything(store: EvidenceStore, index: int) -> Sample:
    """All contexts at hand of a feature, of every split."""
    return whole(store, index, SPLITS)


async def compare(
    simulator: Simulator,
    labels: Sequence[str],
    store: EvidenceStore,
    kind: Kind,
    shuffles: int = SHUFFLES,
    progress: Progress = silent,
    kept: Kept | None = None,
) -> Scored:
    """Every feature's own label and other features' on the same contexts, by one simulator.

    A feature whose row is ``kept`` is not scored again; the rows of the others are added.
    """
    by_index = dict(enumerate(labels))
    orders = [shuffled(by_index, store, seed) for seed in range(shuffles)]
    found: list[list[float | None]] = []
    for index, label in by_index.items():
        key = (simulator.name, simulator.source, kind, index)
        row = kept.get(key) if kept is not None else None
        if row is None:
            texts = [label, *(order[index] for order in orders)]
            scores = await foreign_scores(simulator, texts, await asyncio.to_thread(everything, store, index))
            row = {"label": label, "true": scores[0], "shuffled": list(scores[1:])}
            if kept is not None:
                kept.add(key, row)
        found.append([row["true"], *row["shuffled"]])
        progress(f"{simulator.name}, {kind}", index + 1, len(labels), "features")
    values = np.array([[0.0 if value is None else value for value in row] for row in found])
    return Scored(
        simulator=simulator.name,
        kind=kind,
        true=values[:, 0],
        foreign=values[:, 1:],
        undefined=sum(row[0] is None for row in found),
    )


def above_shuffled(true: Floats, foreign: Floats) -> Floats:
    """[n, n] the share of feature j's shuffled labels that feature i's own label scores above, ties counted half.

    Its mean is the area under the curve of true against shuffled labels; its diagonal compares on the same contexts.
    """
    own, other = true[:, None, None], foreign[None, :, :]
    found: Floats = ((own > other) + (own == other) / 2).mean(axis=2)
    return found


def judgements(features: Sequence[Feature]) -> dict[str, dict[str, Any]]:
    """By kind of question: how many features' recorded answers give the balanced accuracy that the file states."""
    found = {}
    for kind in JUDGED:
        stated = [getattr(feature, f"{kind}_score").balanced_accuracy for feature in features]
        items: list[list[Item]] = [getattr(feature, kind) for feature in features]
        values = [
            balanced_accuracy([item.ground_truth for item in asked], [item.judge_said_yes for item in asked]).value
            for asked in items
        ]
        found[kind] = {
            "features": len(features),
            "reproduced": sum(agrees(value, said) for value, said in zip(values, stated, strict=True)),
            "mean_balanced_accuracy": average(values).mean,
        }
    return found


def agrees(value: float | None, stated: float) -> bool:
    """Whether a number is the stated one, of which four digits are written."""
    return value is not None and abs(value - stated) < 0.5001e-4


def main(
    path: Annotated[Path, typer.Argument(help="A file of features with labels, contexts and judgements.")],
    simulator: Annotated[list[str], typer.Option(help="A simulator; may be given several times.")] = SIMULATORS,
    shuffles: Annotated[int, typer.Option(min=1, help="Other features' labels that each is scored with.")] = SHUFFLES,
    kept: Annotated[
        Path | None,
        typer.Option(
            "--rows", help="Where every feature's scores are kept; eval/labelled-NAME.jsonl in the home otherwise."
        ),
    ] = None,
    save_figures: Annotated[bool, typer.Option("--save", help="Keep the figures in eval/results.")] = False,
) -> None:
    """True against shuffled labels of a file, by simulator, and whether its judgements give the scores it states.

    Stopped, the same call goes on with the features that have no row yet.
    """
    features = read(path)
    target = kept or settings().home / "eval" / f"labelled-{path.stem}.jsonl"
    with Kept(target, {"file": sha256_of(path), "shuffles": shuffles, "labeler": __version__}) as so_far:
        if len(so_far):
            err.print(f"going on from {len(so_far):,} rows in {clean(str(target))}", highlight=False, markup=False)
        rows = asyncio.run(_score_all(features, simulator, shuffles, so_far))
    told = judgements(features)
    out.print(table(rows, len(features)))
    out.print("shown: the explainer was shown these very contexts; held out: it never saw them", highlight=False)
    for kind, found in told.items():
        out.print(
            f"{kind}: the recorded answers give the stated balanced accuracy for {found['reproduced']} of "
            f"{found['features']} features (mean {found['mean_balanced_accuracy']:.3f})",
            highlight=False,
        )
    out.print(f"every feature's scores: {clean(str(target))}", highlight=False, markup=False, soft_wrap=True)
    if save_figures:
        figures = {"file": f"{path.parent.name}/{path.name}", "shuffles": shuffles, "rows": rows, "judgements": told}
        out.print(f"saved in {clean(str(save('labelled', figures)))}", highlight=False)


async def _score_all(
    features: Sequence[Feature], names: Sequence[str], shuffles: int, kept: Kept
) -> list[dict[str, Any]]:
    backends = Backends(settings())
    simulators = [open_simulator(parse_simulator(name), backends, unkept) for name in names]
    labels = [feature.explanation for feature in features]
    rows = []
    try:
        with tempfile.TemporaryDirectory() as folder, collecting() as progress:
            for kind in KINDS:
                store = await asyncio.to_thread(bring, features, kind, Path(folder) / kind)
                for simulator in simulators:
                    rows.append((await compare(simulator, labels, store, kind, shuffles, progress, kept)).summary())
    finally:
        await backends.close()
    return rows


def table(rows: Sequence[dict[str, Any]], n: int) -> Table:
    """The figures as people read them."""
    grid = Table(title=f"{n} features, their own labels against other features'", box=box.SIMPLE_HEAD)
    for column in ("simulator", "contexts", "own", "shuffled", "AUC", "own above shuffled", "undefined"):
        grid.add_column(column, justify="left" if column in ("simulator", "contexts") else "right")
    for row in rows:
        grid.add_row(
            row["simulator"],
            row["evidence"],
            f"{row['mean_true']:+.3f}",
            f"{row['mean_shuffled']:+.3f}",
            f"{row['auc']:.3f} [{row['auc_low']:.3f} {row['auc_high']:.3f}]",
            f"{row['own_beats_shuffled']:.1%}",
            str(row["undefined"]),
        )
    return grid


def readme_table() -> str:
    """The saved figures as the README shows them, in Markdown."""
    saved = load("labelled")
    lines = ["| simulator | contexts | own label | shuffled | AUC |", "|---|---|---|---|---|"]
    for row in saved["rows"]:
        lines.append(
            f"| `{row['simulator']}` | {row['evidence']} | {row['mean_true']:+.3f} | {row['mean_shuffled']:+.3f} "
            f"| {row['auc']:.3f} [{row['auc_low']:.3f}, {row['auc_high']:.3f}] |"
        )
    return "\n".join(lines)
