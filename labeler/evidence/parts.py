"""The parts that evidence is put together from: each holds contexts, and pairs by range of features."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from labeler.evidence.contexts import Contexts
from labeler.evidence.pairs import Pairs
from labeler.evidence.tally import Tally
from labeler.evidence.tensors import DamagedFileError, Tensors, write_tensors
from labeler.features import SPLITS, IntArray


@dataclass(frozen=True, kw_only=True)
class Seen:
    """How much of a corpus has been taken in, and where to go on."""

    n_contexts: int = 0
    n_tokens: int = 0
    splits: tuple[int, ...] = (0,) * len(SPLITS)
    """Contexts by split."""
    after: tuple[int, int] | None = None
    """The last window that was taken in: its passage in the corpus and its first token there."""
    n_documents: int | None = None
    """Documents up to there; None where nobody counted."""
    n_left_out: int | None = None
    """Contexts up to there that no split may have, for they are copies; None where nobody counted."""

    def plus(
        self,
        contexts: Contexts,
        after: tuple[int, int] | None,
        n_documents: int | None = None,
        n_left_out: int | None = None,
    ) -> Seen:
        """After some more contexts; ``n_documents`` and ``n_left_out`` count from the first on."""
        new = np.bincount(contexts.split, minlength=len(SPLITS))
        return Seen(
            n_contexts=self.n_contexts + len(contexts),
            n_tokens=self.n_tokens + contexts.n_tokens,
            splits=tuple(int(a + b) for a, b in zip(self.splits, new, strict=True)),
            after=after,
            n_documents=n_documents,
            n_left_out=n_left_out,
        )

    def metadata(self) -> dict[str, str]:
        """As a file keeps it."""
        return {"seen": json.dumps(asdict(self))}

    @classmethod
    def of(cls, stored: Mapping[str, Any]) -> Seen:
        """Out of what JSON kept of it."""
        after = stored["after"]
        return cls(**{**stored, "splits": tuple(stored["splits"]), "after": after and (after[0], after[1])})

    @classmethod
    def load(cls, path: Path) -> Seen:
        """Out of a file."""
        try:
            return cls.of(json.loads(Tensors(path).metadata["seen"]))
        except (KeyError, ValueError, TypeError) as error:
            raise DamagedFileError(path, "it does not say how far it goes") from error


class Part(Protocol):
    """Something that holds contexts of a corpus and the pairs of features in them."""

    def weight(self) -> int:
        """About how many activations it holds."""
        ...

    def contexts(self) -> Iterator[Contexts]:
        """Its contexts in the corpus's order, a table at a time."""
        ...

    def between(self, low: int, high: int) -> tuple[Pairs, Tally]:
        """The pairs of the features low … high - 1, copied into memory, and the counts that they are part of."""
        ...


@dataclass(frozen=True)
class Piece:
    """A file with some consecutive contexts of a corpus and everything that is active in them."""

    path: Path

    @classmethod
    def write(cls, path: Path, contexts: Contexts, pairs: Pairs, seen: Seen) -> Piece:
        """Write the file; ``seen`` is what has been taken in with it."""
        tables = {f"contexts.{name}": array for name, array in contexts.arrays().items()}
        write_tensors(path, {**tables, **pairs.arrays()}, seen.metadata())
        return cls(path)

    def weight(self) -> int:
        """See the protocol."""
        return len(Tensors(self.path)["value"])

    def contexts(self) -> Iterator[Contexts]:
        """See the protocol."""
        yield Contexts.load(under("contexts", Tensors(self.path)))

    def between(self, low: int, high: int) -> tuple[Pairs, Tally]:
        """See the protocol; counted as it is read, for nothing was dropped yet."""
        file = Tensors(self.path)
        pairs = Pairs.load(file).between(low, high)
        first = int(file["contexts.ordinal"][0])
        return Pairs.merge([pairs]), Tally.of(pairs, file["contexts.split"][pairs.ordinal - first])


@dataclass(frozen=True)
class Merged:
    """A folder with all that was kept of several parts: tables of contexts, and a file for every range of features."""

    folder: Path

    def weight(self) -> int:
        """See the protocol."""
        return sum(len(Tensors(path)["value"]) for path in self.ranges().values())

    def tables(self) -> list[Path]:
        """The files of its contexts, in order."""
        return sorted(self.folder.glob("contexts-*.safetensors"))

    def ranges(self) -> dict[int, Path]:
        """The files of its pairs, by the first feature of each."""
        return {int(path.stem.removeprefix("pairs-")): path for path in sorted(self.folder.glob("pairs-*.safetensors"))}

    def contexts(self) -> Iterator[Contexts]:
        """See the protocol."""
        for path in self.tables():
            yield Contexts.load(Tensors(path))

    def between(self, low: int, high: int) -> tuple[Pairs, Tally]:
        """See the protocol."""
        ranges = self.ranges()
        firsts = list(ranges)
        files = [
            Tensors(ranges[first])
            for first, following in zip(firsts, [*firsts[1:], 2**62], strict=True)
            if first < high and low < following
        ]
        pairs = Pairs.merge([Pairs.load(file).between(low, high) for file in files])
        return pairs, Tally.merge([Tally.load(file).between(low, high) for file in files])


def under(prefix: str, file: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """The arrays of a file whose names start so, without the prefix."""
    return {name.removeprefix(f"{prefix}."): file[name] for name in file if name.startswith(f"{prefix}.")}


def splits_of(part: Part) -> tuple[IntArray, NDArray[np.uint8]]:
    """The ordinals of a part's contexts and their splits: [n], [n]."""
    tables = [(table.ordinal.copy(), table.split.copy()) for table in part.contexts()]
    return np.concatenate([t[0] for t in tables]), np.concatenate([t[1] for t in tables])
