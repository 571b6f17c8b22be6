"""What a store was made from, its sizes, the checksum of every file; and the columns of its tokens."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, TypeAdapter, ValidationError

from labeler.errors import InputError
from labeler.features import Lens

FORMAT = 2
"""The version of the store's layout."""

Sampling = Literal["population", "top-and-random"]
"""Whether exact counts make the contexts at hand speak for the corpus, or whether they only stand for themselves."""

Splits = Literal["document", "dealt"]
"""Whether the hash of a document decides alone who may use it, or documents are dealt where a feature has few of them."""


@dataclass(frozen=True, kw_only=True)
class File:
    """A file of a store, as it must be."""

    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    bytes: Annotated[int, Field(ge=0)]


@dataclass(frozen=True, kw_only=True)
class Shard:
    """A file with some consecutive rows."""

    file: str
    n: Annotated[int, Field(ge=0)]
    """Features, or contexts."""


@dataclass(frozen=True, kw_only=True)
class Collected:
    """What a collection read of its corpus."""

    tokens: int
    """Tokens that were taken in; those of contexts that were left out are not among them."""
    asked: int | None
    """How many were asked for; None for all there are, and where nobody noted it."""
    ended: bool
    """Whether the corpus has no more."""
    contexts: int
    documents: int | None
    """None where nobody counted, as in evidence of earlier versions."""
    left_out: int | None
    """Contexts with a passage of a document of another split: copies, which no split may have. None as above."""


@dataclass(frozen=True, kw_only=True)
class Manifest:
    """A store's identity, sizes, and the checksum of every file."""

    format: int
    name: str
    model: str
    hook: str
    dictionary: str
    """The folder or name that the weights came from; of imported evidence the file or folder."""
    source: str
    """How it came to be here: ``collected``, or the foreign format."""
    corpus: str
    corpus_fingerprint: str
    sampling: Sampling
    n_features: Annotated[int, Field(ge=1)]
    n_tokens: Annotated[int, Field(ge=0)]
    """Tokens of the corpus; 0 where nobody says."""
    n_contexts: int
    """Contexts of the corpus; of imported evidence those that came."""
    n_kept: Annotated[int, Field(ge=1)]
    """Contexts in the store."""
    n_pool: int
    """Contexts of the uniform pool."""
    length: Annotated[int, Field(ge=1, le=255)]
    """Tokens in a context, at most."""
    created: str
    labeler: str
    shards: tuple[Shard, ...]
    """The files of its features; the summary says which feature stands where."""
    tables: tuple[Shard, ...]
    """The files of its contexts, in order."""
    states: tuple[Shard, ...]
    """The files of the encoder's states of the pool's contexts, in order; none where no encoder was at hand."""
    files: dict[str, File]
    splits: Splits = "document"
    lens: Lens | None = None
    """Whether the lists of promoted tokens say anything; None where nobody measured, and they are shown."""
    progress: dict[str, Any] = field(default_factory=dict)
    """What a later call needs to go on from here."""

    def __repr__(self) -> str:
        return f"Manifest({self.summary}, {self.n_kept:,} contexts, {len(self.files)} files)"

    @property
    def fingerprint(self) -> str:
        """What identifies this evidence in a label's provenance."""
        said = {key: value for key, value in asdict(self).items() if key not in ("progress", "created")}
        if self.splits == "document":  # as all evidence was that never heard of dealing: it keeps its identity
            del said["splits"]
        if self.lens is None:
            del said["lens"]
        return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:16]

    @property
    def summary(self) -> str:
        """What it is, in a few words on one line."""
        return f"{self.name!r}: {self.n_features:,} features of {self.model!r} at {self.hook!r}"

    @property
    def size(self) -> int:
        """Bytes of all files."""
        return sum(file.bytes for file in self.files.values())

    @property
    def collected(self) -> Collected | None:
        """What was read of the corpus; None of evidence that was not collected here."""
        seen = self.progress.get("seen")
        if self.source != "collected" or seen is None:
            return None
        return Collected(
            tokens=self.n_tokens,
            asked=self.progress.get("asked"),
            ended=bool(self.progress.get("exhausted")),
            contexts=self.n_contexts,
            documents=seen.get("n_documents"),
            left_out=seen.get("n_left_out"),
        )

    def stored(self) -> dict[str, Any]:
        """As JSON keeps it."""
        return asdict(self)

    @classmethod
    def parse(cls, text: str, where: str) -> Manifest:
        """Out of a manifest.json; InputError where it is none of this format. ``where`` names it in the error."""
        try:
            found = json.loads(text).get("format")
            if found != FORMAT:
                raise InputError(f"{where}: evidence of format {found!r}, this version reads {FORMAT}; make it anew")
            made = TypeAdapter(cls).validate_json(text, strict=True)
            if (made.n_features, made.n_kept) != (sum(s.n for s in made.shards), sum(t.n for t in made.tables)):
                raise ValueError("its files do not add up to its features and contexts")
            return made
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(map(str, first["loc"]))
            raise InputError(
                f"{where}: not the manifest of evidence of this format ({place}: {first['msg']})"
            ) from error
        except (ValueError, AttributeError, RecursionError) as error:
            raise InputError(f"{where}: not the manifest of evidence of this format ({error})") from error


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_json(path: Path, value: object) -> None:
    """Write a JSON file that appears whole or not at all."""
    part = path.with_name(path.name + ".part")
    part.write_text(json.dumps(value, ensure_ascii=False), encoding="utf-8", errors="replace")
    part.rename(path)


PROMOTED = 10
"""Tokens listed on either side."""

Columns = dict[str, NDArray[Any]]
"""[n_features, …] each."""


def no_tokens(n: int) -> Columns:
    """Nothing promoted and nothing suppressed, for features without a direction in the residual stream."""
    columns: Columns = {}
    for name in ("promoted", "suppressed"):
        columns[name] = np.full((n, PROMOTED), -1, dtype=np.int32)
        columns[f"{name}_logits"] = np.zeros((n, PROMOTED), dtype=np.float16)
    return columns
