"""Amounts as people read them: numbers, dollars and times, in two or three digits and the unit that fits."""

from __future__ import annotations


def digits(value: float) -> str:
    """A number below a thousand, without a fraction where it has two digits before it."""
    return f"{value:.0f}" if value >= 10 else f"{value:.2g}"


def rounded(value: float) -> str:
    """A number in two or three digits and thousands, millions or billions of it."""
    for size, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= size:
            return digits(value / size) + unit
    return digits(value)


def many(value: float) -> str:
    """How many there are of something that comes in wholes."""
    return f"{value:.0f}" if value < 1_000 else rounded(value)


def usd(value: float) -> str:
    """Dollars, two digits of them where they are few."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.2f}" if value >= 1 else f"{value:.2g}"


def duration(hours: float) -> str:
    """Hours in the unit that fits them."""
    for size, unit in ((48.0, "d"), (1.0, "h"), (1 / 60, "min")):
        if hours >= size:
            return digits(hours / min(size, 24.0)) + unit
    return digits(hours * 3600) + "s"
