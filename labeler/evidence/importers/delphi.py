"""The cache of Delphi (eai-delphi 0.1.3): every activation of every feature over its whole corpus, with the tokens.

A run folder holds ``latents/{hook}/{start}_{end}.safetensors``, a shard for the features start to end (both included):
``locations`` [nnz, 3] (row, position, feature - start; they rise, each once), ``activations`` [nnz] and ``tokens``
[n_sequences, sequence_length], the same in every shard. ``config.json`` beside them names the model. What a shard does
not list is zero, so a cache is a full sample of its corpus. The pickle in ``log/`` is never opened.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open

from labeler.errors import InputError
from labeler.evidence.importers.base import MAX_INDEX

_SHARD = re.compile(r"(0|[1-9][0-9]{0,9})_(0|[1-9][0-9]{0,9})\.safetensors")
_DEPTHS = ("*", "*/*", "*/*/*")  # a hook may be called layer_12/width_16k/average_l0_82
_DTYPES = {
    "locations": ("U16", "U32", "I64"),
    "activations": ("F16", "F32"),
    "tokens": ("I64", "I32", "U32", "U16"),
}
_CONFIG_BYTES = 1 << 20
_ROWS = 4096
"""Rows of tokens that are compared at once."""


@dataclass(frozen=True, eq=False, kw_only=True)
class DelphiShard:
    """The activations of a range of features; they rise by row, position and feature, each once."""

    feature: NDArray[np.int32]
    """[nnz]"""
    row: NDArray[np.int64]
    """[nnz] which sequence."""
    position: NDArray[np.int32]
    """[nnz] which token of it."""
    value: NDArray[np.floating[Any]]
    """[nnz] float16 or float32 as stored; finite, above zero."""


@dataclass(frozen=True, kw_only=True)
class DelphiCache:
    """One hook point's cache whose file names and headers were found right."""

    folder: Path
    """Where the shards lie."""
    hook: str
    """The module as Delphi names it: ``layers.14``."""
    model: str
    """As config.json has it; empty where it is not there."""
    n_features: int
    """One more than the largest index that a shard covers."""
    n_sequences: int
    sequence_length: int
    """Tokens a row."""
    ranges: tuple[tuple[int, int], ...]
    """The indices that shards cover, in rising order: first and last of each, both included; there may be gaps."""

    def tokens(self, start: int, stop: int) -> NDArray[np.int64]:
        """The rows from start to stop, as a slice has them: [stop - start, sequence_length] token ids.

        They alone are read, out of the first shard. Raises InputError where an id is negative.
        """
        file = self.file(0)
        ids = _tokens(file, start, min(stop, self.n_sequences))
        if ids.min(initial=0) < 0:
            raise InputError(f"{file}: a token id is {ids.min()}; ids are 0 or more")
        return ids

    def shard(self, number: int) -> DelphiShard:
        """The activations of ``ranges[number]``, all in memory.

        Raises InputError where a location lies outside or out of order, an activation is negative or not finite, or
        the tokens are not those of the first shard.
        """
        file, (start, end) = self.file(number), self.ranges[number]
        with _opened(file) as shard:
            locations, values = shard.get_tensor("locations"), shard.get_tensor("activations")
        limits = (self.n_sequences, self.sequence_length, end - start + 1)
        for column, (what, limit) in enumerate(zip(("row", "position", "feature"), limits, strict=True)):
            found = locations[:, column]
            if len(found) and not 0 <= found.min() <= found.max() < limit:
                worst = found.min() if found.min() < 0 else found.max()
                raise InputError(f"{file}: a {what} is {worst}; in this shard they go from 0 to {limit - 1}")
        if not np.isfinite(values).all():
            raise InputError(f"{file}: an activation is NaN or infinite (float16 ends at 65504); all must be finite")
        if (values < 0).any():
            raise InputError(f"{file}: an activation is {values.min()}; features are read as non-negative")
        row, position = locations[:, 0].astype(np.int64), locations[:, 1].astype(np.int32)
        feature = (locations[:, 2].astype(np.int64) + start).astype(np.int32)
        token_steps, feature_steps = np.diff(row * self.sequence_length + position), np.diff(feature)
        if not ((token_steps > 0) | ((token_steps == 0) & (feature_steps > 0))).all():
            raise InputError(
                f"{file}: locations must rise by row, position and feature, each once, as Delphi writes them"
            )
        self._check_tokens(number)
        on = values > 0
        return DelphiShard(feature=feature[on], row=row[on], position=position[on], value=values[on])

    def n_active(self, number: int) -> int:
        """How many activations ``ranges[number]`` has."""
        with _opened(self.file(number)) as shard:
            return int(shard.get_slice("activations").get_shape()[0])

    def file(self, number: int) -> Path:
        """Where a shard lies."""
        start, end = self.ranges[number]
        return self.folder / f"{start}_{end}.safetensors"

    def _check_tokens(self, number: int) -> None:
        first, file = self.file(0), self.file(number)
        for start in range(0, self.n_sequences, _ROWS):
            stop = min(start + _ROWS, self.n_sequences)
            if not np.array_equal(_tokens(first, start, stop), _tokens(file, start, stop)):
                raise InputError(f"{file}: other tokens than in {first.name}; all shards must come from one run")


