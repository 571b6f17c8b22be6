"""What was billed, to the token; and what was billed twice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from eval.provider.counting import Counts


@dataclass(frozen=True, kw_only=True)
class Bill:
    """One answer that somebody pays for."""

    key: str
    """A hash of what was asked, without the custom id; see ``billed_twice``."""
    api: str
    model: str
    batch: bool
    """Whether it was done in a batch, at half the price."""
    counts: Counts
    usd: float
    useful: bool
    """Whether the answer is what was asked for, whether or not it arrived."""
    rebought: bool
    """Whether a useful answer to the same question had arrived before."""


@dataclass(frozen=True, kw_only=True)
class Totals:
    """All bills together."""

    calls: int
    """Those of batches with them, as in all that follows."""
    batch_calls: int
    input_tokens: int
    """All, those of the next two with them."""
    cached_tokens: int
    written_tokens: int
    output_tokens: int
    usd: float
    batch_usd: float
    """The part of ``usd`` that went for batches."""
    repeats: int
    """How many bills are for what was billed before, for whatever reason."""
    rebought: int
    """How many of those came after a useful answer had been sent to the last byte."""

    def as_json(self) -> dict[str, Any]:
        """By name."""
        return asdict(self)


class Ledger:
    """Every bill, in order."""

    def __init__(self) -> None:
        self.bills: list[Bill] = []
        self._arrived: set[str] = set()

    def bill(self, key: str, api: str, model: str, counts: Counts, usd: float, *, batch: bool, useful: bool) -> None:
        """Puts down that an answer was made."""
        rebought = key in self._arrived
        self.bills.append(
            Bill(key=key, api=api, model=model, batch=batch, counts=counts, usd=usd, useful=useful, rebought=rebought)
        )

    def arrived(self, keys: Iterable[str]) -> None:
        """Puts down that useful answers were sent whole."""
        self._arrived.update(keys)

    def billed_twice(self) -> dict[str, int]:
        """How often each question was billed that was billed more than once."""
        counts = Counter(bill.key for bill in self.bills)
        return {key: n for key, n in counts.items() if n > 1}

    def totals(self) -> Totals:
        """The sums."""
        counts = [bill.counts for bill in self.bills]
        return Totals(
            calls=len(self.bills),
            batch_calls=sum(bill.batch for bill in self.bills),
            input_tokens=sum(one.input_tokens for one in counts),
            cached_tokens=sum(one.cached_tokens for one in counts),
            written_tokens=sum(one.written_tokens for one in counts),
            output_tokens=sum(one.output_tokens for one in counts),
            usd=sum(bill.usd for bill in self.bills),
            batch_usd=sum(bill.usd for bill in self.bills if bill.batch),
            repeats=len(self.bills) - len({bill.key for bill in self.bills}),
            rebought=sum(bill.rebought for bill in self.bills),
        )
