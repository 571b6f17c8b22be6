"""The figures of the study, and how they are shown."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from rich import box
from rich.table import Table

from eval.estimator.trials import TARGETS, Errors, Intervals, Needed
from eval.results import load

if TYPE_CHECKING:
    from eval.estimator.command import Found

PARTS = 10

Row = dict[str, Any]
T = TypeVar("T", Errors, Intervals, Needed)


def figures(found: Sequence[Found]) -> dict[str, list[Row]]:
    """Means over features: of every design, and of ours by tenths of density and for features made rarer."""
    usual = [one for one in found if one.rarity is None]
    by_density: list[Row] = []
    contexts: list[Row] = []
    for kind, rows in _groups([row for one in usual for row in one.intervals], lambda row: row.kind).items():
        limits = _limits([row.density for row in rows])
        for (size, part), some in _groups(rows, lambda row: (row.size, _part(row.density, limits))).items():  # noqa: B023
            by_density.append({"prediction": kind, "contexts": size, "density": part, **_held(some)})
    for one_rarity in sorted({one.rarity for one in found if one.rarity is not None}, reverse=True):
        rare = [row for one in found if one.rarity == one_rarity for row in one.intervals]
        for (kind, size), some in _groups(rare, lambda row: (row.kind, row.size)).items():
            name = f"{one_rarity:.1%} of contexts"
            by_density.append({"prediction": kind, "contexts": size, "density": name, **_held(some)})
    for kind, needs in _groups([row for one in usual for row in one.needed], lambda row: row.kind).items():
        limits = _limits([row.density for row in needs])
        for (target, part), some_needs in _groups(
            needs,
            lambda row: (row.target, _part(row.density, limits)),  # noqa: B023
        ).items():
            contexts.append({"prediction": kind, "within": target, "density": part, **_medians(some_needs)})
        for target in TARGETS:
            all_of = [row for row in needs if row.target == target]
            contexts.append({"prediction": kind, "within": target, "density": "all", **_medians(all_of)})
    return {
        "designs": [
            {
                "prediction": kind,
                "design": design,
                "contexts": size,
                "bias": _mean(rows_of, lambda row: row.bias),
                "error": _mean(rows_of, lambda row: row.root_mean_square),
            }
            for (kind, design, size), rows_of in _groups(
                [row for one in usual for row in one.errors], lambda row: (row.kind, row.design, row.size)
            ).items()
        ],
        "by_density": sorted(by_density, key=lambda row: (row["prediction"], row["contexts"])),
        "contexts": contexts,
    }


def shown(found: Mapping[str, Sequence[Row]]) -> list[Table]:
    """The figures as tables for a terminal."""
    titles = {
        "designs": "designs: bias and root mean square error, means over features",
        "by_density": "ours by tenths of density: how often the 95 % interval holds the truth",
        "contexts": "contexts after which 95 % of estimates lie this near, median over features",
    }
    tables = []
    for name, title in titles.items():
        table = Table(title=title, box=box.SIMPLE_HEAD)
        for column in found[name][0]:
            table.add_column(column.replace("_", " "))
        for row in found[name]:
            table.add_row(*(_cell(value) for value in row.values()))
        tables.append(table)
    return tables


def _held(rows: Sequence[Intervals]) -> Row:
    return {
        "features": len(rows),
        "draws": sum(row.draws for row in rows),
        "bias": _mean(rows, lambda row: row.bias),
        "covered": _mean(rows, lambda row: row.covered),
        "half_width": _mean(rows, lambda row: row.half_width),
        "drawn": _mean(rows, lambda row: row.contexts),
        "imprecise": _mean(rows, lambda row: row.imprecise),
    }


def _medians(rows: Sequence[Needed]) -> Row:
    """Medians over features; one that no size suffices for counts as more than any."""
    return {
        name: None if np.isinf(median) else round(median)
        for name in ("ours", "uniform")
        for median in [float(np.median([np.inf if getattr(row, name) is None else getattr(row, name) for row in rows]))]
    }


def _limits(densities: Sequence[float]) -> list[float]:
    return [float(q) for q in np.quantile(densities, np.arange(1, PARTS) / PARTS)]


def _part(density: float, limits: Sequence[float]) -> str:
    """Which tenth by density, the rarest first."""
    at = int(np.searchsorted(limits, density, side="right"))
    low = 0.0 if at == 0 else limits[at - 1]
    return f"{at + 1:2d}: from {low:.2%}"


def _groups(rows: Iterable[T], key: Callable[[T], Any]) -> dict[Any, list[T]]:
    found: dict[Any, list[T]] = {}
    for row in rows:
        found.setdefault(key(row), []).append(row)
    return dict(sorted(found.items(), key=lambda item: str(item[0]))) if found else {}


def _mean(rows: Sequence[T], value: Callable[[T], float]) -> float:
    return round(float(np.mean([value(row) for row in rows])), 4)


def _cell(value: Any) -> str:
    return "–" if value is None else f"{value:+.3f}" if isinstance(value, float) else str(value)


def readme_table() -> str:
    """The saved figures as the README shows them, in Markdown."""
    found = load("estimator")
    kinds = list(dict.fromkeys(row["prediction"] for row in found["designs"]))
    lines = ["| 80 contexts, root mean square error (bias) | " + " | ".join(f"`{kind}`" for kind in kinds) + " |"]
    lines.append("|---|" + "---|" * len(kinds))
    for design in designs_in_order(found["designs"]):
        cells = [
            f"{row['error']:.3f} ({row['bias']:+.3f})"
            for kind in kinds
            for row in found["designs"]
            if (row["prediction"], row["design"], row["contexts"]) == (kind, design, 80)
        ]
        lines.append(f"| {design} | " + " | ".join(cells) + " |")
    lines += ["", "| of ours, by tenths of density | " + " | ".join(f"`{kind}`" for kind in kinds) + " |"]
    lines.append("|---|" + "---|" * len(kinds))

    def across(name: str, of: Callable[[Row], Any], cell: Callable[[list[Row]], str]) -> None:
        lines.append(
            f"| {name} | "
            + " | ".join(
                cell([row for row in found["by_density"] if row["prediction"] == kind and of(row)]) for kind in kinds
            )
            + " |"
        )

    def spread(column: str) -> Callable[[list[Row]], str]:
        return lambda rows: f"{min(r[column] for r in rows):.3f} to {max(r[column] for r in rows):.3f}"

    def mean(column: str) -> Callable[[list[Row]], str]:
        return lambda rows: f"{np.mean([r[column] for r in rows]):.2f}"

    for size in ("40", "80", "in blocks"):
        name = size if size == "in blocks" else f"{size} contexts"

        def usual(row: Row, size: str = size) -> bool:
            return bool(row["contexts"] == size) and not row["density"].endswith("of contexts")

        across(f"{name}: bias", usual, spread("bias"))
        across(f"{name}: coverage of 95 %", usual, spread("covered"))
        across(f"{name}: half width, mean", usual, mean("half_width"))
    for rarity in dict.fromkeys(r["density"] for r in found["by_density"] if r["density"].endswith("of contexts")):

        def rare(row: Row, rarity: str = rarity) -> bool:
            return bool(row["contexts"] == "80" and row["density"] == rarity)

        across(
            f"made to fire in {rarity}: bias, coverage, half width",
            rare,
            lambda rows: f"{rows[0]['bias']:+.3f}, {rows[0]['covered']:.3f}, {rows[0]['half_width']:.2f}",
        )
    for target in TARGETS:
        cells = [
            f"{row['ours'] or 'more than 2,560'} (uniform: {row['uniform'] or 'more than 2,560'})"
            for kind in kinds
            for row in found["contexts"]
            if (row["prediction"], row["within"], row["density"]) == (kind, target, "all")
        ]
        lines.append(f"| contexts for ±{target}, median feature | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def designs_in_order(rows: Sequence[Row]) -> list[str]:
    """The designs, the worst first."""
    errors: dict[str, list[float]] = {}
    for row in rows:
        errors.setdefault(row["design"], []).append(row["error"])
    return sorted(errors, key=lambda name: -float(np.mean(errors[name])))
