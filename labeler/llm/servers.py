"""What servers will not take in a request, remembered for other processes and for tomorrow."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
import time
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any

from labeler.llm.foreign import parsed
from labeler.llm.protocol import Address

WEEK_SECONDS = 7 * 24 * 3600.0
"""How long a lesson is believed: servers are upgraded."""

FILE = "servers.json"


class ServerMemory:
    """The lessons of one model at one server, in a file of the home that all share.

    Memory is a convenience: a home that is not there or cannot be written, a damaged file, or a lesson that was lost to
    another writer only mean that something is learned again.
    """

    def __init__(self, home: Path, address: Address, *, clock: Callable[[], float] = time.time) -> None:
        self._path = home / FILE
        self._name = f"{address.base_url} {address.model}"
        self._clock = clock

    def recall(self) -> frozenset[str]:
        """The parts of a request that the server did not take, by lessons of the last week."""
        return frozenset(_parts(self._read().get(self._name, {})))

    def remember(self, parts: Collection[str]) -> None:
        """Adds lessons. They count from the first one on, so that all are learned anew together."""
        everything = self._read()
        known = everything.get(self._name, {"at": self._clock()})
        everything[self._name] = {"at": known["at"], "without": sorted({*_parts(known), *parts})}
        with contextlib.suppress(OSError):
            self._write(everything)

    def _read(self) -> dict[str, Mapping[str, Any]]:
        """The entries that are whole and not too old."""
        try:
            found = parsed(self._path.read_bytes())
        except (OSError, ValueError):
            return {}
        entries = found.items() if isinstance(found, dict) else ()
        return {name: entry for name, entry in entries if isinstance(entry, dict) and self._fresh(entry.get("at"))}

    def _fresh(self, at: object) -> bool:
        return isinstance(at, int | float) and 0 <= self._clock() - at < WEEK_SECONDS

    def _write(self, everything: Mapping[str, Any]) -> None:
        handle, part = tempfile.mkstemp(dir=self._path.parent, prefix=f".{FILE}.")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                json.dump(everything, file)
            os.replace(part, self._path)
        except OSError:
            os.unlink(part)
            raise


def _parts(entry: Mapping[str, Any]) -> list[str]:
    parts = entry.get("without")
    return [part for part in parts if isinstance(part, str)] if isinstance(parts, list) else []
