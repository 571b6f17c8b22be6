"""A dictionary's features as a person looks at them in Python: one by one, and all of them as a table."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from labeler.arguments import whole
from labeler.errors import MissingExtraError
from labeler.notebook import escaped, shaded

if TYPE_CHECKING:
    import pandas

    from labeler.api.dictionary import Dictionary
    from labeler.evidence.store.store import EvidenceStore
    from labeler.features import Evidence

Row = Mapping[str, Any]
"""An exported row (``labeler.catalogue.rows``)."""

SHOWN = 8
"""Contexts of a feature that a notebook shows, the strongest."""
TOKENS = 8
"""Promoted tokens that it shows."""


@dataclass(frozen=True, kw_only=True)
class Score:
    """One score of a label, as it stands in the catalogue."""

    value: float | None
    """None where it could not be measured; ``state`` says why."""
    low: float | None
    high: float | None
    state: str
    """``ok``, ``imprecise``, ``undefined``, ``failed`` or ``unscored``."""
    reason: str | None
    """Why it is not ``ok``."""
    null_percentile: float | None
    """The share of other features' labels that score less in this one's place, in per cent."""

    @classmethod
    def of(cls, row: Row) -> Score:
        """One of an exported row's."""
        return cls(**{name: row[name] for name in cls.__dataclass_fields__})


@dataclass(frozen=True, kw_only=True)
class Label:
    """What a feature was found to mean, with its headline score; the row that it stands in has the rest."""

    text: str
    """At most 12 words."""
    description: str
    """One sentence, or nothing."""
    explainer: str
    headline: str | None
    """The key of the score: ``simulation.embedding``."""
    score: float | None
    """None where it could not be measured; ``state`` says why."""
    low: float | None
    high: float | None
    state: str
    """``ok``, ``imprecise``, ``undefined``, ``failed`` or ``unscored``."""
    reason: str | None
    """Why it is not ``ok``."""
    row: Row = field(repr=False)

    @classmethod
    def of(cls, row: Row) -> Label | None:
        """The label of an exported row; None where it has none."""
        if not row["label"]:
            return None
        score = row["scores"].get(row["headline"]) or {}
        return cls(
            text=row["label"],
            description=row["description"] or "",
            explainer=row["explainer"],
            headline=row["headline"],
            score=score.get("value"),
            low=score.get("low"),
            high=score.get("high"),
            state=score.get("state") or "unscored",
            reason=score.get("reason"),
            row=row,
        )

    @functools.cached_property
    def scores(self) -> dict[str, Score]:
        """All its scores by their keys, the headline's first."""
        return {key: Score.of(score) for key, score in self.row["scores"].items()}

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return f"Label({self.text!r}, {self.told})"

    @property
    def told(self) -> str:
        """The headline score with its interval, or why there is none."""
        if self.score is None:
            return self.state
        interval = "" if self.low is None else f" [{self.low:.2f} {self.high:.2f}]"
        return f"{self.headline} {self.score:.2f}{interval}"


