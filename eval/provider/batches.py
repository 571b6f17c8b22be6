"""Batches of requests, whichever API they came by: what is done when, what expires, what is cancelled."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from eval.provider.answering import Made
from eval.provider.errors import ApiError


@dataclass(eq=False, kw_only=True)
class Line:
    """One request of a batch, and what came of it."""

    custom_id: str
    body: dict[str, Any]
    state: Literal["waiting", "answered", "failed", "expired", "cancelled"] = "waiting"
    made: Made | None = None
    """Of an answered one."""
    problem: ApiError | None = None
    """Of a failed one."""
    key: str | None = None
    """Of what was asked, where the answer is useful."""


@dataclass(frozen=True, kw_only=True)
class BatchError:
    """Why a batch failed as a whole."""

    code: str
    message: str
    line: int | None = None
    """Of the input file, from 1."""
    param: str | None = None


@dataclass(eq=False, kw_only=True)
class Batch:
    """Requests that are done evenly over some time, in order."""

    id: str
    lines: Sequence[Line]
    created: float
    """Seconds since the epoch, as all times here."""
    seconds: float
    """How long it takes."""
    errors: Sequence[BatchError] = ()
    """Why it fails as a whole, with none of it done."""
    metadata: dict[str, str] = field(default_factory=dict)
    input_file: str | None = None
    output_file: str | None = None
    error_file: str | None = None
    ended: float | None = None
    cancelled: float | None = None
    """When that was asked for."""
    n_done: int = 0
    """How many of its requests nothing more comes of."""

    @property
    def state(self) -> Literal["running", "cancelling", "ended"]:
        """As of the last ``advance``."""
        if self.ended is not None:
            return "ended"
        return "running" if self.cancelled is None else "cancelling"

    def advance(self, now: float, finish: Callable[[Line], None]) -> None:
        """Does what is due by now; ``finish`` does one request."""
        if self.ended is not None:
            return
        if self.errors:
            self.ended = now
            return
        due = now if self.cancelled is None else self.cancelled
        while self.n_done < len(self.lines) and self._due(self.n_done) <= due:
            finish(self.lines[self.n_done])
            self.n_done += 1
        if self.n_done == len(self.lines):
            self.ended = self.created + self.seconds
        elif self.cancelled is not None:
            for line in self.lines[self.n_done :]:
                line.state = "cancelled"
            self.ended = now

    def _due(self, at: int) -> float:
        return self.created + self.seconds * (at + 1) / len(self.lines)
