"""This project's own ``contexts.jsonl``, for whoever has something else: one feature a line, plain or gzip.

``{"index", "contexts": [{"tokens", "activations", "document", "stratum"}], "population": {stratum: count},
"promoted": [[token, logit]], "density", "max_activation"}``; only ``index`` and ``contexts`` with their tokens and
activations are needed. ``population`` says how many contexts of the whole corpus each stratum has, of which those at hand
are a uniform sample; every context then names its stratum.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from labeler.evidence.importers.base import Foreign, ForeignFeature, ForeignWindow, Origin, distinct, pieces, tidy
from labeler.evidence.importers.files import Indices, Record, lines, looks, parse
from labeler.evidence.importers.tokens import writable

MAX_POPULATION = 2**32
"""Contexts of a corpus: more cannot be counted."""

_MARKS = re.compile(rb'"contexts"\s*:')


class Contexts:
    """A file whose first line names contexts, or a folder that holds one by the format's own name."""

    name = "contexts.jsonl"

    def __call__(self, path: Path) -> Foreign | None:
        """The opened file, or None."""
        if path.is_dir():
            path = next((found for end in ("", ".gz") if (found := path / f"{self.name}{end}").is_file()), path)
        return _Opened(path) if path.is_file() and looks(path, _MARKS) else None


@dataclass(frozen=True)
class _Opened:
    path: Path
    origin: Origin = field(default_factory=lambda: Origin(format=Contexts.name))

    def features(self) -> Iterator[ForeignFeature]:
        """Every feature once, a run of lines at a time in memory."""
        return tidy(self._as_they_stand())

    def _as_they_stand(self) -> Iterator[ForeignFeature]:
        met = Indices()
        for number, line in lines(self.path, limit=math.inf):
            place = f"{self.path}, line {number}"
            feature = _feature(Record.of(parse(line, place), place))
            if not met.add(feature.index):
                raise Record(place, {}).wrong(
                    f"feature {feature.index} for the second time; every feature must stand once"
                )
            yield feature


def _feature(line: Record) -> ForeignFeature:
    if line.fields.get("contexts") is None:
        raise line.wrong("no 'contexts'; expected a list, which may be empty")
    windows = distinct(_window(context) for context in line.records("contexts"))
    population = _population(line)
    _check(line, windows, population)
    return ForeignFeature(
        index=line.index("index"),
        windows=windows,
        population=population,
        promoted=_promoted(line),
        density=line.share("density"),
        max_activation=line.strength("max_activation"),
    )


def _window(context: Record) -> ForeignWindow:
    return context.window(
        "tokens", "activations", document=context.text("document") or None, stratum=context.text("stratum") or None
    )


def _population(line: Record) -> Mapping[str, int]:
    if line.fields.get("population") is None:
        return {}
    counts = Record.of(line.fields["population"], f"{line.place}, population")
    if None in counts.fields.values():
        raise counts.wrong("a stratum without a count")
    return {writable(stratum): counts.count(stratum) or 0 for stratum in counts.fields}


def _check(line: Record, windows: tuple[ForeignWindow, ...], population: Mapping[str, int]) -> None:
    """InputError where the population cannot be that of the contexts at hand."""
    for counted, count in population.items():
        if count >= MAX_POPULATION:
            raise line.wrong(
                f"the population of stratum '{counted}' is {count}; a corpus has below {MAX_POPULATION} contexts"
            )
    for stratum, at_hand in Counter(window.stratum for window in windows).items():
        if stratum is None and population:
            raise line.wrong(
                "a context without 'stratum'; where there is a 'population' every context must name its own"
            )
        if stratum is not None and stratum not in population:
            raise line.wrong(f"the stratum '{stratum}' is not in 'population', which must count every stratum")
        if stratum is not None and at_hand > population[stratum]:
            raise line.wrong(
                f"{at_hand} contexts of stratum '{stratum}', but its 'population' is {population[stratum]}"
            )
    if population and any(len(pieces(window)) > 1 for window in windows):
        raise line.wrong("a context that holds several documents; cut it, and let 'population' count the pieces")


def _promoted(line: Record) -> tuple[tuple[str, float], ...]:
    pairs = [pair.fields["pair"] for pair in line.each("promoted", "pair")]
    if not all(type(pair) is list and len(pair) == 2 for pair in pairs):
        raise line.wrong("'promoted' must be a list of [token, logit]")
    columns = Record(line.place, {"promoted tokens": [t for t, _ in pairs], "promoted logits": [v for _, v in pairs]})
    return columns.weighted("promoted tokens", "promoted logits")