@dataclass(frozen=True, eq=False)
class Feature:
    """One feature: its evidence, read when it is first asked for, and its label where it has one."""

    dictionary: Dictionary = field(repr=False)
    index: int
    row: Row | None = field(default=None, repr=False)
    """Its exported row; None where no run was about it."""

    @property
    def store(self) -> EvidenceStore:
        """Where its evidence is read from."""
        return self.dictionary.store

    @functools.cached_property
    def evidence(self) -> Evidence:
        """All that is known about it before any label."""
        return self.store.evidence(self.index)

    @functools.cached_property
    def label(self) -> Label | None:
        """The label that stands for it in the catalogue; None where there is none."""
        return None if self.row is None else Label.of(self.row)

    @property
    def state(self) -> str | None:
        """``labelled``, ``unclear``, ``failed``, ``dead`` or ``skipped``; None where no run was about it."""
        return None if self.row is None else self.row["state"]

    @property
    def reason(self) -> str | None:
        """Why it failed or was left out."""
        return None if self.row is None else self.row["reason"]

    @property
    def density(self) -> float | None:
        """The share of tokens on which it is active; None where nobody says."""
        return self.evidence.statistics.density

    @property
    def promoted(self) -> tuple[tuple[str, float], ...]:
        """The tokens that it makes likelier, each with how much; none where such lists were measured to say nothing here.

        Where nobody could measure it (``evidence.lists_say`` is None) they are here all the same.
        """
        return () if self.evidence.lists_say is False else self.evidence.promoted

    def show(self, contexts: int = 8) -> None:
        """Print what ``labeler show`` prints: label, scores, histogram, and so many of its strongest contexts."""
        from labeler.cli.show import printed

        rows = {} if self.row is None else {self.index: self.row}
        printed(self.dictionary, [self.index], rows, whole(contexts, "contexts", 0))

    def __index__(self) -> int:
        """Its index, wherever one is asked for: ``sae.label([one for one in sae if one.label is None])``."""
        return self.index

    def __repr__(self) -> str:
        said = repr(self.label) if self.label is not None else self.state or "no label yet"
        return f"Feature({self.index} of {self.store.manifest.name!r}: {said})"

    def _repr_html_(self) -> str:
        """For a notebook: label, statistics, promoted tokens, and the strongest contexts with their tokens shaded."""
        evidence, label = self.evidence, self.label
        statistics = evidence.statistics
        parts = [f"<b>feature {self.index}</b> of {escaped(self.store.manifest.name)}"]
        if label is not None:
            parts.append(f"<b>{escaped(label.text)}</b> {escaped(label.description)}")
            parts.append(f"{escaped(label.told)}, by {escaped(label.explainer)}")
        else:
            parts.append(escaped(": ".join(filter(None, (self.state or "no label yet", self.reason)))))
        often = "" if statistics.density is None else f"active on {statistics.density:.3%} of tokens, "
        parts.append(f"{often}{statistics.max_activation:.3g} at most")
        if evidence.promoted and evidence.lists_say is not False:
            caveat = " (not measured here whether such lists say anything)" if evidence.lists_say is None else ""
            parts.append(f"promotes {' '.join(escaped(token) for token, _ in evidence.promoted[:TOKENS])}{caveat}")
        rows = "".join(
            f'<tr><td style="text-align:right">{context.maximum:.3g}</td>'
            f'<td style="text-align:left">{shaded(context, statistics.max_activation)}</td></tr>'
            for context in evidence.contexts[:SHOWN]
        )
        lines = "".join(f"<div>{part}</div>" for part in parts)
        return f"<div>{lines}<table>{rows}</table></div>"


def overview(store: EvidenceStore) -> str:
    """A dictionary as HTML for a notebook: what it was made from, and how much there is."""
    manifest = store.manifest
    active = int((store.firing_contexts().sum(axis=1) > 0).sum())
    facts = {
        "dictionary": manifest.name,
        "model": manifest.model,
        "hook": manifest.hook,
        "weights": manifest.dictionary,
        "corpus": manifest.corpus,
        "features": f"{manifest.n_features:,}, {active:,} of them active somewhere",
        "contexts": f"{manifest.n_kept:,} of {manifest.n_contexts:,}, on {manifest.n_tokens:,} tokens",
    }
    rows = "".join(f"<tr><th>{name}</th><td>{escaped(str(fact))}</td></tr>" for name, fact in facts.items())
    return f"<table>{rows}</table>"


def table(store: EvidenceStore, rows: Iterable[Row]) -> pandas.DataFrame:
    """All features as a table of pandas, one a row, labelled or not, with the columns of ``labeler.catalogue.cells``.

    MissingExtraError where pandas is not installed.
    """
    try:
        import pandas
    except ImportError as error:
        raise MissingExtraError("a table of features", "pandas") from error
    from labeler.catalogue.cells import cells, columns, is_number

    known = {row["index"]: row for row in rows}
    keys = {key for row in known.values() for key in row["scores"]}
    found: dict[str, list[Any]] = {name: [] for name in columns(keys)}
    stated = zip(store.indices.tolist(), store.density().tolist(), store.summary["maximum"].tolist(), strict=True)
    for index, density, maximum in stated:
        statistics = {"density": density, "max_activation": maximum}
        line = cells({"index": index, **known.get(index, {}), "statistics": statistics})
        for name, column in found.items():
            column.append(line.get(name))
    return pandas.DataFrame(found).astype({name: "float64" for name in found if is_number(name, keys)})
