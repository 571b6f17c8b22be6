"""All that a provider remembers. Every method may be called from any thread."""

from __future__ import annotations

import functools
import random
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Concatenate, ParamSpec, TypeVar, cast

from eval.provider.answering import Made, make
from eval.provider.asked import Asked, read
from eval.provider.batches import Batch, Line
from eval.provider.billing import Ledger
from eval.provider.buckets import Allowance, Clock
from eval.provider.counting import BATCH, Cache, input_tokens
from eval.provider.errors import ApiError
from eval.provider.fates import Fate, fate, line_fate
from eval.provider.files import StoredFile
from eval.provider.headers import headers
from eval.provider.knobs import Knobs
from eval.provider.taking import check

P = ParamSpec("P")
T = TypeVar("T")

MOST_OUTPUT = 4096
"""What an answer is taken to need at most, where nobody said."""
BROKEN = ApiError(500, "Internal server error")


def _alone(method: Callable[Concatenate[World, P], T]) -> Callable[Concatenate[World, P], T]:
    @functools.wraps(method)
    def locked(self: World, *args: P.args, **others: P.kwargs) -> T:
        with self._lock:
            return method(self, *args, **others)

    return cast("Callable[Concatenate[World, P], T]", locked)


@dataclass(frozen=True)
class Refusal:
    """A request that there is no room for."""

    seconds: float
    """Until there is."""
    limit: str
    """Which one is in the way."""


class World:
    """Bills, limits, prefixes, batches, files."""

    def __init__(self, knobs: Knobs, clock: Clock) -> None:
        self.knobs = knobs
        self.clock = clock
        self._lock = threading.RLock()
        self.reset()

    def reset(self) -> None:
        """Forgets everything."""
        with self._lock:
            self._ledger = Ledger()
            self._said: Counter[str] = Counter()
            self._cache = Cache(self.knobs.cache_minimum)
            self._allowances: dict[tuple[str, str], Allowance] = {}
            self._sendings: Counter[str] = Counter()
            self._batches: dict[str, list[Batch]] = {"anthropic": [], "openai": []}
            self._files: dict[str, StoredFile] = {}

    @_alone
    def fate(self, key: str) -> Fate:
        """What happens to the next sending of something."""
        self._sendings[key] += 1
        return fate(self.knobs, key, self._sendings[key] - 1)

    @_alone
    def count(self, what: str) -> None:
        """Counts what became of a request: ``answered``, ``limited`` by a true limit, or a fault's name."""
        self._said[what] += 1

    @_alone
    def admit(self, asked: Asked) -> Refusal | None:
        """Takes room for a request within the limits, where there is room; what is read from the cache takes none."""
        read_tokens, _ = self._cache.look(asked)
        counted = input_tokens(asked) - (read_tokens if asked.api == "anthropic" else 0)
        most_output = MOST_OUTPUT if asked.max_tokens is None else asked.max_tokens
        seconds, limit = self._allowance(asked).admit(counted, most_output)
        return None if limit is None else Refusal(seconds, limit)

    @_alone
    def headers(self, asked: Asked, wait: float | None = None) -> dict[str, str]:
        """How the limits stand, for the headers; see ``headers``."""
        return headers(asked.api, self._allowance(asked).levels(), self.clock(), wait)

    @_alone
    def answer(self, asked: Asked, fault: str | None) -> Made:
        """Makes and bills the answer to a single request."""
        made = make(asked, fault, self._cache)
        self._bill(asked, made, batch=False)
        return made

    @_alone
    def answered(self, asked: Asked, made: Made) -> None:
        """What follows once an answer is ready: it counts for the limits, and its prefix is in the cache."""
        self._allowance(asked).answered(made.counts.output_tokens)
        self._cache.keep(asked)

    @_alone
    def arrived(self, keys: Sequence[str]) -> None:
        """Useful answers were sent whole."""
        self._ledger.arrived(keys)

    @_alone
    def submit(self, api: str, batch: Batch) -> Batch:
        """Takes a batch."""
        self._batches[api].append(batch)
        return batch

    @_alone
    def fails(self, api: str) -> bool:
        """Whether the next batch is one of those that fail as a whole."""
        return len(self._batches[api]) < self.knobs.batch_fails_first

    @_alone
    def batch(self, api: str, name: str) -> Batch:
        """A batch as it stands now; ApiError where there is none."""
        for batch in self._batches[api]:
            if batch.id == name:
                self._advance(api, batch)
                return batch
        raise ApiError(404, f"No batch found with id '{name}'.")

    @_alone
    def batches(self, api: str) -> list[Batch]:
        """All batches as they stand now, newest first."""
        for batch in self._batches[api]:
            self._advance(api, batch)
        return self._batches[api][::-1]

    @_alone
    def cancel(self, api: str, name: str) -> Batch:
        """Asks for the end of a batch: what is not done yet is left undone. ApiError where it has ended already."""
        batch = self.batch(api, name)
        if batch.state == "ended":
            raise ApiError(400 if api == "anthropic" else 409, "Cannot cancel a batch that has ended.")
        if batch.cancelled is None:
            batch.cancelled = self.clock()
        return batch

    def shuffled(self, batch: Batch) -> list[Line]:
        """The requests of a batch in the order of its results, which is not theirs."""
        return random.Random(f"{self.knobs.seed}/{len(batch.lines)}").sample(batch.lines, len(batch.lines))

    @_alone
    def store(self, file: StoredFile) -> StoredFile:
        """Keeps a file."""
        self._files[file.id] = file
        return file

    @_alone
    def file(self, name: str | None) -> StoredFile:
        """A file; ApiError where there is none."""
        if name is None or name not in self._files:
            raise ApiError(404, f"No such File object: {name}", param="id")
        return self._files[name]

    @_alone
    def books(self, look: Callable[[Ledger], T]) -> T:
        """Looks at the bills once batches have done what is due by now."""
        for api in self._batches:
            self.batches(api)
        return look(self._ledger)

    @_alone
    def said(self) -> dict[str, int]:
        """How often each became of a request: see ``count``."""
        return dict(self._said)

    def _advance(self, api: str, batch: Batch) -> None:
        batch.advance(self.clock(), lambda line: self._finish(api, line))

    def _finish(self, api: str, line: Line) -> None:
        try:
            asked = read(api, line.body)
            check(asked)
        except ApiError as problem:
            line.problem = line.problem or problem
        if line.problem is not None:
            line.state = "failed"
            return
        sending = self._sendings[asked.key]
        self._sendings[asked.key] += 1
        fault = line_fate(self.knobs, asked.key, sending)
        if fault == "batch_errored":
            line.state, line.problem = "failed", BROKEN
        elif fault == "batch_expired":
            line.state = "expired"
        else:
            line.state, line.made = "answered", make(asked, fault, self._cache)
            line.key = asked.key if line.made.useful else None
            self._cache.keep(asked)
            self._bill(asked, line.made, batch=True)

    def _bill(self, asked: Asked, made: Made, *, batch: bool) -> None:
        usd = made.counts.usd(self.knobs) * (BATCH if batch else 1.0)
        self._ledger.bill(asked.key, asked.api, asked.model, made.counts, usd, batch=batch, useful=made.useful)

    def _allowance(self, asked: Asked) -> Allowance:
        which = asked.api, asked.model
        if which not in self._allowances:
            self._allowances[which] = Allowance(asked.api, self.knobs, self.clock)
        return self._allowances[which]
