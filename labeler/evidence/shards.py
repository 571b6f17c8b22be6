"""The pieces of an unfinished collection: a run of contexts with every feature's activations, a file each."""

from __future__ import annotations

import json
import os
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from labeler.errors import InputError
from labeler.evidence.dictionaries import Dictionary
from labeler.evidence.windows import Window


@dataclass(frozen=True, eq=False, kw_only=True)
class Shard:
    """Consecutive contexts of a corpus and everything that is active in them, ordered by feature, context, position."""

    tokens: NDArray[np.int32]
    """[n, length], -1 behind a context's end."""
    lengths: NDArray[np.uint8]
    """[n]"""
    texts: list[str]
    """[n] what the tokens stand for."""
    ends: NDArray[np.uint16]
    """[n, length] where in its context's text each token ends, in characters."""
    documents: list[str]
    """The documents met here."""
    document: NDArray[np.int32]
    """[n] each context's place in ``documents``."""
    feature: NDArray[np.int32]
    """[n_active]"""
    context: NDArray[np.int32]
    """[n_active] row in this shard."""
    position: NDArray[np.uint8]
    """[n_active] token in the context."""
    value: NDArray[np.float16]
    """[n_active] positive and finite."""

    @property
    def n_tokens(self) -> int:
        """How many tokens the contexts hold."""
        return int(self.lengths.sum(dtype=np.int64))

    def save(self, path: Path) -> None:
        """Write the file; it appears whole or not at all."""
        part = path.with_name(path.name + ".part")
        arrays: dict[str, Any] = {k: _packed(v) if k in _STRINGS else v for k, v in vars(self).items()}
        with part.open("wb") as file:
            np.savez(file, **arrays)
            file.flush()
            os.fsync(file.fileno())
        part.rename(path)

    @classmethod
    def load(cls, path: Path) -> Shard:
        """Read a file; InputError where it is damaged."""
        try:
            with np.load(path, allow_pickle=False) as file:
                arrays = {key: file[key] for key in file.files}
            strings = {key: json.loads(arrays.pop(key).tobytes()) for key in _STRINGS}
        except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile) as error:
            raise DamagedShardError(f"{path}: a damaged piece of a collection; delete it and collect again") from error
        return cls(**strings, **arrays)


_STRINGS = ("texts", "documents")


class DamagedShardError(InputError):
    """A piece that cannot be read; what else was collected stays."""


def _packed(strings: list[str]) -> NDArray[np.uint8]:
    return np.frombuffer(json.dumps(strings).encode(), dtype=np.uint8)


def make_shard(batch: list[Window], hidden: Tensor, dictionary: Dictionary, length: int) -> Shard:
    """Windows cut into contexts, with the features' activations: hidden [tokens, d_model] of all windows in turn.

    Raises InputError where an activation is NaN or infinite.
    """
    tokens, lengths, texts, ends, document = [], [], [], [], []
    documents: dict[str, int] = {}
    for window in batch:
        for start in range(0, len(window.ids), length):
            piece = window.cut(start, start + length)
            behind = (0, length - len(piece.ids))
            tokens.append(np.pad(piece.ids, behind, constant_values=-1))
            lengths.append(len(piece.ids))
            texts.append(piece.text)
            ends.append(np.pad(np.minimum(piece.ends, 65_535), behind))
            document.append(documents.setdefault(window.document, len(documents)))
    context = np.repeat(np.arange(len(lengths)), lengths)
    position = np.concatenate([np.arange(n) for n in lengths])

    rows, features, values = [], [], []
    for start in range(0, len(hidden), 4096):
        row, feature, value = dictionary.active(hidden[start : start + 4096])
        if not bool(torch.isfinite(value).all()):
            raise InputError(
                f"the activations of '{dictionary.model}' at {dictionary.hook} through this dictionary are NaN or infinite; "
                "check that the dictionary belongs to this model and layer"
            )
        # Stored in half precision: what would become infinite stays the largest number there is.
        half = value.clamp(max=65504).half()
        kept = half > 0
        rows.append((row[kept] + start).cpu().numpy())
        features.append(feature[kept].cpu().numpy())
        values.append(half[kept].cpu().numpy())
    at, fired = np.concatenate(rows), np.concatenate(features)
    order = np.lexsort((at, fired))
    at = at[order]
    return Shard(
        tokens=np.asarray(tokens, dtype=np.int32),
        lengths=np.asarray(lengths, dtype=np.uint8),
        texts=texts,
        ends=np.asarray(ends, dtype=np.uint16),
        documents=list(documents),
        document=np.asarray(document, dtype=np.int32),
        feature=fired[order].astype(np.int32),
        context=context[at].astype(np.int32),
        position=position[at].astype(np.uint8),
        value=np.concatenate(values)[order],
    )