def open_delphi(path: Path) -> DelphiCache | None:
    """The cache in a run folder, its ``latents/`` or ``latents/{hook}``, or None where there is no Delphi cache.

    Reads file names, config.json and headers. Raises InputError where they are damaged or contradict each other, and
    where the folder holds several hook points.
    """
    if not path.is_dir():
        return None
    root = path.resolve()
    root = root / "latents" if (root / "latents").is_dir() else root
    folders = [root, *(place for depth in _DEPTHS for place in sorted(root.glob(depth)) if place.is_dir())]
    found = {folder: ranges for folder in folders if (ranges := _ranges(folder))}
    if not found:
        return None
    if len(found) > 1:
        names = ", ".join(_hook(folder, root) for folder in found)
        raise InputError(f"{path}: a Delphi cache of several hook points; give the folder of one: {names}")
    [(folder, ranges)] = found.items()
    hook = _hook(folder, root)
    if not hook.isprintable():
        raise InputError(f"{folder.parent}: the hook point {hook!r} has signs that cannot be shown; rename the folder")
    for (start, end), (after, _) in zip(ranges, [*ranges[1:], (MAX_INDEX + 1, 0)], strict=True):
        if not start <= end < after:
            raise InputError(
                f"{folder / f'{start}_{end}.safetensors'}: features {start} to {end} overlap the next shard's, end "
                f"before they begin, or exceed {MAX_INDEX}; keep the shards of one run only"
            )
    files = [folder / f"{start}_{end}.safetensors" for start, end in ranges]
    shapes = [_header(file) for file in files]
    for file, shape in zip(files, shapes, strict=True):
        if shape != shapes[0]:
            raise InputError(
                f"{file}: tokens {list(shape)}, but those of {files[0].name} are {list(shapes[0])}; "
                "all shards must come from one run"
            )
    return DelphiCache(
        folder=folder,
        hook=hook,
        model=_model(folder / "config.json"),
        n_features=ranges[-1][1] + 1,
        n_sequences=shapes[0][0],
        sequence_length=shapes[0][1],
        ranges=tuple(ranges),
    )


def _hook(folder: Path, root: Path) -> str:
    """What Delphi called the module: the path below ``latents``, or below the folder that was given in its place."""
    base = next((parent for parent in folder.parents if parent.name == "latents"), None)
    return folder.relative_to(base or (root if folder != root else root.parent)).as_posix()


def _ranges(folder: Path) -> list[tuple[int, int]]:
    names = (_SHARD.fullmatch(file.name) for file in folder.glob("*.safetensors") if file.is_file())
    return sorted((int(name[1]), int(name[2])) for name in names if name)


@contextmanager
def _opened(file: Path) -> Iterator[Any]:
    """A shard, mapped; safetensors has then checked that every tensor lies within the file, and fills it."""
    try:
        with safe_open(file, framework="numpy") as shard:
            yield shard
    except (SafetensorError, OSError) as error:
        reason = " ".join(str(error).split())[:200]  # it may quote what the file says
        raise InputError(f"{file}: not a readable safetensors file ({reason})") from error


def _tokens(file: Path, start: int, stop: int) -> NDArray[np.int64]:
    with _opened(file) as shard:
        ids: NDArray[np.int64] = shard.get_slice("tokens")[start:stop].astype(np.int64)
    return ids


def _header(file: Path) -> tuple[int, int]:
    """The shape of a shard's tokens, after all its header says was found right."""
    with _opened(file) as shard:
        missing = [name for name in _DTYPES if name not in shard.keys()]  # noqa: SIM118 - no mapping, only keys()
        if missing:
            raise InputError(
                f"{file}: no tensor {', '.join(missing)}; a shard of a Delphi cache has {', '.join(_DTYPES)}"
            )
        slices = {name: shard.get_slice(name) for name in _DTYPES}
        for name, known in _DTYPES.items():
            if slices[name].get_dtype() not in known:
                raise InputError(f"{file}: {name} is {slices[name].get_dtype()}, expected {' or '.join(known)}")
        shapes = {name: tuple(slices[name].get_shape()) for name in _DTYPES}
    if shapes["activations"] != shapes["locations"][:1] or shapes["locations"][1:] != (3,):
        raise InputError(
            f"{file}: locations {list(shapes['locations'])} and activations {list(shapes['activations'])}, "
            "expected [n, 3] and [n]"
        )
    if len(shapes["tokens"]) != 2 or not all(1 <= size <= MAX_INDEX for size in shapes["tokens"]):
        raise InputError(f"{file}: tokens {list(shapes['tokens'])}, expected rows of tokens, at least one")
    rows, length = shapes["tokens"]
    return rows, length


def _model(file: Path) -> str:
    if not file.is_file():
        return ""
    try:
        with file.open("rb") as stream:
            text = stream.read(_CONFIG_BYTES + 1)
        if len(text) > _CONFIG_BYTES:
            raise InputError(f"{file}: above {_CONFIG_BYTES} bytes; Delphi's is a few hundred")
        config = json.loads(text)
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{file}: not JSON; expected the configuration that Delphi writes") from error
    name = config.get("model_name", "") if isinstance(config, dict) else None
    if not isinstance(name, str) or not name.isprintable():
        raise InputError(f"{file}: expected an object whose model_name is a printable string")
    return name
